"""Noise, quantisation, decimation and resampling agree with known signals."""

import numpy as np
import pytest
import scipy.signal

from battprob import AliasingWarning
from battprob.data.timeseries import TimeSeries
from battprob.features import (
    capacity_on_grid,
    decimate,
    despike_signal,
    difference_noise,
    nyquist_rate,
    quantisation_variance,
)

RNG = np.random.default_rng(0)


def test_quantisation_and_difference_noise_equal_the_variance_of_the_error():
    signal = np.linspace(0, 1, 20_000) * 3.3
    error = np.round(signal / 0.01) * 0.01 - signal
    np.testing.assert_allclose(error.var(), quantisation_variance(0.01), rtol=0.01)
    noisy = np.sin(signal) + 0.02 * RNG.standard_normal(20_000)
    np.testing.assert_allclose(difference_noise(noisy), 4e-4, rtol=0.05)


def test_high_frequencies_warn_of_aliasing():
    time = np.arange(4000) * 0.01
    assert 10 < nyquist_rate(np.sin(2 * np.pi * 5 * time), 0.01, 1e-8) < 14
    with pytest.warns(
        AliasingWarning, match="aliasing of higher frequencies is likely"
    ):
        nyquist_rate(np.sin(2 * np.pi * 47 * time), 0.01, 1e-8)


def test_decimation_preserves_low_frequencies_and_removes_high_ones():
    time = np.arange(2000.0)
    np.testing.assert_allclose(decimate(time, 5), time[::5], atol=1e-9)
    slow, fast = np.sin(2 * np.pi * 0.02 * time), np.sin(2 * np.pi * 0.15 * time)
    middle = slice(30, -30)
    np.testing.assert_allclose(decimate(slow, 5)[middle], slow[::5][middle], atol=5e-3)
    assert np.abs(decimate(fast, 5)[middle]).max() < 5e-3
    assert scipy.signal.decimate(fast, 5, ftype="fir").shape == decimate(fast, 5).shape


def test_outliers_are_replaced_and_marked():
    signal = np.sin(np.arange(200) / 10)
    spiked = signal.copy()
    spiked[[20, 100]] += 5
    clean, repaired = despike_signal(spiked)
    assert np.flatnonzero(repaired).tolist() == [20, 100]
    np.testing.assert_allclose(clean, signal, atol=0.15)


@pytest.mark.parametrize("sign", [1, -1])
def test_resampling_a_line_is_exact_for_charge_and_discharge(sign):
    voltage = 3.5 + sign * np.linspace(-0.5, 0.5, 101)
    grid = np.linspace(2.9, 4.1, 25)
    got = capacity_on_grid(voltage, np.linspace(0, 2, 101), grid)
    inside = (grid >= 3.0) & (grid <= 4.0)
    np.testing.assert_allclose(
        got[inside], 1 + sign * 2 * (grid[inside] - 3.5), atol=1e-12
    )
    assert np.isnan(got[~inside]).all()


def test_noisy_and_quantised_voltage_still_gives_a_monotone_curve():
    voltage = np.round((np.linspace(3, 4, 500) + 5e-3 * RNG.standard_normal(500)), 3)
    got = np.asarray(
        capacity_on_grid(voltage, np.linspace(0, 1, 500), np.linspace(3.02, 3.98, 97))
    )
    assert (np.diff(got) >= 0).all()
    np.testing.assert_allclose(got, np.linspace(0.02, 0.98, 97), atol=0.02)


def test_time_series_and_features_use_the_same_resampling():
    time = np.arange(300.0)
    voltage = np.round(4.1 - time / 300 + 4e-3 * RNG.standard_normal(300), 3)
    grid = np.linspace(3.15, 4.05, 40)
    series = TimeSeries("a", 36 * time, voltage, np.full(300, -1.0), np.ones(300))
    got = capacity_on_grid(voltage, time / 100, grid)
    np.testing.assert_allclose(
        series.to_cell(voltage_v=grid).curve_ah(1), got, atol=1e-12
    )
