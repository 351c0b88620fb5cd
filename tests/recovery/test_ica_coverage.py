"""At three noise levels dQ/dV covers the truth, beats any fixed filter, and so do peaks."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

import battprob as bp

GRID = np.linspace(3.2, 3.8, 601)
TOPS, WIDTHS, STEPS = np.array([3.4, 3.62]), np.array([0.02, 0.06]), (0.15, 0.4)
QUANTUM = 5 / 2**16


def charge_ah(v):
    parts = zip(TOPS, WIDTHS, STEPS, strict=True)
    return v - 3.15 + sum(q * np.tanh((v - top) / w) for top, w, q in parts)


def slope(v):
    parts = zip(TOPS, WIDTHS, STEPS, strict=True)
    return 1 + sum(q / w / np.cosh((v - top) / w) ** 2 for top, w, q in parts)


def half_cycles(noise_v):
    fine = np.linspace(3.15, 3.85, 20_001)
    q = np.linspace(charge_ah(fine[0]), charge_ah(fine[-1]), 1000)
    noise = noise_v * np.random.default_rng(0).standard_normal((200, 1000))
    voltage = np.round((np.interp(q, charge_ah(fine), fine) + noise) / QUANTUM)
    return voltage * QUANTUM, np.broadcast_to(q - q[0], noise.shape)


@pytest.mark.slow
@pytest.mark.parametrize("noise_v", [1e-4, 5e-4, 2e-3])
def test_bands_peaks_and_errors(noise_v):
    readings = half_cycles(noise_v)
    curve = bp.features.differential_capacity(*readings, GRID, quantum_v=QUANTUM)
    low, high = (np.asarray(a) for a in curve.interval(0.9))
    truth = slope(GRID)
    assert 0.85 < np.mean((low <= truth) & (truth <= high)) < 0.95

    on_grid = np.asarray(bp.features.capacity_on_grid(*readings, GRID))
    best = min(
        np.sqrt(
            np.mean((savgol_filter(on_grid, w, k, 1, GRID[1] - GRID[0]) - truth) ** 2)
        )
        for k in (2, 3, 4)
        for w in range(7, 152, 4)
    )
    assert np.sqrt(np.mean((np.asarray(curve.mean) - truth) ** 2)) < 1.05 * best

    peaks = bp.features.ica_peaks(curve, GRID)
    place, sd = np.asarray(peaks.position_v), np.asarray(peaks.position_sd)
    for top in TOPS:
        nearest = np.nanargmin(np.abs(place - top), axis=1)[:, None]
        score = np.take_along_axis((place - top) / sd, nearest, 1)
        assert 0.8 < np.mean(np.abs(score) < 1.645) < 0.98
        assert 0.6 < score.std() < 1.3
