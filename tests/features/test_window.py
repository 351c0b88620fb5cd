"""The estimated risk of a filter is the true one, so the window it picks is nearly best."""

import numpy as np
import pytest
from scipy.signal import savgol_coeffs, savgol_filter

from battprob import DataError
from battprob.features import window_risk

PLACE = np.linspace(0, 1, 800)
SPACING = PLACE[1]
WINDOWS = (7, 11, 15, 21, 31, 45, 61, 81)
NOISE = 0.05
INNER = slice(40, -40)


def clean(derivative):
    wave = np.sin(25 * PLACE), 25 * np.cos(25 * PLACE)
    step = np.tanh((PLACE - 0.5) / 0.06), 1 / np.cosh((PLACE - 0.5) / 0.06) ** 2 / 0.06
    return wave[derivative] + step[derivative]


READINGS = clean(0) + NOISE * np.random.default_rng(0).standard_normal((40, 800))


def true_risk(derivative):
    setting = {"polyorder": 3, "deriv": derivative, "delta": SPACING}
    return [
        np.mean(
            (savgol_filter(READINGS, w, **setting) - clean(derivative))[:, INNER] ** 2
        )
        for w in WINDOWS
    ]


@pytest.mark.parametrize("derivative", [0, 1])
def test_risk_is_the_true_one_and_its_choice_nearly_the_best(derivative):
    got = window_risk(READINGS, windows=WINDOWS, derivative=derivative, spacing=SPACING)
    truth = np.array(true_risk(derivative))
    near, best = truth < 4 * truth.min(), np.argmin(truth)
    # All windows share one error, that of the mean square of the noise.
    np.testing.assert_allclose(
        (got.risk - got.risk[best])[near],
        (truth - truth[best])[near],
        atol=0.1 * truth.min(),
    )
    assert truth[WINDOWS.index(got.chosen)] < 1.05 * truth.min()


def test_variance_is_that_of_the_weights():
    got = window_risk(READINGS, windows=WINDOWS, noise_variance=0.25)
    expected = [0.25 * np.sum(savgol_coeffs(w, 3) ** 2) for w in WINDOWS]
    np.testing.assert_allclose(got.variance, expected, rtol=1e-9)


def test_risk_of_a_value_is_mallows_statistic():
    got = window_risk(READINGS, windows=WINDOWS, noise_variance=NOISE**2)
    for w, risk in zip(WINDOWS, got.risk, strict=True):
        left = (READINGS - savgol_filter(READINGS, w, 3))[:, INNER]
        own = savgol_coeffs(w, 3)[w // 2]
        expected = np.mean(left**2) + NOISE**2 * (2 * own - 1)
        np.testing.assert_allclose(risk, expected, rtol=1e-9)


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(DataError, match="windows must be odd, 5 or more for order 3"):
        window_risk(READINGS, windows=[5, 8])
    with pytest.raises(DataError, match=r"at most 800, .*; got \[801\]"):
        window_risk(READINGS, windows=[801])
