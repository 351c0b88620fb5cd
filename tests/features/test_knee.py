"""The posterior of the knee covers the true cycle, and its sd increases with noise."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob.features import bacon_watts_knee

CYCLE = jnp.arange(1.0, 301.0)


def sequences(noise_ah):
    noise = noise_ah * np.random.default_rng(0).standard_normal((24, 300))
    clean = 1.1 - 1e-4 * CYCLE - 1e-3 * jnp.maximum(CYCLE - 200.0, 0.0)
    return clean[None] + noise


def knees(capacity):
    return jax.jit(jax.vmap(bacon_watts_knee, in_axes=(None, 0)))(CYCLE, capacity)


def test_interval_covers_the_true_knee():
    knee = knees(sequences(3e-3))
    covered = np.abs(knee.cycle - 200) < 1.645 * knee.cycle_sd
    assert 0.75 < covered.mean() <= 1.0
    np.testing.assert_allclose(knee.slope_before.mean(), -1e-4, atol=3e-5)
    np.testing.assert_allclose(knee.slope_after.mean(), -1.1e-3, atol=1e-4)


def test_sd_increases_with_the_noise_and_is_large_without_a_knee():
    small, large = knees(sequences(1e-3)), knees(sequences(6e-3))
    assert (large.cycle_sd > small.cycle_sd).mean() > 0.9
    assert knees(1.1 + 0 * sequences(0.0) + 0.0).cycle_sd.min() > 50


def test_missing_capacities_are_ignored():
    capacity = sequences(1e-3).at[:, 50:60].set(jnp.nan)
    assert np.abs(knees(capacity).cycle - 200).max() < 10
    assert np.isnan(knees(jnp.full((24, 300), jnp.nan)).cycle).all()
