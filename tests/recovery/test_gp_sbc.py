"""Parameters drawn from the prior have uniform ranks among posterior draws of NUTS.

References: Talts et al., Validating Bayesian Inference Algorithms with Simulation-Based
Calibration, arXiv:1804.06788, theorem 1.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from battprob import Dataset
from battprob.inference import MAP, NUTS
from battprob.kernels import RBF
from battprob.models._replicates import find_distinct
from battprob.models._scaling import Scaling
from battprob.models.process._joint_density import log_joint
from battprob.models.process.exact import _solution
from battprob.models.process.model import _posterior
from battprob.noise import Constant
from battprob.noise.latent import split

pytestmark = pytest.mark.slow
NUM_ROWS, NUM_SIMULATIONS, NUM_DRAWS, NUM_BINS = 16, 120, 120, 6
THIN = 10
UNIT_SCALING = Scaling(jnp.zeros(1), jnp.ones(1), jnp.zeros(()), jnp.ones(()))
NEW = np.array([[0.5]])
SAMPLER = NUTS(num_samples=THIN * NUM_DRAWS, num_warmup=300, mode=MAP(1))


def _truth(rng):
    """Hyper-parameters, the function at `NEW`, and data, from the priors."""
    log_length = np.log(2) + rng.normal()
    log_variance = 2 * np.log(rng.exponential(1 / 3))
    log_noise = -2 + 2 * rng.normal()
    x = rng.normal(size=(NUM_ROWS, 1))
    all_x = np.concatenate([x, NEW])
    gram = np.exp(-0.5 * (cdist(all_x, all_x) / np.exp(log_length)) ** 2)
    root = np.linalg.cholesky(gram + 1e-10 * np.eye(len(all_x)))
    function = np.exp(0.5 * log_variance) * root @ rng.normal(size=len(all_x))
    y = function[:-1] + np.exp(0.5 * log_noise) * rng.normal(size=NUM_ROWS)
    return (log_length, log_variance, log_noise, function[-1]), Dataset(x, y)


def _draws(data, key, inference, thin):
    """Posterior draws of the quantities of `_truth`, without standardisation."""
    rows = UNIT_SCALING.rows(data.padded())
    kernel, noise = RBF().bind(["x"]), Constant()
    parameters, _, constants = split(noise)
    problem = (rows, find_distinct(rows), constants)
    key_fit, key_function = jax.random.split(key)
    draws, report = inference.run(log_joint, (kernel, parameters), problem, key=key_fit)
    draws = jax.tree.map(lambda leaf: leaf[::thin], draws)
    solution = _solution(draws, problem)
    posterior = _posterior(solution, UNIT_SCALING, data, report)
    functions = posterior.sample_functions(NEW, key=key_function, num=NUM_DRAWS)
    kernel, noise = draws
    return (
        kernel.log_lengthscale[:, 0],
        kernel.log_variance,
        noise.log_variance,
        functions[:, 0],
    )


def histograms(inference, thin, key):
    """Histograms of the ranks of lengthscale, variance, noise and function."""
    rng = np.random.default_rng(0)
    ranks = []
    for one in jax.random.split(key, NUM_SIMULATIONS):
        truth, data = _truth(rng)
        drawn = _draws(data, one, inference, thin)
        ranks.append(
            [np.mean(np.asarray(d) < t) for d, t in zip(drawn, truth, strict=True)]
        )
    bins = np.minimum((np.array(ranks).T * NUM_BINS).astype(int), NUM_BINS - 1)
    return [np.bincount(bin_, minlength=NUM_BINS) for bin_ in bins]


def test_ranks_are_uniform(key):
    for counts in histograms(SAMPLER, THIN, key):
        assert chisquare(counts).pvalue > 1e-3, counts
