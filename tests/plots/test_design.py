"""`closed_loop` and `regret` show results, the best so far, and medians."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import plots
from battprob.design._history import Trial

TRIALS = [
    Trial(1, {}, y=5.0),
    Trial(2, {}, mean=6.0, aleatoric_sd=1.0, epistemic_sd=2.0, y=4.0),
    Trial(3, {}, mean=6.5, aleatoric_sd=1.0, epistemic_sd=0.5, y=7.0),
]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _line(ax, label):
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith(label)]
    return line.get_ydata()


@pytest.mark.parametrize(("maximise", "best"), [(True, [5, 5, 7]), (False, [5, 4, 4])])
def test_the_best_result_so_far_and_both_standard_deviations_are_shown(maximise, best):
    upper, lower = plots.closed_loop(TRIALS, maximise=maximise, unit="h")
    np.testing.assert_allclose(_line(upper, "best"), best)
    np.testing.assert_allclose(_line(lower, "aleatoric"), [np.nan, 1, 1])
    np.testing.assert_allclose(_line(lower, "epistemic"), [np.nan, 2, 0.5])


def test_ticks_are_integers_and_a_title_marks_campaigns_without_predictions():
    _, lower = plots.closed_loop(TRIALS)
    assert all(tick == round(tick) for tick in lower.get_xticks())
    assert lower.get_legend() is not None
    assert not lower.get_title()
    _, lower = plots.closed_loop(TRIALS[:1])
    assert lower.get_legend() is None
    assert "no test has been proposed by a model" in lower.get_title()


def test_regret_shows_medians():
    ax = plots.regret({"ours": [[3, 2], [5, 1], [9, 0]]}, unit="h")
    np.testing.assert_allclose(_line(ax, "ours"), [5, 1])
