"""A fade to come: a fan of capacities, and when it crosses the threshold."""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import Predictive

_LEVELS = (0.5, 0.8, 0.95)
_HEIGHT = 0.25  # of the axes, for the density of life


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
        threshold: end of life, drawn as a line.
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
    cycles = np.asarray(cycles)
    for level in _LEVELS:
        low, high = (np.asarray(end) for end in capacity.interval(level))
        ax.fill_between(cycles, low, high, color=ALEATORIC, alpha=0.3, lw=0)
    ax.plot(cycles, np.asarray(capacity.quantile(0.5)), color=EPISTEMIC, label="median")
    if observed is not None:
        ax.plot(
            *map(np.asarray, observed), ".", ms=3, color=REFERENCE, label="measured"
        )
    if threshold is not None:
        ax.axhline(threshold, color=TOTAL, lw=1)
    if threshold is not None and life is not None:
        places = np.asarray(life.quantile(np.linspace(0.005, 0.995, 100)))
        density = np.exp(np.asarray(life.log_prob(places)))
        low, high = ax.get_ylim()
        top = threshold + _HEIGHT * (high - low) * density / density.max()
        ax.fill_between(
            places, threshold, top, color=EPISTEMIC, alpha=0.4, label="life"
        )
    ax.set_xlabel("cycle")
    ax.set_ylabel(f"capacity ({unit})")
    ax.legend()
    return ax
