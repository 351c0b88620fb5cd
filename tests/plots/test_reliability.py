"""`calibration` and `pit_histogram` draw coverage and PIT, with the right bands."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from battprob import DataError, Predictive, plots

NUM = 40
pred = Predictive.gaussian(np.zeros(NUM), 0.6, 0.4)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def timid():
    """Targets on the quantiles of a Gaussian half as wide as predicted."""
    return 0.5 * stats.norm.ppf((np.arange(NUM) + 0.5) / NUM)


def test_calibration_draws_the_share_inside_each_interval(timid):
    ax = plots.calibration(pred, timid)
    (curve,) = [line for line in ax.lines if line.get_label() == "observed"]
    level, share = curve.get_xydata().T
    half = stats.norm.ppf(0.5 + 0.5 * level)
    expected = (np.abs(timid)[None, :] <= half[:, None]).mean(1)
    np.testing.assert_allclose(share, expected)
    assert np.all(share > level)
    assert ax.get_xlabel() == "probability of the interval"


def test_calibration_band_holds_nine_in_ten_binomial_draws(timid):
    ax = plots.calibration(pred, timid)
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    at_half = np.sort(corners[np.isclose(corners[:, 0], 0.5), 1]) * NUM
    low, high = np.round(at_half).astype(int)
    inside = stats.binom.cdf(high, NUM, 0.5) - stats.binom.cdf(low - 1, NUM, 0.5)
    assert inside >= 0.9
    narrower = stats.binom.cdf(high - 1, NUM, 0.5) - stats.binom.cdf(low, NUM, 0.5)
    assert narrower < 0.9


def test_pit_histogram_counts_the_targets_by_predicted_probability(timid):
    ax = plots.pit_histogram(pred, timid)
    heights = [bar.get_height() for bar in ax.patches]
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    np.testing.assert_array_equal(heights, np.histogram(timid, edges)[0])
    middle, low, high = (line.get_ydata()[0] for line in ax.lines)
    assert middle == NUM / 10
    assert (low, high) == stats.binom.interval(0.9, NUM, 0.1)


def test_missing_targets_are_refused_not_left_out(timid):
    timid[3] = np.nan
    for plot in (plots.calibration, plots.pit_histogram):
        with pytest.raises(DataError, match=r"index \[3\]"):
            plot(pred, timid)


def test_plots_draw_on_the_axes_given(timid):
    ax = plt.figure().add_subplot()
    assert plots.calibration(pred, timid, ax=ax) is ax
    assert plots.pit_histogram(pred, timid, ax=ax) is ax
