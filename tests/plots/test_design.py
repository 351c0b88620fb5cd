"""`closed_loop` and `regret` draw results, the best so far, and medians."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import plots
from battprob.design import Trial

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
    (line,) = [own for own in ax.lines if str(own.get_label()).startswith(label)]
    return line.get_ydata()


@pytest.mark.parametrize(("maximise", "best"), [(True, [5, 5, 7]), (False, [5, 4, 4])])
def test_the_best_so_far_and_the_split(maximise, best):
    top, bottom = plots.closed_loop(TRIALS, maximise=maximise, unit="h")
    np.testing.assert_allclose(_line(top, "best"), best)
    np.testing.assert_allclose(_line(bottom, "aleatoric"), [np.nan, 1, 1])
    np.testing.assert_allclose(_line(bottom, "epistemic"), [np.nan, 2, 0.5])


def test_tests_are_whole_numbers_and_first_ones_are_said_to_lack_a_model():
    _, bottom = plots.closed_loop(TRIALS)
    assert all(tick == round(tick) for tick in bottom.get_xticks())
    assert bottom.get_legend() is not None
    assert not bottom.get_title()
    _, bottom = plots.closed_loop(TRIALS[:1])
    assert bottom.get_legend() is None
    assert "no test yet" in bottom.get_title()


def test_medians_of_regret():
    ax = plots.regret({"ours": [[3, 2], [5, 1], [9, 0]]}, unit="h")
    np.testing.assert_allclose(_line(ax, "ours"), [5, 1])
