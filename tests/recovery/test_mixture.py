"""Mixtures recover what data were drawn from; draws with protocols summed out are calibrated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import chisquare

from battprob import Dataset, noise
from battprob.inference import MAP, NUTS
from battprob.models import BayesianLinear, ConstantGate, ProtocolMixture, SoftmaxGate
from battprob.models._scaling import Rows
from battprob.models.mixture import _marginal as summed
from battprob.models.mixture._bound import MixtureData
from battprob.models.mixture._common import Common
from battprob.models.mixture._experts import LinearExpert
from battprob.models.mixture._search import initial
from battprob.priors import Ridge

pytestmark = pytest.mark.slow
NUM, RUNS, BINS = 30, 48, 4
SAMPLER = NUTS(num_samples=200, num_warmup=200, num_chains=2, mode=MAP(num_starts=1))


def test_variances_and_gate_are_recovered():
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 2))
        chance = 1 / (1 + np.exp(-2 * x[:, 1]))
        u = (rng.random(300) < chance).astype(int)
        y = 3.0 * u + np.array([0.8, 0.4])[u] * x[:, 0] + rng.normal(size=300)
        model = ProtocolMixture(BayesianLinear(), 2, SoftmaxGate(["x1"]), shared=True)
        pred = model.fit(Dataset(x, y), key=jax.random.key(seed)).predict(x)
        between = chance * (1 - chance) * (3 - 0.4 * x[:, 0]) ** 2
        errors.append(
            [pred.within.mean() - 1, pred.between.mean() / between.mean() - 1]
        )
    assert np.all(np.median(np.abs(errors), axis=0) < 0.15)


def _drawn(rng):
    """Parameters from their prior, protocols in order, and rows that follow them."""
    common = Common(Ridge().bind(["x0"], NUM))
    expert = LinearExpert(common=common, noise=noise.Constant())
    start = initial(expert, ConstantGate().bind(["x0"], 2), 2, shared=True)
    x = rng.normal(size=(32, 1))
    log_variance, level = -2 + 2 * rng.normal(), rng.normal()
    gate = 1.5 * rng.normal(size=2)
    share, spread = ndtr(rng.normal()), np.exp(-0.5 + 0.75 * rng.normal())
    intercepts = spread * np.sort(rng.normal(size=2))
    slopes = np.sqrt(share) * rng.normal() + np.sqrt(1 - share) * rng.normal(size=2)
    chance = 1 / (1 + np.exp(gate[0] - gate[1]))
    u = (rng.random(32) < chance).astype(int)
    scale = np.exp(0.75 * level)
    y = intercepts[u] + scale * slopes[u] * x[:, 0]
    y = y + np.exp(0.5 * log_variance) * rng.normal(size=32)
    mask = np.arange(32) < NUM
    rows = Rows(*map(jnp.asarray, (x, np.where(mask, y, 0.0), np.zeros(32), mask)))
    labels = jnp.full(32, -1, jnp.int32)
    data = MixtureData(rows, labels, jnp.ones(2))
    truth = [log_variance, gate[1] - gate[0], *intercepts, *(scale * slopes)]
    share = jnp.asarray(np.where(np.arange(2)[:, None] == u, 0.9, 0.1) * mask)
    return start, data, share, truth


def _statistics(draws):
    weights = jax.vmap(lambda own: own.weights()[0])(draws)
    common = draws.mixture.expert.common
    scale, spread = jnp.exp(0.75 * common.prior.z_tau), jnp.exp(common.log_spread)
    whole, rest = (
        jnp.sqrt(jax.scipy.special.ndtr(sign * common.correlation)) for sign in (1, -1)
    )
    slopes = whole[:, None] * common.slopes + rest[:, None] * weights[:, :, 1]
    gate = draws.mixture.gate.level
    columns = [draws.mixture.expert.noise.log_variance, gate[:, 1] - gate[:, 0]]
    columns += [spread * weights[:, 0, 0], spread * weights[:, 1, 0]]
    columns += [scale * slopes[:, k] for k in (0, 1)]
    return np.stack([np.asarray(column) for column in columns], axis=1)


def test_ranks_of_truths_among_draws_are_uniform():
    rng = np.random.default_rng(0)
    ranks = []
    for run in range(RUNS):
        parameters, data, share, truth = _drawn(rng)
        first = summed.start(parameters, data, share, (0, 1))
        draws, _ = SAMPLER.run(summed.log_joint, first, data, key=jax.random.key(run))
        ranks.append(np.mean(_statistics(draws) < np.array(truth), axis=0))
    counts = [np.histogram(own, BINS, (0, 1))[0] for own in np.array(ranks).T]
    assert all(chisquare(count).pvalue > 0.001 for count in counts), counts
