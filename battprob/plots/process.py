"""Predictions along one feature: mean, intervals and standard deviations."""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.plots._style import (
    ALEATORIC,
    EPISTEMIC,
    REFERENCE,
    TOTAL,
    axes_or_new,
    labelled,
    sorted_along,
)
from battprob.predictive import Predictive

_NORMAL_95 = 1.6448536269514722  # standard normal quantile of 0.95


def process(
    x: ArrayLike,
    pred: Predictive,
    *,
    observed: tuple[ArrayLike, ArrayLike] | None = None,
    functions: ArrayLike | None = None,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Mean along one feature, with intervals of new measurements and of the function.

    The light band is the 90 % interval of new measurements (aleatoric and epistemic
    variance). The dark band is the 90 % interval of the noise-free function (epistemic
    variance); it becomes narrower with more data.

    Args:
        x: the feature of the `n` predicted rows, in any order.
        pred: predictions of the `n` targets.
        observed: feature and target of measurements, drawn as points.
        functions: draws of the function at x [num n], `posterior.sample_functions`.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: `x` and `pred` differ in length.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> pred = Predictive.gaussian(np.sin(6 * x), 0.04, 0.01 * x)
        >>> process(x, pred, feature="state of charge").get_xlabel()
        'state of charge'
    """
    x, order = sorted_along(x, pred.shape)
    mean = np.asarray(pred.mean)[order]
    low, high = (np.asarray(end)[order] for end in pred.interval(0.9))
    half = _NORMAL_95 * np.sqrt(np.asarray(pred.epistemic)[order])
    ax = axes_or_new(ax)
    ax.fill_between(
        x,
        low,
        high,
        color=TOTAL,
        alpha=0.25,
        linewidth=0,
        label="90 % interval, measurements",
    )
    ax.fill_between(
        x,
        mean - half,
        mean + half,
        color=EPISTEMIC,
        alpha=0.45,
        linewidth=0,
        label="90 % interval, function",
    )
    if functions is not None:
        ax.plot(x, np.asarray(functions)[:, order].T, color=EPISTEMIC, linewidth=0.5)
    ax.plot(x, mean, color=REFERENCE, linewidth=1.2, label="mean")
    if observed is not None:
        points = [np.asarray(values).ravel() for values in observed]
        ax.plot(*points, ".", color=REFERENCE, markersize=3, alpha=0.6)
    ax.set(xlabel=feature, ylabel=labelled("target", unit))
    ax.legend(frameon=False)
    return ax


def standard_deviations(
    x: ArrayLike,
    pred: Predictive,
    *,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Aleatoric and epistemic standard deviation along one feature.

    Args:
        x: the feature of the `n` predicted rows, in any order.
        pred: predictions of the `n` targets.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: `x` and `pred` differ in length.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> pred = Predictive.gaussian(np.sin(6 * x), 0.04 + x, 0.01 * x)
        >>> standard_deviations(x, pred, unit="mAh").get_ylabel()
        'standard deviation (mAh)'
    """
    x, order = sorted_along(x, pred.shape)
    ax = axes_or_new(ax)
    for variance, colour, label in (
        (pred.aleatoric, ALEATORIC, "aleatoric"),
        (pred.epistemic, EPISTEMIC, "epistemic"),
    ):
        ax.plot(x, np.sqrt(np.asarray(variance)[order]), color=colour, label=label)
    ax.set(xlabel=feature, ylabel=labelled("standard deviation", unit))
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])  # space for the legend above the lines
    ax.legend(frameon=False, loc="upper left")
    return ax
