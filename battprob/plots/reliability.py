"""Calibration of predictive distributions: coverage at all levels, PIT histogram."""

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
    """Observed coverage of the central intervals against their nominal level.

    Below the diagonal the predictions are overconfident, above it underconfident. The grey
    band contains 90 % of the coverages of calibrated predictions of as many *independent*
    targets, at each level. Cells of one batch are correlated, so their coverage varies more.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.array([500.0, 800.0]), 900.0, 1600.0)
        >>> ax = calibration(pred, np.array([530.0, 790.0]))
        >>> ax.get_ylabel()
        'observed coverage'
    """
    is_covered = [covered(pred, y, level=float(level)) for level in _LEVELS]
    num = is_covered[0].size
    low, high = stats.binom.interval(_BAND, num, _LEVELS)
    ax = axes_or_new(ax)
    ax.fill_between(
        _LEVELS,
        low / num,
        high / num,
        color=TOTAL,
        alpha=0.25,
        linewidth=0,
        label=f"calibrated, {num} targets (90 %)",
    )
    ax.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.8)
    coverage = [float(flags.mean()) for flags in is_covered]
    ax.plot(_LEVELS, coverage, "o-", color=REFERENCE, markersize=3, label="observed")
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="nominal coverage",
        ylabel="observed coverage",
    )
    ax.legend(frameon=False, loc="upper left")
    return ax


def pit_histogram(pred: Predictive, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Histogram of the PIT, the predicted probability of a target up to y.

    It is uniform if the predictions are calibrated. A maximum in the middle indicates
    underconfident predictions, a minimum in the middle overconfident ones, and a slope a
    bias. The dashed lines contain 90 % of the bars of calibrated, independent predictions.

    Args:
        pred: predictions of `n` targets.
        y: observed targets, in their own unit.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: see `calibration`.

    Example:
        >>> import numpy as np
        >>> pred = Predictive.gaussian(np.array([500.0, 800.0]), 900.0, 1600.0)
        >>> ax = pit_histogram(pred, np.array([530.0, 790.0]))
        >>> ax.get_xlabel()
        'probability integral transform (PIT)'
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
        label="calibrated (90 %)",
    )
    ax.margins(y=0.2)  # space for the legend above the bars
    ax.set(
        xlim=(0, 1),
        xlabel="probability integral transform (PIT)",
        ylabel="number of targets",
    )
    ax.legend(frameon=False)
    return ax
