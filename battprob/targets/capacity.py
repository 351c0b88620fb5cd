"""Targets from capacity sequences: cycle life, and the capacity at one cycle."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell
from battprob.dataset import EXACT, LOWER_BOUND, UPPER_BOUND
from battprob.targets.target import Target
from battprob.transforms import Log

# The residuals of a line then have at least three degrees of freedom.
_MIN_POINTS_FOR_NOISE = 5


def cycle_life(
    cells: Sequence[Cell],
    *,
    threshold_ah: float | None = None,
    window: int = 1,
    capacity_sd_ah: float | None = None,
) -> Target:
    r"""Cycle at which the discharge capacity falls below a threshold.

    Capacities are averaged over `window` consecutive measurements. The first average
    below the threshold $Q^*$ and the average before it together use window + 1
    measurements; the life is the cycle at which the least-squares line through these
    crosses the threshold:

    $$L = \bar k + \frac{Q^* - \bar Q}{b},\qquad
    \operatorname{Var} L = \frac{s^2}{b^2}
    \left(\frac1n + \frac{(L - \bar k)^2}{\sum (k - \bar k)^2}\right),\quad
    n = \text{window} + 1$$

    With window 1 this is linear interpolation between the last capacity above and the
    first capacity below the threshold. The result is in (k - 1, k] if no cycle is
    missing, whereas most sources record k. One low outlier then ends the life: use a
    wider window, or remove spikes first with `battprob.data.despike`.

    The variance is first order in the measurement noise. A noisy sequence also crosses
    the threshold too early on average; the variance does not include this bias. If the
    noise exceeds the fade over a few cycles, use a wider window.

    Args:
        cells: records; missing capacities (NaN) are skipped.
        threshold_ah: capacity at the end of life in Ah. None: use the recorded life and
            the recorded censoring.
        window: number of measurements to average; the capacity should be approximately
            linear in the cycle number over a window.
        capacity_sd_ah: s, the standard deviation of the measurement noise in Ah. None:
            estimated from the residuals of the line, or unknown with fewer than five
            measurements.

    Returns:
        Lives in cycles, with the variance of log life if the noise is known for all
        cells. A cell that ends above the threshold is censored at its last cycle (a
        lower bound); one that starts below it, at its first cycle (an upper bound).
        Bounds have variance zero. The transform is `Log`.

    Raises:
        DataError: a cell has no recorded life (threshold None), fewer measurements than
            the window, or a capacity that does not decrease where it crosses the
            threshold.

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
    """Discharge capacity at one cycle number, in Ah.

    Raises:
        DataError: a cell has no capacity at this cycle; the message names the cells.
    """
    capacities = [_capacity_at(cell, cycle) for cell in cells]
    pairs = zip(cells, capacities, strict=True)
    missing = [cell.name for cell, capacity in pairs if np.isnan(capacity)]
    if missing:
        raise DataError(
            f"no capacity at cycle {cycle} in {_listed(missing)}: leave these cells "
            "out or choose another cycle"
        )
    return Target(
        capacities,
        rows=[cell.name for cell in cells],
        name=f"capacity at cycle {cycle}",
        unit="Ah",
    )


def _recorded_lives(cells):
    unknown = [cell.name for cell in cells if np.isnan(cell.cycle_life)]
    if unknown:
        raise DataError(
            f"no recorded cycle life for {_listed(unknown)}: leave these cells out or "
            "give threshold_ah, to compute the life from the capacities"
        )
    return [cell.cycle_life for cell in cells], [cell.censored for cell in cells]


def _crossing(cell, threshold, window, capacity_sd):
    """Life, censoring, and variance of log life (NaN if the noise is unknown)."""
    observed = np.isfinite(cell.capacity_ah)
    cycle, capacity = cell.cycle[observed].astype(float), cell.capacity_ah[observed]
    if cycle.size == 0:
        raise DataError(f"cell {cell.name!r} has no capacity: leave it out")
    if cycle.size < window:
        raise DataError(
            f"cell {cell.name!r} has {cycle.size} capacities, but the window is "
            f"{window}: leave the cell out or reduce the window"
        )
    average = np.convolve(capacity, np.full(window, 1 / window), "valid")
    below = average < threshold
    if not below.any():
        return cycle[-1], LOWER_BOUND, 0.0
    first = int(np.argmax(below))
    if first == 0:
        return cycle[0], UPPER_BOUND, 0.0
    used = slice(first - 1, first + window)
    life, variance = _line_crossing(cycle[used], capacity[used], threshold, capacity_sd)
    if not np.isfinite(life) or life <= 0:
        raise DataError(
            f"cell {cell.name!r}: the capacity does not decrease over cycles "
            f"{cycle[used][0]:g} to {cycle[used][-1]:g}, where it crosses "
            f"{threshold:g} Ah: increase the window"
        )
    # First-order variance of log life.
    return life, EXACT, variance / life**2


def _line_crossing(cycle, capacity, threshold, capacity_sd):
    """Crossing of the least-squares line and its variance; NaN if the line rises."""
    centred_cycle = cycle - cycle.mean()
    centred_capacity = capacity - capacity.mean()
    sum_of_squares = centred_cycle @ centred_cycle
    slope = centred_cycle @ centred_capacity / sum_of_squares
    if not slope < 0:
        return np.nan, np.nan
    noise_variance = np.nan if capacity_sd is None else capacity_sd**2
    if capacity_sd is None and len(cycle) >= _MIN_POINTS_FOR_NOISE:
        residual = centred_capacity - slope * centred_cycle
        noise_variance = residual @ residual / (len(cycle) - 2)
    distance = (threshold - capacity.mean()) / slope
    leverage = 1 / len(cycle) + distance**2 / sum_of_squares
    return cycle.mean() + distance, noise_variance * leverage / slope**2


def _capacity_at(cell, cycle):
    rows = np.flatnonzero(cell.cycle == cycle)
    return cell.capacity_ah[rows[0]] if rows.size else np.nan


def _listed(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
