"""Targets read off a capacity sequence: cycle life, and the capacity at one cycle."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell
from battprob.dataset import EXACT, LOWER_BOUND, UPPER_BOUND
from battprob.targets.target import Target
from battprob.transforms import Log

_ENOUGH_READINGS = 5  # to tell the noise of a line's readings from the line


def cycle_life(
    cells: Sequence[Cell],
    *,
    threshold_ah: float | None = None,
    window: int = 1,
    capacity_sd_ah: float | None = None,
) -> Target:
    r"""Cycles until the discharge capacity falls below a threshold, on a log scale.

    Capacities are averaged over `window` readings in a row. With a threshold $Q^*$, the
    first average below it and the one before take in window + 1 readings, and the life is
    where the least-squares line through these crosses the threshold:

    $$L = \bar k + \frac{Q^* - \bar Q}{b},\qquad
    \operatorname{Var} L = \frac{s^2}{b^2}
    \left(\frac1n + \frac{(L - \bar k)^2}{\sum (k - \bar k)^2}\right),\quad
    n = \text{window} + 1$$

    With window 1 that is the interpolation between the last reading above and the first
    below, in (k - 1, k] where no cycle is missing, while sources usually record k. One low
    reading then ends a life: average, or repair glitches with `battprob.data.despike`.

    The variance is of first order in the noise of the readings. A noisy sequence also
    crosses early on average, which the variance does not tell: where the noise exceeds
    the fade over a few cycles, widen the window.

    Args:
        cells: records; missing capacities (NaN) are stepped over.
        threshold_ah: end of life, Ah. None: the life that the source recorded, and its
            own flag of censoring.
        window: readings averaged; the knee should be straight over that many.
        capacity_sd_ah: s, the standard deviation of a reading's noise. None: the scatter
            about the line, or, with fewer than five readings, not known.

    Returns:
        Lives in cycles, with the variance of log life where the noise is known. A cell
        that ends above the threshold is censored at its last cycle (a lower bound); one
        that begins below it, at its first (an upper bound); both without error.

    Raises:
        DataError: a cell has no recorded life (threshold None), fewer readings than the
            window, or a capacity that does not fall where it crosses.

    Example:
        >>> import numpy as np
        >>> capacity = np.array([1.0, 0.9, 0.86])
        >>> cell = Cell("a", cycle=np.array([100, 200, 300]), capacity_ah=capacity)
        >>> life = cycle_life([cell], threshold_ah=0.88, capacity_sd_ah=0.002)
        >>> f"{life.value[0]:.0f} ± {life.value[0] * life.variance[0] ** 0.5:.1f}"
        '250 ± 3.5'
    """
    if threshold_ah is None:
        value, censored = _recorded_lives(cells)
        variance = None
    else:
        crossings = [_crossing(c, threshold_ah, window, capacity_sd_ah) for c in cells]
        value, censored, variance = zip(*crossings, strict=True)
        variance = None if np.isnan(variance).any() else variance
    return Target(
        value,
        rows=[cell.name for cell in cells],
        name="cycle life",
        unit="cycles",
        variance=variance,
        censored=censored,
        transform=Log(),
    )


def capacity_at(cells: Sequence[Cell], cycle: int) -> Target:
    """Discharge capacity at one cycle number, Ah.

    Raises:
        DataError: a cell has no capacity there; the message names the cells.
    """
    found = [_at(cell, cycle) for cell in cells]
    absent = [cell.name for cell, q in zip(cells, found, strict=True) if np.isnan(q)]
    if absent:
        raise DataError(
            f"no capacity at cycle {cycle} in {_listed(absent)}: leave those cells out "
            "or choose another cycle"
        )
    return Target(
        found,
        rows=[cell.name for cell in cells],
        name=f"capacity at cycle {cycle}",
        unit="Ah",
    )


def _recorded_lives(cells):
    unknown = [cell.name for cell in cells if np.isnan(cell.cycle_life)]
    if unknown:
        raise DataError(
            f"the source recorded no life of {_listed(unknown)}: leave those cells out "
            "or give threshold_ah to find it in the capacities"
        )
    return [cell.cycle_life for cell in cells], [cell.censored for cell in cells]


def _crossing(cell, threshold, window, capacity_sd):
    """Life, its flag, and the variance of log life (NaN where the noise is not known)."""
    known = np.isfinite(cell.capacity_ah)
    cycle, capacity = cell.cycle[known].astype(float), cell.capacity_ah[known]
    if cycle.size == 0:
        raise DataError(f"cell {cell.name!r} has no capacity: leave it out")
    if cycle.size < window:
        raise DataError(
            f"cell {cell.name!r} has {cycle.size} capacities, the window takes "
            f"{window}: leave it out or narrow the window"
        )
    average = np.convolve(capacity, np.full(window, 1 / window), "valid")
    below = average < threshold
    if not below.any():
        return cycle[-1], LOWER_BOUND, 0.0
    first = int(np.argmax(below))
    if first == 0:
        return cycle[0], UPPER_BOUND, 0.0
    near = slice(first - 1, first + window)
    life, variance = _line_crossing(cycle[near], capacity[near], threshold, capacity_sd)
    if not np.isfinite(life) or life <= 0:
        raise DataError(
            f"cell {cell.name!r}: capacity does not fall over cycles {cycle[near][0]:g} to "
            f"{cycle[near][-1]:g}, where it crosses {threshold:g} Ah: widen the window"
        )
    return life, EXACT, variance / life**2


def _line_crossing(cycle, capacity, threshold, capacity_sd):
    """Where the least-squares line crosses, and the variance of that; NaN if it rises."""
    offset = cycle - cycle.mean()
    fall = capacity - capacity.mean()
    spread = offset @ offset
    slope = offset @ fall / spread
    if not slope < 0:
        return np.nan, np.nan
    noise = np.nan if capacity_sd is None else capacity_sd**2
    if capacity_sd is None and len(cycle) >= _ENOUGH_READINGS:
        residual = fall - slope * offset
        noise = residual @ residual / (len(cycle) - 2)
    distance = (threshold - capacity.mean()) / slope
    leverage = 1 / len(cycle) + distance**2 / spread
    return cycle.mean() + distance, noise * leverage / slope**2


def _at(cell, cycle):
    here = np.flatnonzero(cell.cycle == cycle)
    return cell.capacity_ah[here[0]] if here.size else np.nan


def _listed(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
