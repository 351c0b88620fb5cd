"""dQ/dV, dV/dQ and peaks agree with the truth within their errors."""

import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob import DataError

GRID = np.linspace(3.2, 3.8, 301)
MAXIMA = np.array([3.4, 3.6])
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


def test_interval_covers_the_true_derivative(curve):
    low, high = (np.asarray(a) for a in curve.interval(0.9))
    covered = (low <= slope(GRID)) & (slope(GRID) <= high)
    assert 0.85 < covered.mean() < 0.95


def test_all_variance_is_epistemic_and_a_quarter_is_in_the_draws(curve):
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


def thinned(entries):
    """Every fourth sample, written to the entries `entries`; the others are NaN."""
    samples = np.full((2, 20, 800), np.nan)
    for full, sparse in zip(half_cycles(), samples, strict=True):
        sparse[:, entries] = full[:, ::4]
    return bp.features.differential_capacity(*samples, GRID, quantum_v=QUANTUM)


def test_missing_samples_are_ignored_at_any_position():
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
    voltage_at_grid = np.interp(grid, charge_ah(FINE_V) - charge_ah(FINE_V[0]), FINE_V)
    error = (got.mean - 1 / slope(voltage_at_grid)[None]) / got.std
    assert np.mean(np.abs(error) < 1.645) > 0.8


def test_the_error_is_large_in_a_gap():
    q = np.linspace(0.0, 3.0, 800)
    noise = 5e-4 * np.random.default_rng(0).standard_normal((20, 800))
    voltage = 3.0 + 0.3 * q + 0.02 * np.sin(8 * q) + noise
    voltage[:, 320:480] = np.nan
    capacity = np.where(np.isnan(voltage), np.nan, q)
    grid = np.linspace(0.0, 3.0, 301)
    curve = bp.features.differential_voltage(capacity, voltage, grid)
    truth = 0.3 + 0.16 * np.cos(8 * grid)
    score = np.abs(np.asarray(curve.mean) - truth) / np.asarray(curve.std)
    assert np.mean(score[:, 125:175] < 1.645) > 0.8
    assert np.median(curve.std[:, 150]) > 5 * np.median(curve.std[:, 60])


def test_peaks_are_within_their_errors_and_keep_their_columns(curve):
    peaks = bp.features.ica_peaks(curve, GRID)
    order = np.argsort(np.asarray(peaks.position_v)[0])[:2]
    position, sd = (
        np.asarray(a)[:, order] for a in (peaks.position_v, peaks.position_sd)
    )
    assert np.isfinite(position).all()
    assert 0.8 <= np.mean(np.abs(position - MAXIMA) < 1.645 * sd) <= 0.975
    np.testing.assert_allclose(peaks.height[:, order[0]], slope(3.4), rtol=0.05)
    assert np.isnan(np.asarray(peaks.position_v)[:, 2:]).all()


def test_position_error_of_a_weak_peak_is_where_the_slope_is_not_significant():
    curvature, noise = 40.0, 4.0
    curve = bp.Predictive(
        5.0
        - 0.5 * curvature * (GRID - 3.5) ** 2
        + noise
        * 0.02
        * np.cos(40 * GRID + 2 * np.pi * np.arange(3)[:, None, None] / 3),
        0.0,
        1e-12,
        0.0,
    )
    peaks = bp.features.ica_peaks(curve, GRID)
    slope_sd = noise * 0.02 * 40 / np.sqrt(2)
    # A parabola has constant curvature, so the first order is exact.
    np.testing.assert_allclose(peaks.position_sd[0, 0], slope_sd / curvature, rtol=0.02)


def test_a_peak_that_disappears_and_returns_keeps_its_track(curve):
    flat = jnp.where(
        (GRID > 3.5)[None, None, None] & (jnp.arange(20) % 2 == 1)[None, None, :, None],
        1.0,
        curve.location,
    )
    function_variance = jnp.broadcast_to(curve.function_variance, flat.shape)
    intermittent = bp.Predictive(flat, 0.0, function_variance, 0.0)
    position = np.asarray(bp.features.ica_peaks(intermittent, GRID).position_v)
    column = np.nanargmin(np.abs(position[0] - 3.6))
    assert np.isfinite(position[::2, column]).all()
    assert np.isnan(position[1::2, column]).all()


def test_a_decreasing_capacity_and_a_grid_that_is_not_monotone_are_errors():
    voltage, capacity = half_cycles(cycles=2)
    with pytest.raises(
        DataError, match=r"cycle 0, sample 1 .*: the capacity decreases"
    ):
        bp.features.differential_capacity(voltage, capacity[:, ::-1], GRID)
    with pytest.raises(DataError, match="grid_v must be at least four strictly"):
        bp.features.differential_capacity(voltage, capacity, np.sin(GRID * 9))
