"""Predictions row by row: against the truth, and what their variance is made of."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.evaluate.metrics import targets
from battprob.plots._style import (
    ALEATORIC,
    EPISTEMIC,
    REFERENCE,
    TOTAL,
    axes_or_new,
    labelled,
    plain_numbers,
)
from battprob.predictive import Predictive
from battprob.transforms import Log


def parity(
    pred: Predictive,
    y: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Predicted against observed targets, the two uncertainties drawn apart.

    The thin grey bar is the 90 % interval, within which nine targets in ten should meet
    the diagonal. The thick blue bar is one epistemic standard deviation on either side of
    the mean: as far as more data are expected to move it. Axes are logarithmic where
    the prediction was made on `transforms.Log`.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        names: a label for each point.
        unit: unit of y, for the axes.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform; or `names` has another length.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.array([500.0, 800.0]), 900.0, 1600.0)
        >>> ax = parity(pred, np.array([530.0, 790.0]), unit="cycles")
        >>> ax.get_xlabel()
        'observed (cycles)'
    """
    y, mean = np.asarray(targets(pred, y)), np.asarray(pred.mean)
    low, high = (np.asarray(end) for end in pred.interval(0.9))
    epistemic = np.sqrt(pred.epistemic)
    ax = axes_or_new(ax)
    if isinstance(pred.transform, Log):
        ax.set(xscale="log", yscale="log")
        plain_numbers(ax.xaxis)
        plain_numbers(ax.yaxis)
    ax.vlines(y, low, high, color=TOTAL, linewidth=1, label="90 % interval")
    ax.vlines(
        y,
        mean - epistemic,
        mean + epistemic,
        color=EPISTEMIC,
        linewidth=4,
        alpha=0.7,
        label="mean ± epistemic sd",
    )
    ax.plot(y, mean, "o", color=REFERENCE, markersize=4, label="mean")
    ends = [min(y.min(), low.min()), max(y.max(), high.max())]
    ax.plot(ends, ends, color=REFERENCE, linewidth=0.8, zorder=0)
    if names is not None:
        for name, point in zip(
            _checked(names, len(y)), zip(y, mean, strict=True), strict=True
        ):
            ax.annotate(name, point, (5, 3), textcoords="offset points", fontsize=8)
    ax.set(
        aspect="equal",
        xlabel=labelled("observed", unit),
        ylabel=labelled("predicted", unit),
    )
    ax.legend(frameon=False)
    return ax


def variance_split(
    pred: Predictive,
    names: Sequence[str] | None = None,
    *,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Variance of each prediction as a bar of two parts, the most uncertain first.

    Tall blue parts are where further tests teach most; orange ones would stay.

    Args:
        pred: predictions of `n` targets.
        names: a label for each bar; default the row numbers.
        unit: unit of the targets, for the axis.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `names` has another length than `pred`.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.zeros(2), 4.0, np.array([1.0, 9.0]))
        >>> ax = variance_split(pred, ["cell A", "cell B"], unit="cycles")
        >>> [text.get_text() for text in ax.get_xticklabels()]
        ['cell B', 'cell A']
    """
    num = pred.shape[0]
    names = _checked([str(row) for row in range(num)] if names is None else names, num)
    aleatoric, epistemic = np.asarray(pred.aleatoric), np.asarray(pred.epistemic)
    order = np.argsort(-np.asarray(pred.variance))
    ax = axes_or_new(ax)
    place = np.arange(num)
    ax.bar(place, aleatoric[order], color=ALEATORIC, label="aleatoric: stays")
    ax.bar(
        place,
        epistemic[order],
        bottom=aleatoric[order],
        color=EPISTEMIC,
        label="epistemic: more data would remove it",
    )
    ax.set_xticks(place, [names[int(row)] for row in order], rotation=90, fontsize=8)
    ax.set_ylabel(labelled("variance", f"{unit}²" if unit else ""))
    ax.legend(frameon=False)
    return ax


def _checked(names: Sequence[str], num: int) -> Sequence[str]:
    if len(names) != num:
        raise DataError(f"names must label every row: {num} rows, {len(names)} names")
    return names
