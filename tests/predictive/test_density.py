"""Density and distribution function equal SciPy's, and one integrates to the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from battprob import Predictive, transforms
from tests.predictive.mixtures import (
    BATCH,
    SCALES,
    mixture,
    reference_cdf,
    reference_pdf,
)

TARGETS = np.array([0.2, 0.9, 2.5, 7.0])

each_scale = pytest.mark.parametrize("scale", SCALES)


@each_scale
def test_density_and_distribution_match_scipy(scale):
    pred = mixture(SCALES[scale])
    y = np.broadcast_to(TARGETS[:, None], (4, BATCH))
    density, distribution = (
        np.stack([f(pred, SCALES[scale], row, TARGETS) for row in range(BATCH)], 1)
        for f in (reference_pdf, reference_cdf)
    )
    np.testing.assert_allclose(pred.log_prob(y), np.log(density), rtol=1e-10)
    np.testing.assert_allclose(pred.cdf(y), distribution, rtol=1e-10)


@each_scale
def test_density_integrates_to_one_and_to_the_distribution_function(scale):
    pred = mixture(SCALES[scale]).take(slice(1))
    low = -12.0 if scale == "identity" else 1e-9
    node, weight = np.polynomial.legendre.leggauss(40)
    for upper, expected in [(400.0, 1.0), (0.7, float(pred.cdf(0.7)[0]))]:
        cuts = np.concatenate([[low], np.geomspace(0.01, upper, 40)])
        half, middle = np.diff(cuts) / 2, (cuts[1:] + cuts[:-1]) / 2
        y = middle[:, None] + half[:, None] * node
        density = np.exp(pred.log_prob(y.reshape(-1, 1))).reshape(y.shape)
        assert np.sum(half * (density @ weight)) == pytest.approx(expected, rel=1e-8)


@each_scale
def test_log_density_is_finite_far_in_the_tail(scale):
    """Fifty standard deviations away the density of every component underflows to 0."""
    pred = Predictive(np.zeros((1, 2, 1)), 1.0, 0.0, 0.0, SCALES[scale])
    y = jnp.array([50.0]) if scale != "log" else jnp.exp(jnp.array([50.0]))
    slope = -50.0 if scale == "log" else 0.0
    expected = -0.5 * 50**2 - 0.5 * np.log(2 * np.pi) + slope
    np.testing.assert_allclose(pred.log_prob(y), [expected], rtol=1e-12)


def test_component_of_weight_zero_has_no_effect():
    location = np.array([[[1.0], [1e12]]])
    log_weight = np.array([[[0.0], [-np.inf]]])
    pred = Predictive(location, 0.5, 0.3, log_weight)
    alone = Predictive.gaussian([1.0], 0.5, 0.3)
    y = np.array([[-1.0], [0.7], [4.0]])
    for method in ("log_prob", "cdf", "crps"):
        got, expected = (getattr(p, method)(y) for p in (pred, alone))
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    for name in ("mean", "within", "between", "epistemic"):
        np.testing.assert_allclose(getattr(pred, name), getattr(alone, name))
    p = np.array([0.0, 1e-12, 0.3, 0.99, 1.0])
    np.testing.assert_allclose(pred.quantile(p), alone.quantile(p), rtol=1e-12)


def test_zero_variance_is_a_step_function():
    pred = Predictive.gaussian(np.array([1.0, 2.0, 3.0]), 0.0)
    np.testing.assert_allclose(pred.cdf(np.array([0.9, 2.0, 3.1])), [0.0, 0.5, 1.0])
    for p in (1e-12, 0.1, 0.5, 0.9):
        np.testing.assert_allclose(pred.quantile(p), [1.0, 2.0, 3.0])
    crps = pred.crps(np.array([0.0, 2.0, 5.0]))
    np.testing.assert_allclose(crps, [1.0, 0.0, 2.0], atol=1e-100)
    assert pred.log_prob(np.array([0.0, 2.1, 5.0])).max() < -1e100


def test_a_positive_target_has_no_probability_below_zero():
    pred = Predictive.gaussian([0.3], 1.0, transform=transforms.Log())
    for y in (-1.0, 0.0):
        assert pred.cdf([y]) == 0.0
        assert pred.log_prob([y]) == -np.inf
        # All of the target lies above y: E|Y - y| = E[Y] - y.
        np.testing.assert_allclose(pred.crps([y]), pred.crps([0.0]) - y, rtol=1e-13)
    assert jax.grad(lambda y: pred.cdf(y).sum())(-1.0) == 0.0


@pytest.mark.parametrize(
    ("method", "scale"),
    [
        ("log_prob", "softplus"),
        ("cdf", "log"),
        ("crps", "identity"),
        ("crps", "log"),
    ],
)
def test_leading_axes_of_y_broadcast_against_the_batch(method, scale):
    """Shapes [4 1 3], [4 1 1] and [] against a batch [3] equal a loop."""
    pred = mixture(SCALES[scale])
    call = getattr(pred, method)
    one = np.stack([call(np.full(BATCH, y)) for y in TARGETS])
    np.testing.assert_allclose(call(TARGETS[:, None, None]), one[:, None], rtol=1e-13)
    full = np.broadcast_to(TARGETS[:, None, None], (4, 1, BATCH))
    np.testing.assert_allclose(call(full), one[:, None], rtol=1e-13)
    np.testing.assert_allclose(call(TARGETS[2]), one[2], rtol=1e-13)
    assert call(TARGETS[2]).shape == (BATCH,)


def test_vmap_over_predictives_equals_one_batch():
    pred = mixture()
    rows = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 2, 0), pred)
    y = jnp.array([0.2, 0.5, 1.3])
    for method in ("log_prob", "cdf", "crps"):
        got = jax.vmap(lambda p, y: getattr(p, method)(y))(rows, y)  # noqa: B023
        np.testing.assert_allclose(got, getattr(pred, method)(y), rtol=1e-12)
    got = jax.vmap(lambda p: p.quantile(0.3))(rows)
    np.testing.assert_allclose(got, pred.quantile(0.3), rtol=1e-12)
    got = jax.vmap(lambda p: p.variance)(rows)
    np.testing.assert_allclose(got, pred.variance, rtol=1e-12)


def test_density_of_one_component_integrates_to_one():
    pred = Predictive.gaussian([0.3], 0.4, 0.1, SCALES["softplus"])
    total, _ = integrate.quad(
        lambda y: reference_pdf(pred, SCALES["softplus"], 0, y), 1e-9, 40
    )
    assert total == pytest.approx(1.0, rel=1e-8)
