"""A function of one feature: its mean, the two uncertainties apart, and its noise."""

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

_NORMAL_95 = 1.6448536269514722


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
    """Mean along one feature, the band of new measurements and that of the function.

    Nine in ten new measurements should fall into the light band (aleatoric and epistemic
    together); the function itself lies in the dark one (epistemic), which closes as data
    come in while the light one stays as wide as the measurements vary.

    Args:
        x: the feature at the `n` predicted rows, in any order.
        pred: predictions of the `n` targets.
        observed: feature and target of the measurements, drawn as points.
        functions: draws of the function at x [num n], `posterior.sample_functions`.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: where to draw; default a new figure.

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
        x, low, high, color=TOTAL, alpha=0.25, linewidth=0, label="90 % of measurements"
    )
    ax.fill_between(
        x,
        mean - half,
        mean + half,
        color=EPISTEMIC,
        alpha=0.45,
        linewidth=0,
        label="90 % of the function (epistemic)",
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


def noise_level(
    x: ArrayLike,
    pred: Predictive,
    *,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Standard deviations along one feature: of the noise, and of what is not known.

    Args:
        x: the feature at the `n` predicted rows, in any order.
        pred: predictions of the `n` targets.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `x` and `pred` differ in length.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> pred = Predictive.gaussian(np.sin(6 * x), 0.04 + x, 0.01 * x)
        >>> noise_level(x, pred, unit="mAh").get_ylabel()
        'standard deviation (mAh)'
    """
    x, order = sorted_along(x, pred.shape)
    ax = axes_or_new(ax)
    for variance, colour, label in (
        (pred.aleatoric, ALEATORIC, "aleatoric: the noise"),
        (pred.epistemic, EPISTEMIC, "epistemic: not known yet"),
    ):
        ax.plot(x, np.sqrt(np.asarray(variance)[order]), color=colour, label=label)
    ax.set(xlabel=feature, ylabel=labelled("standard deviation", unit))
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])  # room for the legend above the lines
    ax.legend(frameon=False, loc="upper left")
    return ax
