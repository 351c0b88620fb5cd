"""Is the stated uncertainty right? Coverage at every level, and the PIT histogram."""

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from battprob._typing import ArrayLike
from battprob.evaluate.metrics import covered, pit
from battprob.plots._style import REFERENCE, TOTAL, axes_or_new
from battprob.predictive import Predictive

_BAND = 0.9
_LEVELS = np.linspace(0.05, 0.95, 19)
_BINS = 10


def calibration(pred: Predictive, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Share of targets inside the central interval, against the share intended.

    Below the diagonal the predictions are overconfident, above it they are timid. In
    the grey band lie 90 % of what calibrated predictions of as many *independent*
    targets would show at each level: cells of one batch are fewer than they seem, and
    may stray further.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.array([500.0, 800.0]), 900.0, 1600.0)
        >>> ax = calibration(pred, np.array([530.0, 790.0]))
        >>> ax.get_ylabel()
        'share of targets inside'
    """
    inside = [covered(pred, y, level=float(level)) for level in _LEVELS]
    num = inside[0].size
    low, high = stats.binom.interval(_BAND, num, _LEVELS)
    ax = axes_or_new(ax)
    ax.fill_between(
        _LEVELS,
        low / num,
        high / num,
        color=TOTAL,
        alpha=0.25,
        linewidth=0,
        label=f"calibrated: 90 % of draws of {num}",
    )
    ax.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.8)
    share = [float(flags.mean()) for flags in inside]
    ax.plot(_LEVELS, share, "o-", color=REFERENCE, markersize=3, label="observed")
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="probability of the interval",
        ylabel="share of targets inside",
    )
    ax.legend(frameon=False, loc="upper left")
    return ax


def pit_histogram(pred: Predictive, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Histogram of the predicted probability of a target up to y; flat if calibrated.

    A hump says the predictions are timid, a valley that they are overconfident, a slope
    that they are biased. Between the dashed lines lie 90 % of the bars of
    calibrated, independent predictions.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        ax: where to draw; default a new figure.

    Raises:
        DataError: see `calibration`.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.array([500.0, 800.0]), 900.0, 1600.0)
        >>> ax = pit_histogram(pred, np.array([530.0, 790.0]))
        >>> ax.get_xlabel()
        'predicted probability of a target up to y (PIT)'
    """
    probability = np.asarray(pit(pred, y)).ravel()
    low, high = stats.binom.interval(_BAND, probability.size, 1 / _BINS)
    ax = axes_or_new(ax)
    ax.hist(probability, _BINS, range=(0, 1), color=TOTAL, edgecolor="white")
    ax.axhline(probability.size / _BINS, color=REFERENCE, linewidth=0.8)
    ax.axhline(low, color=REFERENCE, linestyle="--", linewidth=0.8)
    ax.axhline(
        high,
        color=REFERENCE,
        linestyle="--",
        linewidth=0.8,
        label="calibrated: 90 % of bars between",
    )
    ax.margins(y=0.2)  # room for the legend above the bars
    ax.set(
        xlim=(0, 1),
        xlabel="predicted probability of a target up to y (PIT)",
        ylabel="targets",
    )
    ax.legend(frameon=False)
    return ax
