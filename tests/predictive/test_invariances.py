"""Invariances: order of components, split components, shift and scale of the target."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battprob import Predictive, transforms
from tests.predictive.mixtures import SCALES, mixture

few = settings(max_examples=8, deadline=None)
seeds = st.integers(0, 10_000)
MOMENTS = ("mean", "within", "between", "epistemic", "variance")


def _same(one, other, names=MOMENTS):
    for name in names:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12
        )
    _same_distribution(one, other)


def _same_distribution(one, other):
    y = np.array([0.3, 0.8, 2.0])
    for compute in (
        lambda pred: pred.log_prob(y),
        lambda pred: pred.cdf(y),
        lambda pred: pred.crps(y),
        lambda pred: pred.quantile(0.2),
    ):
        np.testing.assert_allclose(compute(one), compute(other), rtol=1e-9)


def _rebuilt(pred, change):
    fields = (
        pred.location,
        pred.noise_variance,
        pred.function_variance,
        pred.log_weight,
    )
    return Predictive(*(change(field) for field in fields), pred.transform)


@pytest.mark.parametrize("scale", ["identity", "log"])
@few
@given(seed=seeds)
def test_order_of_draws_and_of_components_does_not_matter(scale, seed):
    rng = np.random.default_rng(seed)
    draws, components = rng.permutation(3), rng.permutation(2)
    pred = mixture(SCALES[scale], seed)
    _same(pred, _rebuilt(pred, lambda a: a[draws][:, components]))


@few
@given(seed=seeds, shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_shift_and_scale_of_the_target(seed, shift, scale):
    pred = mixture(seed=seed)
    moved = Predictive(
        shift + scale * pred.location,
        scale**2 * pred.noise_variance,
        scale**2 * pred.function_variance,
        pred.log_weight,
    )
    y = np.array([0.3, 0.8, 2.0])
    np.testing.assert_allclose(moved.mean, shift + scale * pred.mean, atol=1e-9)
    for name in MOMENTS[1:]:
        expected = scale**2 * getattr(pred, name)
        np.testing.assert_allclose(getattr(moved, name), expected, rtol=1e-9)
    moved_y = shift + scale * y
    np.testing.assert_allclose(moved.crps(moved_y), scale * pred.crps(y), rtol=1e-8)
    np.testing.assert_allclose(moved.cdf(moved_y), pred.cdf(y), rtol=1e-8)
    expected = pred.log_prob(y) - np.log(scale)
    np.testing.assert_allclose(moved.log_prob(moved_y), expected, rtol=1e-8, atol=1e-8)
    expected = shift + scale * pred.quantile(0.2)
    np.testing.assert_allclose(moved.quantile(0.2), expected, rtol=1e-8, atol=1e-8)


@few
@given(seed=seeds, shift=st.floats(-3, 3))
def test_change_of_unit_is_a_shift_of_the_logarithm(seed, shift):
    pred = mixture(SCALES["log"], seed)
    moved = Predictive(
        pred.location + shift,
        pred.noise_variance,
        pred.function_variance,
        pred.log_weight,
        pred.transform,
    )
    factor = np.exp(shift)
    np.testing.assert_allclose(moved.mean, factor * pred.mean, rtol=1e-9)
    for name in MOMENTS[1:]:
        expected = factor**2 * getattr(pred, name)
        np.testing.assert_allclose(getattr(moved, name), expected, rtol=1e-9)
    y = np.array([0.3, 0.8, 2.0])
    np.testing.assert_allclose(moved.crps(factor * y), factor * pred.crps(y), rtol=1e-8)


@few
@given(seed=seeds)
def test_a_draw_may_be_repeated_with_half_the_weight(seed):
    pred = mixture(SCALES["log"], seed)
    _same(pred, _rebuilt(pred, lambda a: jnp.concatenate([a, a])))


@few
@given(seed=seeds)
def test_two_equal_halves_of_a_component_move_variance_to_between(seed):
    """The distribution does not change, but the functions of the two halves are
    independent: half of w² fvar of each component moves from epistemic to between."""
    pred = mixture(seed=seed)
    halved = _rebuilt(pred, lambda a: jnp.concatenate([a, a], axis=1))
    _same(pred, halved, ("mean", "within", "variance"))
    weight = np.exp(pred.log_weight)
    draw = weight.sum(1, keepdims=True)
    shared = (draw * (weight / draw) ** 2 * pred.function_variance).sum((0, 1))
    gain = halved.between - pred.between
    np.testing.assert_allclose(gain, 0.5 * shared, rtol=1e-8)
    np.testing.assert_allclose(pred.epistemic - halved.epistemic, gain, rtol=1e-8)


@few
@given(seed=seeds, offset=st.floats(-50, 50))
def test_log_weights_are_normalised(seed, offset):
    pred = mixture(seed=seed)
    shifted = Predictive(
        pred.location,
        pred.noise_variance,
        pred.function_variance,
        pred.log_weight + offset,
    )
    np.testing.assert_allclose(np.exp(shifted.log_weight).sum((0, 1)), 1.0)
    _same(pred, shifted)


@few
@given(seed=seeds)
def test_monotone_exponential_is_the_log_transform(seed):
    """Quadrature equals the closed form in all moments and scores."""
    exact = mixture(SCALES["log"], seed)
    monotone = transforms.Monotone(jnp.exp, jnp.log)
    by_quadrature = Predictive(
        exact.location,
        exact.noise_variance,
        exact.function_variance,
        exact.log_weight,
        monotone,
    )
    _same(exact, by_quadrature)
