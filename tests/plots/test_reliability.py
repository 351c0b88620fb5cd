"""`calibration` and `pit_histogram` show coverage and PIT, with binomial bands."""

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
def underconfident():
    """Targets at the quantiles of a normal with half the predicted standard deviation."""
    return 0.5 * stats.norm.ppf((np.arange(NUM) + 0.5) / NUM)


def test_calibration_shows_the_coverage_of_each_interval(underconfident):
    ax = plots.calibration(pred, underconfident)
    (curve,) = [line for line in ax.lines if line.get_label() == "observed"]
    level, coverage = curve.get_xydata().T
    half = stats.norm.ppf(0.5 + 0.5 * level)
    expected = (np.abs(underconfident)[None, :] <= half[:, None]).mean(1)
    np.testing.assert_allclose(coverage, expected)
    assert np.all(coverage > level)
    assert ax.get_xlabel() == "nominal coverage"


def test_calibration_band_has_binomial_probability_0_9(underconfident):
    ax = plots.calibration(pred, underconfident)
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    at_half = np.sort(corners[np.isclose(corners[:, 0], 0.5), 1]) * NUM
    low, high = np.round(at_half).astype(int)
    inside = stats.binom.cdf(high, NUM, 0.5) - stats.binom.cdf(low - 1, NUM, 0.5)
    assert inside >= 0.9
    narrower = stats.binom.cdf(high - 1, NUM, 0.5) - stats.binom.cdf(low, NUM, 0.5)
    assert narrower < 0.9


def test_pit_histogram_counts_the_targets(underconfident):
    ax = plots.pit_histogram(pred, underconfident)
    heights = [bar.get_height() for bar in ax.patches]
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    np.testing.assert_array_equal(heights, np.histogram(underconfident, edges)[0])
    expected, low, high = (line.get_ydata()[0] for line in ax.lines)
    assert expected == NUM / 10
    assert (low, high) == stats.binom.interval(0.9, NUM, 0.1)


def test_missing_targets_raise(underconfident):
    underconfident[3] = np.nan
    for plot in (plots.calibration, plots.pit_histogram):
        with pytest.raises(DataError, match=r"index \[3\]"):
            plot(pred, underconfident)


def test_plots_draw_on_the_given_axes(underconfident):
    ax = plt.figure().add_subplot()
    assert plots.calibration(pred, underconfident, ax=ax) is ax
    assert plots.pit_histogram(pred, underconfident, ax=ax) is ax
