"""Campaigns: predicted and observed results of the tests, and regret."""

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
    """Predicted and observed results of all tests, and the predicted standard deviations.

    The upper axes show the results in the order of the tests, with the best result so far.
    The lower axes show the aleatoric and epistemic standard deviation of each test when it
    was proposed. The epistemic one becomes small once the campaign has converged.

    Args:
        results: trials of a campaign, `campaign.results`.
        maximise: whether larger results are better.
        target, unit: name and unit of the target, for the axis.
        axes: two axes to draw on; default a new figure.

    Example:
        >>> from types import SimpleNamespace
        >>> trial = SimpleNamespace(
        ...     id=1, y=900.0, mean=None, aleatoric_sd=None, epistemic_sd=None
        ... )
        >>> closed_loop([trial], target="life", unit="cycles")[0].get_ylabel()
        'life (cycles)'
    """
    if axes is None:
        _, axes = plt.subplots(2, 1, sharex=True, layout="constrained", figsize=(7, 6))
    upper, lower = axes
    test = np.array([trial.id for trial in results])
    y = np.array([trial.y for trial in results])
    best = np.maximum.accumulate(y) if maximise else np.minimum.accumulate(y)
    mean, aleatoric, epistemic = (
        np.array([getattr(trial, name) for trial in results], float)
        for name in ("mean", "aleatoric_sd", "epistemic_sd")
    )
    upper.errorbar(
        test,
        mean,
        np.hypot(aleatoric, epistemic),
        fmt="_",
        color=TOTAL,
        capsize=2,
        label="predicted (± 1 sd)",
    )
    upper.plot(test, y, "o", color=EPISTEMIC, markersize=4, label="result")
    upper.plot(test, best, color=REFERENCE, drawstyle="steps-post", label="best result")
    upper.set_ylabel(labelled(target, unit))
    upper.legend(frameon=False)
    lower.plot(test, aleatoric, ".-", color=ALEATORIC, label="aleatoric")
    lower.plot(test, epistemic, ".-", color=EPISTEMIC, label="epistemic")
    lower.set(xlabel="test", ylabel=labelled("standard deviation", unit))
    lower.set_ylim(bottom=0)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    if np.all(np.isnan(epistemic)):
        lower.set_title(
            "no test has been proposed by a model yet", fontsize="medium", y=0.5
        )
    else:
        lower.legend(frameon=False)
    return [upper, lower]


def regret(
    curves: Mapping[str, ArrayLike], *, unit: str = "", ax: Axes | None = None
) -> Axes:
    """Regret after every test: median and interquartile range over repetitions.

    Args:
        curves: regret [repetitions tests] by name of the method.
        unit: unit of the target.
        ax: axes to draw on; default a new figure.

    Example:
        >>> import numpy as np
        >>> regret({"random": np.ones((3, 5))}, unit="cycles").get_ylabel()
        'regret (cycles)'
    """
    ax = axes_or_new(ax)
    for name, values in curves.items():
        low, median, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75], axis=0)
        test = np.arange(1, len(median) + 1)
        (line,) = ax.plot(test, median, label=name)
        ax.fill_between(test, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    ax.set(xlabel="test", ylabel=labelled("regret", unit))
    ax.legend(frameon=False)
    return ax
