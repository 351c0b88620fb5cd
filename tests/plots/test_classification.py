"""Plots of classifiers show the computed curves and costs."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import ClassPredictive, DataError, evaluate, plots

RNG = np.random.default_rng(0)
P = RNG.random(80)
Y = RNG.random(80) < P
pred = ClassPredictive(P[None])


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _line(ax, start):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(start)]
    return line.get_xydata().T


def test_reliability_curve_shows_the_pooled_blocks():
    ax = plots.reliability_curve(pred, Y)
    curve = evaluate.reliability(pred, Y)
    np.testing.assert_allclose(
        ax.collections[0].get_offsets().T, [curve.predicted, curve.observed]
    )
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(0.3)


def test_roc_and_precision_recall_show_their_curves():
    roc, expected = plots.roc(pred, Y), evaluate.roc(pred, Y)
    np.testing.assert_allclose(_line(roc, "area")[1], expected.true_positive_rate)
    ax, curve = plots.precision_recall(pred, Y), evaluate.precision_recall(pred, Y)
    np.testing.assert_allclose(_line(ax, "average")[0], curve.recall)
    np.testing.assert_allclose(_line(ax, "random ranking")[1], Y.mean())


def test_cost_curve_marks_the_bayes_threshold_and_the_minimum():
    curve = evaluate.cost_curve(
        pred, Y, cost_false_negative=5.0, cost_false_positive=1.0
    )
    ax = plots.cost_curve(curve, unit="EUR")
    assert ax.get_ylabel() == "mean cost per cell (EUR)"
    np.testing.assert_allclose(
        _line(ax, "Bayes threshold")[:, 0], [1 / 6, curve.bayes_cost]
    )
    np.testing.assert_allclose(_line(ax, "lowest observed")[1], curve.cost.min())


def test_targets_that_are_not_outcomes_raise():
    for plot in (plots.reliability_curve, plots.roc, plots.precision_recall):
        with pytest.raises(DataError, match="outcomes must be 0 or 1"):
            plot(pred, np.full(80, 2))
