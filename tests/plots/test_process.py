"""`process` and `standard_deviations` show a `Predictive` sorted by the feature."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import DataError, Predictive, plots

X = np.array([0.5, 0.1, 0.9, 0.3])
MEAN = np.array([2.0, 1.0, 4.0, 3.0])
PRED = Predictive.gaussian(MEAN, 4 * X, X)
ORDER = np.argsort(X)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _band(ax, label):
    (band,) = [c for c in ax.collections if str(c.get_label()).startswith(label)]
    corners = band.get_paths()[0].vertices
    at = [corners[corners[:, 0] == x, 1] for x in np.sort(X)]
    return [(y.min(), y.max()) for y in at]


def test_bands_are_the_intervals_of_measurements_and_of_the_function():
    ax = plots.process(X, PRED, feature="SOC", unit="mAh")
    (mean,) = [line for line in ax.lines if line.get_label() == "mean"]
    np.testing.assert_allclose(mean.get_xydata(), np.stack([X, MEAN], 1)[ORDER])
    total = np.stack(PRED.interval(0.9), 1)[ORDER]
    np.testing.assert_allclose(_band(ax, "90 % interval, measurements"), total)
    function = Predictive.gaussian(MEAN, 0.0, X)
    np.testing.assert_allclose(
        _band(ax, "90 % interval, function"), np.stack(function.interval(0.9), 1)[ORDER]
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("SOC", "target (mAh)")


def test_measurements_and_draws_are_shown():
    functions = np.stack([MEAN + 1, MEAN - 1])
    ax = plots.process(X, PRED, observed=(X[:2, None], MEAN[:2]), functions=functions)
    drawn = [line.get_xydata() for line in ax.lines]
    assert any(np.array_equal(d, np.stack([X, MEAN], 1)[:2]) for d in drawn)
    for function in functions:
        expected = np.stack([X, function], 1)[ORDER]
        assert any(np.array_equal(d, expected) for d in drawn)


def test_both_standard_deviations_are_shown():
    ax = plots.standard_deviations(X, PRED)
    for line, variance in zip(ax.lines, (4 * X, X), strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.sqrt(variance[ORDER]))


def test_the_legend_is_above_the_lines():
    ax = plots.standard_deviations(X, PRED)
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    for line in ax.lines:
        assert ax.transData.transform(line.get_xydata())[:, 1].max() < legend.y0


def test_another_number_of_feature_values_raises():
    with pytest.raises(DataError, match=r"shape \(4,\); got \(3,\)"):
        plots.process(X[:3], PRED)
