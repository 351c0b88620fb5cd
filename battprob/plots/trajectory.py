"""Fan chart of forecast capacities, with the distribution of life."""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import Predictive

_LEVELS = (0.5, 0.8, 0.95)
_BANDS = "50, 80, 95 % intervals"
_HEIGHT = 0.3  # of the density of life, as a fraction of the range above the threshold
_ABOVE, _BELOW = 1.05, 0.3  # limits of the axis, as fractions of the same range
_TAILS = np.array([1e-3, 1 - 1e-3])


def trajectory(
    cycles: ArrayLike,
    capacity: Predictive,
    *,
    observed: tuple[ArrayLike, ArrayLike] | None = None,
    threshold: float | None = None,
    life: Predictive | None = None,
    unit: str = "Ah",
    ax: Axes | None = None,
) -> Axes:
    """Fan chart of forecast capacities: median and central intervals of 50, 80 and 95 %.

    Args:
        cycles: cycles of the forecast capacities, increasing.
        capacity: predictions at these cycles.
        observed: cycles and capacities measured so far.
        threshold: capacity at the end of life, drawn as a line; capacities far below it are
            not shown.
        life: predicted first crossing of the threshold; its density is drawn on that line.
        unit: unit of capacity.
        ax: axes to draw on; default a new figure.

    Example:
        >>> import numpy as np
        >>> cycles = np.arange(100.0, 200.0)
        >>> pred = Predictive.gaussian(1.2 - 0.001 * cycles, 1e-8 * cycles**2)
        >>> trajectory(cycles, pred).get_ylabel()
        'capacity (Ah)'
    """
    ax = axes_or_new(ax)
    cycles, highest = np.asarray(cycles), -np.inf
    for level in _LEVELS:
        low, high = (np.asarray(end) for end in capacity.interval(level))
        highest = max(highest, high.max())
        label = _BANDS if level == _LEVELS[-1] else None
        ax.fill_between(
            cycles, low, high, color=ALEATORIC, alpha=0.3, lw=0, label=label
        )
    ax.plot(cycles, np.asarray(capacity.quantile(0.5)), color=EPISTEMIC, label="median")
    if observed is not None:
        measured_cycles, values = map(np.asarray, observed)
        ax.plot(measured_cycles, values, ".", ms=3, color=REFERENCE, label="measured")
        highest = max(highest, np.nanmax(values))
    if threshold is not None:
        _draw_threshold(ax, threshold, highest - threshold, life)
    ax.set_xlabel("cycle")
    ax.set_ylabel(f"capacity ({unit})")
    ax.legend(loc="lower left", frameon=False)
    return ax


def _draw_threshold(ax, threshold, height, life):
    """Draw the threshold and the density of life on it; `height` is the range above it."""
    ax.axhline(threshold, color=TOTAL, lw=1)
    if height <= 0:
        return
    ax.set_ylim(threshold - _BELOW * height, threshold + _ABOVE * height)
    if life is not None:
        first, last = np.asarray(life.quantile(_TAILS))
        cycles = np.linspace(first, last, 200)
        density = np.exp(np.asarray(life.log_prob(cycles)))
        top = threshold + _HEIGHT * height * density / density.max()
        ax.fill_between(
            cycles, threshold, top, color=EPISTEMIC, alpha=0.4, label="life"
        )
