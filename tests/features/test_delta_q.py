"""The statistics of ΔQ(V) equal those of NumPy and SciPy; gradients are never NaN."""

import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from battprob.features import delta_q_statistics

statistics = jax.jit(delta_q_statistics)
jacobian = jax.jit(jax.jacrev(delta_q_statistics))
CURVES = np.random.default_rng(1).gamma(2.0, 0.01, (4, 50)) - 0.05


def reference(curves):
    moments = [
        curves.var(axis=-1),
        curves.min(axis=-1),
        curves.mean(axis=-1),
        scipy.stats.skew(curves, axis=-1),
        scipy.stats.kurtosis(curves, axis=-1, fisher=False),
    ]
    return np.stack([*np.log10(np.abs(moments)), 1 / moments[-1]])


def test_equals_scipy():
    got = jnp.stack(jax.vmap(delta_q_statistics)(jnp.asarray(CURVES)))
    np.testing.assert_allclose(got, reference(CURVES), rtol=1e-12)


def test_jit_gives_the_same_values():
    curve = jnp.asarray(CURVES[0])
    plain, jitted = delta_q_statistics(curve), statistics(curve)
    np.testing.assert_allclose(jitted, plain, rtol=1e-13)


def test_runs_in_float32():
    curve = jnp.asarray(CURVES[0], jnp.float32)
    got = delta_q_statistics(curve)
    assert {value.dtype for value in got} == {jnp.dtype("float32")}
    np.testing.assert_allclose(got, reference(CURVES[0]), rtol=1e-5, atol=1e-5)


@hypothesis.given(
    arrays.arrays(float, 50, elements=st.floats(-1, 1).map(lambda x: round(x, 6))),
    st.floats(1e-3, 1e3),
)
@hypothesis.settings(max_examples=50, deadline=None)
def test_scales_with_the_unit(curve, factor):
    hypothesis.assume(np.ptp(curve) > 1e-3)
    hypothesis.assume(abs(curve.mean()) > 1e-3)
    hypothesis.assume(abs(scipy.stats.skew(curve)) > 1e-3)
    before = statistics(jnp.asarray(curve))
    after = statistics(jnp.asarray(factor * curve))
    shift = np.log10(factor) * np.array([2, 1, 1, 0, 0, 0])
    # A minimum of exactly 0 stays -inf.
    np.testing.assert_allclose(after, np.asarray(before) + shift, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, -1.0 / 3.0])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_constant_curve_has_no_shape_and_finite_gradients(value, dtype):
    curve = jnp.full(50, value, dtype)
    got = statistics(curve)
    assert got.log10_variance == -jnp.inf
    assert jnp.isnan(got.log10_skewness)
    assert jnp.isnan(got.log10_kurtosis)
    np.testing.assert_allclose(got.log10_mean, got.log10_minimum, rtol=1e-6)
    assert jnp.isfinite(jnp.stack(jacobian(curve))).all()


def test_gradients_equal_finite_differences():
    def weighted(curve):
        return jnp.stack(statistics(curve)) @ jnp.arange(1.0, 7.0)

    curve = CURVES[0, :8]
    step = 1e-6 * np.eye(8)
    difference = [
        (weighted(jnp.asarray(curve + s)) - weighted(jnp.asarray(curve - s))) / 2e-6
        for s in step
    ]
    got = jax.grad(weighted)(jnp.asarray(curve))
    np.testing.assert_allclose(got, difference, rtol=1e-5, atol=1e-5)
