"""The fade line and its variances equal least squares in NumPy."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from battprob.features import fade_curvature, fade_line

CYCLE = np.arange(2.0, 101.0)


def noisy_capacity(seed=0):
    noise = np.random.default_rng(seed).normal(0, 2e-4, CYCLE.size)
    return 1.08 - 1.5e-5 * CYCLE + noise


def fit(capacity, first, last, dtype=float):
    arguments = (CYCLE, capacity, first, last)
    return fade_line(*(jnp.asarray(argument, dtype) for argument in arguments))


def test_equals_polyfit_with_its_covariance():
    window = (CYCLE >= 31) & (CYCLE <= 100)
    capacity = noisy_capacity()
    line, covariance = np.polyfit(CYCLE[window], capacity[window], 1, cov=True)
    expected = [*line, *np.diag(covariance)]
    np.testing.assert_allclose(fit(capacity, 31, 100), expected, rtol=1e-9)


def test_missing_cycles_and_cycles_outside_the_window_are_ignored():
    capacity = noisy_capacity()
    kept = (CYCLE >= 11) & (CYCLE <= 50) & (CYCLE % 7 != 0)
    capacity[CYCLE % 7 == 0] = np.nan
    capacity[CYCLE > 50] = 40.0
    line = scipy.stats.linregress(CYCLE[kept], capacity[kept])
    expected = [line.slope, line.intercept, line.stderr**2, line.intercept_stderr**2]
    np.testing.assert_allclose(fit(capacity, 11, 50), expected, rtol=1e-9)


def test_runs_in_float32():
    got = fit(noisy_capacity(), 2, 100, jnp.float32)
    assert got.slope.dtype == jnp.float32
    np.testing.assert_allclose(got, fit(noisy_capacity(), 2, 100), rtol=1e-2)


def test_too_few_cycles_give_nan():
    two, one = fit(noisy_capacity(), 99, 100), fit(noisy_capacity(), 100, 100)
    assert np.isfinite([two.slope, two.intercept]).all()
    assert np.isnan([two.slope_variance, two.intercept_variance]).all()
    assert np.isnan(one).all()


@hypothesis.given(st.floats(1e-3, 1e3), st.integers(0, 20))
@hypothesis.settings(max_examples=25, deadline=None)
def test_scales_with_the_unit(factor, seed):
    before = fit(noisy_capacity(seed), 2, 100)
    after = fit(factor * noisy_capacity(seed), 2, 100)
    expected = np.asarray(before) * [factor, factor, factor**2, factor**2]
    np.testing.assert_allclose(after, expected, rtol=1e-9)


def test_gradients_are_finite_with_missing_and_too_few_cycles():
    capacity = noisy_capacity()
    capacity[40:60] = np.nan
    gradient = jax.jit(jax.jacrev(fade_line, argnums=1))
    for first in (2.0, 99.0, 100.0):
        bounds = jnp.asarray(first), jnp.asarray(100.0)
        got = gradient(jnp.asarray(CYCLE), jnp.asarray(capacity), *bounds)
        assert jnp.isfinite(jnp.stack(got)).all()


def test_jit_gives_the_same_values():
    arguments = [jnp.asarray(a) for a in (CYCLE, noisy_capacity(), 2.0, 100.0)]
    jitted = jax.jit(fade_line)(*arguments)
    np.testing.assert_allclose(jitted, fade_line(*arguments), rtol=1e-9)


def curvature(capacity, first, last):
    arguments = (CYCLE, capacity, first, last)
    return fade_curvature(*(jnp.asarray(argument, float) for argument in arguments))


def test_curvature_and_its_variance_equal_polyfit():
    window = (CYCLE >= 21) & (CYCLE <= 90) & (CYCLE % 9 != 0)
    capacity = noisy_capacity() - 3e-7 * CYCLE**2
    capacity[CYCLE % 9 == 0] = np.nan
    line, covariance = np.polyfit(CYCLE[window], capacity[window], 2, cov=True)
    expected = [2 * line[0], 4 * covariance[0, 0]]
    np.testing.assert_allclose(curvature(capacity, 21, 90), expected, rtol=1e-6)


def test_curvature_of_too_few_cycles_is_nan():
    assert np.isnan(curvature(noisy_capacity(), 99, 100)).all()
    three = curvature(noisy_capacity(), 98, 100)
    np.testing.assert_array_equal(np.isnan(three), [False, True])
