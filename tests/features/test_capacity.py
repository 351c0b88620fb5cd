"""Capacity at a cycle and its rise are read off the right cycles, missing ones skipped."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob.features import capacity_at, capacity_rise

CYCLE = jnp.arange(2.0, 8.0)
CAPACITY = jnp.array([1.07, 1.08, jnp.nan, 1.09, 1.06, 1.20])


def at(cycle):
    return float(capacity_at(CYCLE, CAPACITY, jnp.asarray(cycle, float)))


def rise(first, last):
    bounds = (jnp.asarray(edge, float) for edge in (first, last))
    return float(capacity_rise(CYCLE, CAPACITY, *bounds))


def test_capacity_at_a_cycle_is_its_own():
    assert [at(2), at(3), at(7)] == [1.07, 1.08, 1.20]


def test_a_cycle_that_is_absent_or_missing_gives_nan():
    assert np.isnan([at(1), at(4), at(100)]).all()


def test_rise_is_the_highest_in_the_window_above_its_first():
    np.testing.assert_allclose([rise(2, 6), rise(2, 7), rise(6, 6)], [0.02, 0.13, 0.0])
    assert np.isnan(rise(4, 7))


def test_gradient_picks_the_cycles_used():
    gradient = jax.grad(capacity_rise, argnums=1)
    got = gradient(CYCLE, CAPACITY, jnp.asarray(2.0), jnp.asarray(6.0))
    np.testing.assert_array_equal(got, [-1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
