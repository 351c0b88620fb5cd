"""dQ/dV, dV/dQ and peaks meet the truth within the errors they state."""

import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob import DataError

GRID = np.linspace(3.2, 3.8, 301)
TOPS = np.array([3.4, 3.6])
QUANTUM = 5 / 2**16
FINE_V = np.linspace(3.15, 3.85, 20_001)


def charge_ah(v):
    steps = 0.3 * np.tanh((v - 3.4) / 0.04) + 0.2 * np.tanh((v - 3.6) / 0.05)
    return steps + 1.0 * (v - 3.15)


def slope(v):
    peaks = 7.5 / np.cosh((v - 3.4) / 0.04) ** 2 + 4.0 / np.cosh((v - 3.6) / 0.05) ** 2
    return peaks + 1.0


def half_cycles(seed=0, cycles=20, noise_v=5e-4):
    """Charges at constant current, with noise and quantisation."""
    q = np.linspace(0, np.ptp(charge_ah(FINE_V)), 800)
    v = np.interp(q, charge_ah(FINE_V) - charge_ah(FINE_V[0]), FINE_V)
    noise = noise_v * np.random.default_rng(seed).standard_normal((cycles, 800))
    return np.round((v + noise) / QUANTUM) * QUANTUM, np.broadcast_to(q, noise.shape)


@pytest.fixture(scope="module")
def curve():
    return bp.features.differential_capacity(*half_cycles(), GRID, quantum_v=QUANTUM)


def test_band_covers_the_true_derivative(curve):
    low, high = (np.asarray(a) for a in curve.interval(0.9))
    covered = (low <= slope(GRID)) & (slope(GRID) <= high)
    assert 0.85 < covered.mean() < 0.95


def test_all_variance_is_epistemic_and_shared_over_draws_and_rest(curve):
    np.testing.assert_allclose(curve.aleatoric, 0.0)
    draws = np.asarray(curve.location[:, 0])
    np.testing.assert_allclose(draws.mean(0), curve.mean, rtol=1e-9)
    np.testing.assert_allclose(draws.var(0), 0.25 * curve.epistemic, rtol=1e-6)


def test_discharge_on_a_falling_grid_is_the_mirror_image(curve):
    voltage, capacity = half_cycles()
    mirrored = bp.features.differential_capacity(
        voltage[:, ::-1],
        capacity.max() - capacity[:, ::-1],
        GRID[::-1],
        quantum_v=QUANTUM,
    )
    np.testing.assert_allclose(mirrored.mean[:, ::-1], -curve.mean, rtol=1e-6)
    np.testing.assert_allclose(mirrored.std[:, ::-1], curve.std, rtol=1e-6)


def thinned(missing):
    """Every fourth reading, in its own place or closed up, the rest NaN."""
    kept = np.full((2, 20, 800), np.nan)
    for full, sparse in zip(half_cycles(), kept, strict=True):
        sparse[:, missing] = full[:, ::4]
    return bp.features.differential_capacity(*kept, GRID, quantum_v=QUANTUM)


def test_missing_readings_do_not_count_wherever_they_are():
    gaps, end = thinned(np.s_[::4]), thinned(np.s_[:200])
    np.testing.assert_allclose(gaps.mean, end.mean, rtol=1e-12)
    np.testing.assert_allclose(gaps.std, end.std, rtol=1e-12)
    low, high = (np.asarray(a) for a in end.interval(0.9))
    covered = (low <= slope(GRID)) & (slope(GRID) <= high)
    assert 0.83 < covered.mean() < 0.99


def test_differential_voltage_is_the_inverse_slope():
    voltage, capacity = half_cycles()
    grid = np.linspace(0.1, 1.5, 301)
    got = bp.features.differential_voltage(capacity, voltage, grid, quantum_v=QUANTUM)
    place = np.interp(grid, charge_ah(FINE_V) - charge_ah(FINE_V[0]), FINE_V)
    error = (got.mean - 1 / slope(place)[None]) / got.std
    assert np.mean(np.abs(error) < 1.645) > 0.8


def test_peaks_lie_within_their_errors_and_keep_their_columns(curve):
    peaks = bp.features.ica_peaks(curve, GRID)
    order = np.argsort(np.asarray(peaks.position_v)[0])[:2]
    place, sd = (np.asarray(a)[:, order] for a in (peaks.position_v, peaks.position_sd))
    assert np.isfinite(place).all()
    assert 0.8 <= np.mean(np.abs(place - TOPS) < 1.645 * sd) <= 0.975
    np.testing.assert_allclose(peaks.height[:, order[0]], slope(3.4), rtol=0.05)
    assert np.isnan(np.asarray(peaks.position_v)[:, 2:]).all()


def test_a_faint_peak_may_be_wherever_the_sign_of_the_slope_is_open():
    bend, noise = 40.0, 4.0
    curve = bp.Predictive(
        5.0
        - 0.5 * bend * (GRID - 3.5) ** 2
        + noise
        * 0.02
        * np.cos(40 * GRID + 2 * np.pi * np.arange(3)[:, None, None] / 3),
        0.0,
        1e-12,
        0.0,
    )
    peaks = bp.features.ica_peaks(curve, GRID)
    slope_sd = noise * 0.02 * 40 / np.sqrt(2)
    # A parabola bends alike everywhere, so that the first order is exact.
    np.testing.assert_allclose(peaks.position_sd[0, 0], slope_sd / bend, rtol=0.02)


def test_a_peak_that_vanishes_and_returns_keeps_its_track(curve):
    flat = jnp.where(
        (GRID > 3.5)[None, None, None] & (jnp.arange(20) % 2 == 1)[None, None, :, None],
        1.0,
        curve.location,
    )
    fvar = jnp.broadcast_to(curve.function_variance, flat.shape)
    faded = bp.Predictive(flat, 0.0, fvar, 0.0)
    place = np.asarray(bp.features.ica_peaks(faded, GRID).position_v)
    column = np.nanargmin(np.abs(place[0] - 3.6))
    assert np.isfinite(place[::2, column]).all()
    assert np.isnan(place[1::2, column]).all()


def test_a_capacity_that_falls_and_a_grid_that_turns_are_refused():
    voltage, capacity = half_cycles(cycles=2)
    with pytest.raises(DataError, match=r"cycle 0, reading 1 .*: the capacity falls"):
        bp.features.differential_capacity(voltage, capacity[:, ::-1], GRID)
    with pytest.raises(DataError, match="grid_v must be at least four numbers"):
        bp.features.differential_capacity(voltage, capacity, np.sin(GRID * 9))
