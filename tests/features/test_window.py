"""The estimated risk of a filter agrees with the true risk."""

import numpy as np
import pytest
from scipy.signal import savgol_coeffs, savgol_filter

from battprob import DataError
from battprob.features import window_risk

TIME = np.linspace(0, 1, 800)
SPACING = TIME[1]
WINDOWS = (7, 11, 15, 21, 31, 45, 61, 81)
NOISE = 0.05
INNER = slice(40, -40)


def clean(derivative):
    wave = np.sin(25 * TIME), 25 * np.cos(25 * TIME)
    step = np.tanh((TIME - 0.5) / 0.06), 1 / np.cosh((TIME - 0.5) / 0.06) ** 2 / 0.06
    return wave[derivative] + step[derivative]


SAMPLES = clean(0) + NOISE * np.random.default_rng(0).standard_normal((40, 800))


def true_risk(derivative):
    setting = {"polyorder": 3, "deriv": derivative, "delta": SPACING}
    return [
        np.mean(
            (savgol_filter(SAMPLES, w, **setting) - clean(derivative))[:, INNER] ** 2
        )
        for w in WINDOWS
    ]


@pytest.mark.parametrize("derivative", [0, 1])
def test_risk_agrees_with_the_true_one_and_best_window_is_nearly_optimal(derivative):
    got = window_risk(SAMPLES, windows=WINDOWS, derivative=derivative, spacing=SPACING)
    truth = np.array(true_risk(derivative))
    near, best = truth < 4 * truth.min(), np.argmin(truth)
    # The error of the mean square of the noise is common to all windows.
    np.testing.assert_allclose(
        (got.risk - got.risk[best])[near],
        (truth - truth[best])[near],
        atol=0.1 * truth.min(),
    )
    assert truth[WINDOWS.index(got.best_window)] < 1.05 * truth.min()


def test_variance_agrees_with_the_filter_weights():
    got = window_risk(SAMPLES, windows=WINDOWS, noise_variance=0.25)
    expected = [0.25 * np.sum(savgol_coeffs(w, 3) ** 2) for w in WINDOWS]
    np.testing.assert_allclose(got.variance, expected, rtol=1e-9)


def test_risk_of_the_smoothed_value_is_mallows_statistic():
    got = window_risk(SAMPLES, windows=WINDOWS, noise_variance=NOISE**2)
    for w, risk in zip(WINDOWS, got.risk, strict=True):
        residual = (SAMPLES - savgol_filter(SAMPLES, w, 3))[:, INNER]
        weight = savgol_coeffs(w, 3)[w // 2]
        expected = np.mean(residual**2) + NOISE**2 * (2 * weight - 1)
        np.testing.assert_allclose(risk, expected, rtol=1e-9)


def test_invalid_windows_are_errors():
    with pytest.raises(DataError, match="windows must be odd, at least 5 for order 3"):
        window_risk(SAMPLES, windows=[5, 8])
    with pytest.raises(DataError, match=r"at most 800, .*; got \[801\]"):
        window_risk(SAMPLES, windows=[801])
