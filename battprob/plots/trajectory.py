"""A fade to come: a fan of capacities, and when it crosses the threshold."""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import Predictive

_LEVELS = (0.5, 0.8, 0.95)
_BANDS = "50, 80, 95 % of capacities"
_HEIGHT = 0.3  # of the density of life, in what lies above the threshold
_ABOVE, _BELOW = 1.05, 0.3  # ends of the view: below, a fan is of no more use
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
    """Fan chart of capacities to come: half of them in the darkest band, 95 % in all three.

    Args:
        cycles: of the predicted capacities, increasing.
        capacity: predictions at these cycles.
        observed: cycles and capacities measured so far.
        threshold: end of life, drawn as a line; what lies far below it is not shown.
        life: its first crossing, drawn as a density that stands on the line.
        unit: of capacity.
        ax: where to draw; default a new figure.

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
        places, values = map(np.asarray, observed)
        ax.plot(places, values, ".", ms=3, color=REFERENCE, label="measured")
        highest = max(highest, np.nanmax(values))
    if threshold is not None:
        _stand(ax, threshold, highest - threshold, life)
    ax.set_xlabel("cycle")
    ax.set_ylabel(f"capacity ({unit})")
    ax.legend(loc="lower left", frameon=False)
    return ax


def _stand(ax, threshold, above, life):
    """The threshold, and the density of life on it, in units of what lies above."""
    ax.axhline(threshold, color=TOTAL, lw=1)
    if above <= 0:
        return
    ax.set_ylim(threshold - _BELOW * above, threshold + _ABOVE * above)
    if life is not None:
        first, last = np.asarray(life.quantile(_TAILS))
        places = np.linspace(first, last, 200)
        density = np.exp(np.asarray(life.log_prob(places)))
        top = threshold + _HEIGHT * above * density / density.max()
        ax.fill_between(
            places, threshold, top, color=EPISTEMIC, alpha=0.4, label="life"
        )
