"""Mixtures recover the simulated variances and gate; sampled protocols are calibrated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import ndtr as jax_ndtr
from scipy.special import ndtr
from scipy.stats import chisquare

from battprob import Dataset, noise
from battprob.inference import MAP, NUTS
from battprob.models import BayesianLinear, ConstantGate, ProtocolMixture, SoftmaxGate
from battprob.models._scaling import Rows
from battprob.models.mixture._experts import LinearExpert
from battprob.models.mixture._hierarchy import HierarchicalPrior
from battprob.models.mixture._marginal import initial_marginal, log_joint
from battprob.models.mixture._parameters import MixtureData, initial_parameters
from battprob.priors import Ridge

pytestmark = pytest.mark.slow
NUM, RUNS, BINS = 30, 48, 4
SAMPLER = NUTS(num_samples=200, num_warmup=200, num_chains=2, mode=MAP(num_starts=1))


def test_variances_and_gate_are_recovered():
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 2))
        probability = 1 / (1 + np.exp(-2 * x[:, 1]))
        u = (rng.random(300) < probability).astype(int)
        y = 3.0 * u + np.array([0.8, 0.4])[u] * x[:, 0] + rng.normal(size=300)
        model = ProtocolMixture(BayesianLinear(), 2, SoftmaxGate(["x1"]), shared=True)
        pred = model.fit(Dataset(x, y), key=jax.random.key(seed)).predict(x)
        between = probability * (1 - probability) * (3 - 0.4 * x[:, 0]) ** 2
        errors.append(
            [pred.within.mean() - 1, pred.between.mean() / between.mean() - 1]
        )
    assert np.all(np.median(np.abs(errors), axis=0) < 0.15)


def _simulated(rng):
    """Parameters from their prior, protocols in order, and rows simulated from them."""
    hierarchy = HierarchicalPrior(Ridge().bind(["x0"], NUM))
    expert = LinearExpert(hierarchy=hierarchy, noise=noise.Constant())
    gate = ConstantGate().bind(["x0"], 2)
    parameters = initial_parameters(expert, gate, 2, shared=True)
    x = rng.normal(size=(32, 1))
    log_variance, z_tau = -2 + 2 * rng.normal(), rng.normal()
    logits = 1.5 * rng.normal(size=2)
    correlation = ndtr(rng.normal())
    intercept_std = np.exp(-0.5 + 0.75 * rng.normal())
    intercepts = intercept_std * np.sort(rng.normal(size=2))
    common, own = rng.normal(), rng.normal(size=2)
    slopes = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    probability = 1 / (1 + np.exp(logits[0] - logits[1]))
    u = (rng.random(32) < probability).astype(int)
    slopes = np.exp(0.75 * z_tau) * slopes
    y = intercepts[u] + slopes[u] * x[:, 0]
    y = y + np.exp(0.5 * log_variance) * rng.normal(size=32)
    mask = np.arange(32) < NUM
    rows = Rows(*map(jnp.asarray, (x, np.where(mask, y, 0.0), np.zeros(32), mask)))
    data = MixtureData(rows, jnp.full(32, -1, jnp.int32), jnp.ones(2))
    truth = [log_variance, logits[1] - logits[0], *intercepts, *slopes]
    responsibilities = np.where(np.arange(2)[:, None] == u, 0.9, 0.1) * mask
    return parameters, data, jnp.asarray(responsibilities), truth


def _statistics(draws):
    """The ranked numbers of every draw, in the order of the true values."""
    weights = jax.vmap(lambda draw: draw.weights()[0])(draws)
    expert, gate = draws.mixture.expert, draws.mixture.gate.intercepts
    hierarchy = expert.hierarchy
    intercepts = jnp.exp(hierarchy.log_intercept_std)[:, None] * weights[:, :, 0]
    common, own = (
        jnp.sqrt(jax_ndtr(sign * hierarchy.z_correlation))[:, None] for sign in (1, -1)
    )
    slopes = common * hierarchy.z_slopes + own * weights[:, :, 1]
    slopes = jnp.exp(0.75 * hierarchy.prior.z_tau)[:, None] * slopes
    columns = [expert.noise.log_variance, gate[:, 1] - gate[:, 0]]
    columns += [*intercepts.T, *slopes.T]
    return np.stack([np.asarray(column) for column in columns], axis=1)


def test_ranks_of_true_values_among_draws_are_uniform():
    rng = np.random.default_rng(0)
    ranks = []
    for run in range(RUNS):
        parameters, data, responsibilities, truth = _simulated(rng)
        initial = initial_marginal(parameters, data, responsibilities, (0, 1))
        draws, _ = SAMPLER.run(log_joint, initial, data, key=jax.random.key(run))
        ranks.append(np.mean(_statistics(draws) < np.array(truth), axis=0))
    counts = [np.histogram(rank, BINS, (0, 1))[0] for rank in np.array(ranks).T]
    assert all(chisquare(count).pvalue > 0.001 for count in counts), counts
