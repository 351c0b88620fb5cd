"""Predictions against observed targets, and the parts of their variance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import ArrayLike
from battprob.evaluate.metrics import checked_targets
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
from battprob.transforms import Identity, Log


def parity(
    pred: Predictive,
    y: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Parity plot: predicted against observed targets, with both uncertainties.

    The thin grey bar is the 90 % interval, which should cross the diagonal for nine targets
    in ten. The thick blue bar is one epistemic standard deviation on either side of the
    mean; under a transform, on either side of the median and on the model's scale, where
    moments always exist. The axes are logarithmic for `transforms.Log`.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        names: label of each point.
        unit: unit of y, for the axes.
        ax: axes to draw on; default a new figure.

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
    y = np.asarray(checked_targets(pred, y))
    low, high = (np.asarray(end) for end in pred.interval(0.9))
    point, below, above, name_of_point = _point_estimate(pred)
    ax = axes_or_new(ax)
    if isinstance(pred.transform, Log):
        ax.set(xscale="log", yscale="log")
        plain_numbers(ax.xaxis)
        plain_numbers(ax.yaxis)
    ax.vlines(y, low, high, color=TOTAL, linewidth=1, label="90 % interval")
    ax.vlines(
        y,
        below,
        above,
        color=EPISTEMIC,
        linewidth=4,
        alpha=0.7,
        label=f"{name_of_point} ± epistemic sd",
    )
    ax.plot(y, point, "o", color=REFERENCE, markersize=4, label=name_of_point)
    ends = [min(y.min(), low.min()), max(y.max(), high.max())]
    ax.plot(ends, ends, color=REFERENCE, linewidth=0.8, zorder=0)
    if names is not None:
        for name, position in zip(
            _checked(names, len(y)), zip(y, point, strict=True), strict=True
        ):
            ax.annotate(name, position, (5, 3), textcoords="offset points", fontsize=8)
    ax.set(
        aspect="equal",
        xlabel=labelled("observed", unit),
        ylabel=labelled("predicted", unit),
    )
    ax.legend(frameon=False)
    return ax


def _point_estimate(pred):
    """Point estimate, one epistemic sd below and above it, and its name.

    The mean of a transformed target may be infinite (Student-t noise on log life), so
    that the median is shown instead.
    """
    if isinstance(pred.transform, Identity):
        point, sd = np.asarray(pred.mean), np.sqrt(pred.epistemic)
        return point, point - sd, point + sd, "mean"
    transform = pred.transform
    point = pred.quantile(0.5)
    middle = transform.inverse(point)
    sd = np.sqrt(replace(pred, transform=Identity()).epistemic)
    ends = (np.asarray(transform.forward(end)) for end in (middle - sd, middle + sd))
    return np.asarray(point), *ends, "median"


def variance_split(
    pred: Predictive,
    names: Sequence[str] | None = None,
    *,
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Aleatoric and epistemic variance of each prediction, sorted by total variance.

    More data can reduce the epistemic part but not the aleatoric part.

    Args:
        pred: predictions of `n` targets.
        names: label of each bar; default the row numbers.
        unit: unit of the targets, for the axis.
        ax: axes to draw on; default a new figure.

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
    position = np.arange(num)
    ax.bar(position, aleatoric[order], color=ALEATORIC, label="aleatoric")
    ax.bar(
        position,
        epistemic[order],
        bottom=aleatoric[order],
        color=EPISTEMIC,
        label="epistemic (reduced by more data)",
    )
    ax.set_xticks(position, [names[int(row)] for row in order], rotation=90, fontsize=8)
    ax.set_ylabel(labelled("variance", f"{unit}²" if unit else ""))
    ax.legend(frameon=False)
    return ax


def _checked(names: Sequence[str], num: int) -> Sequence[str]:
    if len(names) != num:
        raise DataError(
            f"names must have one entry for each of {num} rows; got {len(names)}"
        )
    return names
