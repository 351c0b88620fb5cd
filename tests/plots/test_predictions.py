"""`parity` and `variance_split` show the numbers of `Predictive`."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from battprob import DataError, Predictive, plots, transforms
from battprob._modules import replace

EPISTEMIC = np.array([0.01, 0.04, 0.02])
NAMES = ["b1c0", "b1c1", "b2c0"]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def lives():
    location = np.log([400.0, 900.0, 1500.0])
    return Predictive.gaussian(location, 0.02, EPISTEMIC, transforms.Log())


def _bars(ax, label):
    (lines,) = [
        c
        for c in ax.collections
        if isinstance(c, LineCollection) and c.get_label() == label
    ]
    return np.array(lines.get_segments())


def test_parity_shows_mean_interval_and_epistemic_standard_deviation(lives):
    y = np.array([450.0, 700.0, 1600.0])
    ax = plots.parity(lives, y, unit="cycles")
    (points,) = [line for line in ax.lines if line.get_label() == "median"]
    np.testing.assert_allclose(points.get_xydata().T, [y, lives.quantile(0.5)])
    total = _bars(ax, "90 % interval")
    np.testing.assert_allclose(total[:, :, 0], np.stack([y, y], 1))
    np.testing.assert_allclose(total[:, :, 1], np.stack(lives.interval(0.9), 1))
    epistemic = np.log(_bars(ax, "median ± epistemic sd")[:, :, 1])
    np.testing.assert_allclose(epistemic.mean(1), np.log(lives.quantile(0.5)))
    half = 0.5 * np.diff(epistemic, axis=1)[:, 0]
    on_log = replace(lives, transform=transforms.Identity())
    np.testing.assert_allclose(half**2, on_log.epistemic)


def test_parity_without_a_transform_shows_the_mean():
    pred = Predictive.gaussian(np.array([1.0, 2.0]), 4.0, 1.0)
    ax = plots.parity(pred, np.array([1.5, 2.5]))
    np.testing.assert_allclose(
        _bars(ax, "mean ± epistemic sd")[:, :, 1], [[0, 2], [1, 3]]
    )


def test_parity_has_logarithmic_axes_for_log_predictions_only(lives):
    ax = plots.parity(lives, np.array([450.0, 700.0, 1600.0]), unit="cycles")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "observed (cycles)"
    assert ax.get_ylabel() == "predicted (cycles)"
    linear = Predictive.gaussian(np.array([-1.0, 2.0]), 1.0)
    ax = plots.parity(linear, np.array([0.0, 1.0]))
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("observed", "predicted")


def test_parity_annotates_the_points_with_names(lives):
    y = np.array([450.0, 700.0, 1600.0])
    ax = plots.parity(lives, y, names=NAMES)
    assert [text.get_text() for text in ax.texts] == NAMES
    np.testing.assert_allclose(
        [text.xy for text in ax.texts], np.stack([y, lives.quantile(0.5)], 1)
    )


def test_variance_split_stacks_the_parts_sorted_by_variance(lives):
    ax = plots.variance_split(lives, NAMES, unit="cycles")
    order = np.argsort(-np.asarray(lives.variance))
    assert [t.get_text() for t in ax.get_xticklabels()] == [NAMES[i] for i in order]
    low, high = ax.containers
    np.testing.assert_allclose(low.datavalues, lives.aleatoric[order])
    np.testing.assert_allclose(high.datavalues, lives.epistemic[order])
    np.testing.assert_allclose([bar.get_y() for bar in high], lives.aleatoric[order])
    assert low.get_label().startswith("aleatoric")
    assert low[0].get_facecolor() != high[0].get_facecolor()
    assert ax.get_ylabel() == "variance (cycles²)"


def test_plots_draw_on_the_given_axes(lives):
    ax = plt.figure().add_subplot()
    assert plots.parity(lives, np.array([450.0, 700.0, 1600.0]), ax=ax) is ax
    assert plots.variance_split(lives, ax=ax) is ax


def test_unusable_names_and_targets_raise(lives):
    with pytest.raises(DataError, match="each of 3 rows; got 2"):
        plots.variance_split(lives, NAMES[:2])
    with pytest.raises(DataError, match="each of 3 rows; got 2"):
        plots.parity(lives, np.array([450.0, 700.0, 1600.0]), names=NAMES[:2])
    with pytest.raises(DataError, match=r"index \[2\]"):
        plots.parity(lives, np.array([450.0, 700.0, np.nan]))
