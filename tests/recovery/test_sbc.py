"""Simulation-based calibration: truths drawn from the prior rank uniformly in draws.

References: Talts et al., Validating Bayesian Inference Algorithms with Simulation-Based
Calibration, arXiv:1804.06788, theorem 1.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from battprob import Dataset
from battprob.inference import Laplace
from battprob.models.base import Scaling
from battprob.models.linear import LinearParameters, _log_joint, _posterior
from battprob.noise import Constant

pytestmark = pytest.mark.slow
NUM_ROWS, NUM_FEATURES, NUM_DRAWS, NUM_SIMULATIONS, NUM_BINS = 32, 3, 99, 300, 10
UNIT_SCALING = Scaling(
    jnp.zeros(NUM_FEATURES), jnp.ones(NUM_FEATURES), jnp.zeros(()), jnp.ones(())
)
NEW = np.array([[0.5, -1.0, 2.0]])


def _truth(rng):
    """Hyper-parameters, function and data from the model's own prior."""
    log_scale, log_noise = 1.5 * rng.normal(), -2 + 2 * rng.normal()
    weights = (
        np.exp(0.5 * log_scale) / NUM_FEATURES**0.5 * rng.normal(size=NUM_FEATURES)
    )
    intercept = rng.normal()
    x = rng.normal(size=(NUM_ROWS, NUM_FEATURES))
    y = intercept + x @ weights
    y += np.exp(0.5 * log_noise) * rng.normal(size=NUM_ROWS)
    return log_noise, (intercept + NEW @ weights)[0], Dataset(x, y)


def _draws(data, key):
    """Posterior draws of log σ² and of the function, with no standardisation before."""
    rows = UNIT_SCALING.rows(data.padded())
    initial = LinearParameters(jnp.zeros(()), Constant())
    key_fit, key_function = jax.random.split(key)
    inference = Laplace(num_draws=2 * NUM_DRAWS)
    draws, report = inference.run(_log_joint, initial, (rows, None), key=key_fit)
    posterior = _posterior(draws, rows, None, UNIT_SCALING, data, report)
    functions = posterior.sample_functions(NEW, key=key_function, num=NUM_DRAWS)
    # One of every mirrored pair: those are independent.
    return draws.noise.log_variance[:NUM_DRAWS], functions[:, 0]


def test_ranks_are_uniform(key):
    rng = np.random.default_rng(0)
    ranks = []
    for one in jax.random.split(key, NUM_SIMULATIONS):
        log_noise, function, data = _truth(rng)
        noise_draws, function_draws = _draws(data, one)
        ranks.append(
            [(noise_draws < log_noise).sum(), (function_draws < function).sum()]
        )
    for rank in np.array(ranks).T:
        counts = np.bincount(rank * NUM_BINS // (NUM_DRAWS + 1), minlength=NUM_BINS)
        assert chisquare(counts).pvalue > 1e-3, counts
