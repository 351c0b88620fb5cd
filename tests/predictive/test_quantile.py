"""Quantiles invert the distribution function, also far in both tails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob import Predictive
from tests.predictive.mixtures import BATCH, SCALES, components, mixture

PROBABILITIES = np.array([1e-12, 1e-6, 0.02, 0.5, 0.5 + 1e-9, 0.97, 1 - 1e-6])


def _two(separation, transform=None, log_weight=(0.0, 0.0)):
    """Two unit components at 0 and `separation`."""
    location = np.array([[[0.0], [separation]]])
    weight = np.array(log_weight)[None, :, None]
    return Predictive(location, 0.7, 0.3, weight, transform)


@pytest.mark.parametrize("scale", SCALES)
def test_distribution_at_the_quantile_is_the_probability(scale):
    pred = mixture(SCALES[scale])
    quantile = pred.quantile(PROBABILITIES)
    assert quantile.shape == (len(PROBABILITIES), BATCH)
    expected = np.broadcast_to(PROBABILITIES[:, None], quantile.shape)
    np.testing.assert_allclose(pred.cdf(quantile), expected, rtol=1e-11)
    assert np.all(np.diff(quantile, axis=0) > 0)


def test_upper_tail_is_accurate():
    """Compare with the survival function at 1 - 1e-12: the cdf has only 4 digits there."""
    pred = mixture()
    upper = 1 - 1e-12
    quantile = np.asarray(pred.quantile(upper))
    for row in range(BATCH):
        location, scale, weight = components(pred, row)
        survival = weight @ stats.norm.sf(quantile[row], location, scale)
        assert survival == pytest.approx(1 - upper, rel=1e-10)


def test_gaussian_quantiles_equal_scipys():
    pred = Predictive.gaussian([1.0], 3.0, 1.0)
    p = np.array([1e-300, 1e-100, 1e-12, 0.1, 0.5, 0.9])
    expected = 1 + 2 * stats.norm.ppf(p)
    np.testing.assert_allclose(pred.quantile(p)[:, 0], expected, rtol=1e-13)


@pytest.mark.parametrize("separation", [5.0, 60.0, 1e3, 1e6])
def test_components_far_apart(separation):
    """Each component has half of the probability."""
    pred = _two(separation)
    p = np.array([1e-12, 0.1, 0.4, 0.6, 0.9, 1 - 1e-9])
    got = pred.quantile(p)[:, 0]
    np.testing.assert_allclose(pred.cdf(got[:, None])[:, 0], p, rtol=1e-8)
    if separation > 50:
        low, high = stats.norm.ppf(2 * p[:3]), stats.norm.ppf(2 * p[3:] - 1)
        tolerance = 1e-14 * separation
        np.testing.assert_allclose(got[:3], low, rtol=1e-7, atol=tolerance)
        np.testing.assert_allclose(got[3:] - separation, high, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_quantile_between_far_components_stays_in_the_gap(dtype):
    """The density there is zero, so a Newton step without safeguard would fail."""
    for separation in (20.0, 60.0, 1000.0):
        for weight in (0.5, 0.2, 0.31):
            with jax.enable_x64(dtype == jnp.float64):
                pred = _two(separation, None, np.log([weight, 1 - weight]))
                assert pred.location.dtype == dtype
                between = float(pred.quantile(weight)[0])
            assert 0 < between < separation


def test_probabilities_zero_and_one_and_outside_the_range():
    pred = mixture(SCALES["log"])
    got = np.asarray(pred.quantile(np.array([0.0, 1.0, -0.1, 1.1, np.nan])))
    np.testing.assert_array_equal(got[0], 0.0)
    np.testing.assert_array_equal(got[1], np.inf)
    assert np.isnan(got[2:]).all()
    assert mixture().quantile(0.0).max() == -np.inf


def test_interval_consists_of_two_quantiles():
    pred = mixture(SCALES["log"])
    low, high = pred.interval(0.8)
    np.testing.assert_allclose(low, pred.quantile(0.1), rtol=1e-14)
    np.testing.assert_allclose(high, pred.quantile(0.9), rtol=1e-14)
    np.testing.assert_allclose(pred.cdf(high) - pred.cdf(low), 0.8, rtol=1e-12)


def test_shape_is_that_of_p_then_the_batch():
    pred = mixture()
    assert pred.quantile(0.3).shape == (BATCH,)
    assert pred.quantile(np.full((2, 4), 0.3)).shape == (2, 4, BATCH)


@pytest.mark.parametrize("seed", range(5))
def test_random_mixtures_of_very_different_scales(seed):
    """Scales over six decades and weights over twenty, compared with SciPy."""
    rng = np.random.default_rng(seed)
    shape = (3, 2, BATCH)
    location = rng.normal(0, 100, shape)
    variance = 10 ** rng.uniform(-6, 6, shape)
    pred = Predictive(location, variance, 0.0, rng.uniform(-45, 0, shape))
    quantile = np.asarray(pred.quantile(PROBABILITIES))
    for row in range(BATCH):
        location, scale, weight = components(pred, row)
        for p, y in zip(PROBABILITIES, quantile[:, row], strict=True):
            # The distribution function just below and above y must enclose p.
            step = 1e-12 * np.max(np.abs(location) + scale)
            below, above = (
                weight @ stats.norm.cdf(y + s, location, scale) for s in (-step, step)
            )
            assert below * (1 - 1e-9) <= p <= above * (1 + 1e-9)
