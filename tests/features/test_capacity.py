"""Capacity, rise and efficiency use the requested cycles and ignore missing ones."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob.features import capacity_at, capacity_rise, coulombic_efficiency

CYCLE = jnp.arange(2.0, 8.0)
CAPACITY = jnp.array([1.07, 1.08, jnp.nan, 1.09, 1.06, 1.20])


def at(cycle):
    return float(capacity_at(CYCLE, CAPACITY, jnp.asarray(cycle, float)))


def rise(first, last):
    bounds = (jnp.asarray(edge, float) for edge in (first, last))
    return float(capacity_rise(CYCLE, CAPACITY, *bounds))


def test_capacity_at_a_cycle():
    assert [at(2), at(3), at(7)] == [1.07, 1.08, 1.20]


def test_an_unrecorded_or_missing_cycle_gives_nan():
    assert np.isnan([at(1), at(4), at(100)]).all()


def test_rise_is_the_maximum_of_the_window_minus_its_first_value():
    np.testing.assert_allclose([rise(2, 6), rise(2, 7), rise(6, 6)], [0.02, 0.13, 0.0])
    assert np.isnan(rise(4, 7))


def test_gradient_is_nonzero_for_the_cycles_used():
    gradient = jax.grad(capacity_rise, argnums=1)
    got = gradient(CYCLE, CAPACITY, jnp.asarray(2.0), jnp.asarray(6.0))
    np.testing.assert_array_equal(got, [-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])


def test_efficiency_and_its_variance_agree_with_sampling():
    rng = np.random.default_rng(0)
    true, relative_sd = np.array([[1.1], [1.089]]), 2e-4
    charge, discharge = true * (1 + relative_sd * rng.normal(size=(2, 50_000)))
    ratio, _ = coulombic_efficiency(
        jnp.asarray(charge), jnp.asarray(discharge), jnp.asarray(relative_sd**2)
    )
    _, variance = coulombic_efficiency(*jnp.asarray(true), jnp.asarray(relative_sd**2))
    np.testing.assert_allclose(ratio.mean(), 0.99, rtol=1e-5)
    np.testing.assert_allclose(variance[0], ratio.var(), rtol=0.02)


def test_a_cycle_without_charge_has_no_efficiency_and_a_finite_gradient():
    charge = jnp.array([1.0, 0.0, jnp.nan])
    ratio, variance = coulombic_efficiency(charge, jnp.ones(3), jnp.asarray(1e-8))
    np.testing.assert_array_equal(np.isnan(ratio), [False, True, True])
    np.testing.assert_array_equal(np.isnan(variance), [False, True, True])
    loss = lambda x: jnp.nansum(coulombic_efficiency(charge, x, jnp.asarray(1.0))[0])  # noqa: E731
    np.testing.assert_array_equal(jax.grad(loss)(jnp.ones(3)), [1.0, 0.0, 0.0])
