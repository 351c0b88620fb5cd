"""Campaigns: what each test was expected to give, what it gave, and how regret falls."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from battprob._typing import ArrayLike
from battprob.plots._style import (
    ALEATORIC,
    EPISTEMIC,
    REFERENCE,
    TOTAL,
    axes_or_new,
    labelled,
)


def closed_loop(
    results: Sequence[Any],
    *,
    maximise: bool = True,
    target: str = "target",
    unit: str = "",
    axes: Any = None,
) -> list[Axes]:
    """Results in the order of their tests with the best so far, and the variance split.

    Below, the standard deviations of each test when it was asked for: of the noise, and
    of what was not known. A search that is done asks where little is left to learn.

    Args:
        results: trials of a campaign, `campaign.results`.
        maximise: whether large results are good.
        target, unit: for the axis.
        axes: two, where to draw; default a new figure.

    Example:
        >>> from types import SimpleNamespace
        >>> one = SimpleNamespace(id=1, y=900.0, mean=None, aleatoric_sd=None, epistemic_sd=None)
        >>> closed_loop([one], target="life", unit="cycles")[0].get_ylabel()
        'life (cycles)'
    """
    if axes is None:
        _, drawn = plt.subplots(2, 1, sharex=True, layout="constrained", figsize=(7, 6))
        axes = list(drawn)
    top, bottom = axes
    test = np.array([trial.id for trial in results])
    y = np.array([trial.y for trial in results])
    best = np.maximum.accumulate(y) if maximise else np.minimum.accumulate(y)
    mean, aleatoric, epistemic = (
        np.array([getattr(trial, name) for trial in results], float)
        for name in ("mean", "aleatoric_sd", "epistemic_sd")
    )
    top.errorbar(
        test,
        mean,
        np.hypot(aleatoric, epistemic),
        fmt="_",
        color=TOTAL,
        capsize=2,
        label="expected (± 1 sd)",
    )
    top.plot(test, y, "o", color=EPISTEMIC, markersize=4, label="result")
    top.plot(test, best, color=REFERENCE, drawstyle="steps-post", label="best result")
    top.set_ylabel(labelled(target, unit))
    top.legend(frameon=False)
    bottom.plot(test, aleatoric, ".-", color=ALEATORIC, label="aleatoric: the noise")
    bottom.plot(
        test, epistemic, ".-", color=EPISTEMIC, label="epistemic: not known then"
    )
    bottom.set(xlabel="test", ylabel=labelled("standard deviation", unit))
    bottom.set_ylim(bottom=0)
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    if np.all(np.isnan(epistemic)):
        bottom.set_title("no test yet was chosen by a model", fontsize="medium", y=0.5)
    else:
        bottom.legend(frameon=False)
    return [top, bottom]


def regret(
    curves: Mapping[str, ArrayLike], *, unit: str = "", ax: Axes | None = None
) -> Axes:
    """How far the best is still away after every test: medians, and the middle half.

    Args:
        curves: regret [repetitions tests] of every method.
        unit: of the target.
        ax: where to draw; default a new figure.

    Example:
        >>> import numpy as np
        >>> regret({"random": np.ones((3, 5))}, unit="cycles").get_ylabel()
        'regret (cycles)'
    """
    ax = axes_or_new(ax)
    for name, values in curves.items():
        low, middle, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75], axis=0)
        test = np.arange(1, len(middle) + 1)
        (line,) = ax.plot(test, middle, label=name)
        ax.fill_between(test, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(xlabel="test", ylabel=labelled("regret", unit))
    ax.legend(frameon=False)
    return ax
