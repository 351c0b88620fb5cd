"""Coverage of targets that are drawn from the predictive distribution."""

import jax
import numpy as np
import pytest
from scipy import stats

from battprob import Predictive, evaluate, transforms

NUM = 2000


@pytest.fixture(params=[None, transforms.Log()], ids=["identity", "log"])
def simulated(request, key):
    """Mixtures of two draws and three components, and one sampled target of each."""
    rng = np.random.default_rng(0)
    location = rng.normal(0.0, 1.0, (2, 3, NUM))
    noise, function = rng.uniform(0.01, 0.5, (2, 2, 3, NUM))
    weight = rng.normal(size=(2, 3, NUM))
    pred = Predictive(location, noise, function, weight, request.param)
    return pred, pred.sample(key=key, num=1)[0]


@pytest.mark.parametrize("level", [0.2, 0.5, 0.9])
def test_coverage_equals_the_level(simulated, level):
    pred, y = simulated
    count = int(evaluate.covered(pred, y, level=level).sum())
    assert stats.binomtest(count, NUM, level).pvalue > 1e-3


def test_pit_is_uniform(simulated):
    pred, y = simulated
    assert stats.kstest(evaluate.pit(pred, y), "uniform").pvalue > 1e-3


def test_underestimated_variance_reduces_the_coverage(key):
    pred = Predictive.gaussian(np.zeros(NUM), 1.0)
    y = np.sqrt(2) * jax.random.normal(key, (NUM,))
    coverage = float(evaluate.covered(pred, y, level=0.9).mean())
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.95) / np.sqrt(2)) - 1
    assert coverage == pytest.approx(expected, abs=0.03)
    assert stats.kstest(evaluate.pit(pred, y), "uniform").pvalue < 1e-6


def test_covered_agrees_with_the_pit_and_the_width_with_the_quantiles(simulated):
    pred, y = simulated
    central = np.abs(2 * np.asarray(evaluate.pit(pred, y)) - 1) <= 0.7
    np.testing.assert_array_equal(evaluate.covered(pred, y, level=0.7), central)
    width = evaluate.interval_width(pred, level=0.7)
    low, high = pred.quantile(np.array([0.15, 0.85]))
    np.testing.assert_allclose(width, high - low, rtol=1e-6)
