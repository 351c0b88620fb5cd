"""Remove spikes from per-cycle values and discharge curves, and list every repair.

A spike is a short excursion: the cycles before it agree with the cycles after it.
Ageing is not reversible. A cycle is therefore compared with the interval between the
median of the three cycles before and the median of the three cycles after,

    e_c = max(lower_c - q_c, q_c - upper_c, 0),
    lower_c, upper_c = sorted(median q[c-3:c], median q[c+1:c+4]).

The excess e_c is zero on every monotone section, however steep, so a knee or a
permanent step is never repaired. A cycle is repaired if e_c exceeds both `threshold`
times the cycle-to-cycle variation of the cell and `smallest` times its capacity. For a
curve, e_c is the largest value over the voltages.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from battprob.data.records import Cell

_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True)
class Repair:
    """One replaced value, or one replaced curve (with its most changed voltage).

    Attributes:
        cell: name of the cell.
        cycle: cycle number as recorded.
        quantity: `capacity_ah` or `curve_capacity_ah`.
        old: recorded value in Ah.
        new: replacement in Ah.
        voltage_v: voltage of `old` and `new` on a curve; None for a per-cycle value.
    """

    cell: str
    cycle: int
    quantity: str
    old: float
    new: float
    voltage_v: float | None = None

    def __str__(self):
        voltage = "" if self.voltage_v is None else f" at {self.voltage_v:.3f} V"
        return (
            f"{self.cell} cycle {self.cycle}: {self.quantity}{voltage} "
            f"{self.old:.4f} -> {self.new:.4f} Ah"
        )


def despike(
    cell: Cell, *, threshold: float = 8.0, smallest: float = 0.05
) -> tuple[Cell, list[Repair]]:
    """Replace spikes by linear interpolation between the valid cycles around them.

    The first and the last cycle are never changed, because a spike there cannot be
    distinguished from a failing cell. Three or more bad cycles in a row are not changed
    either. Small real excursions (a pause, a cold day) are usually below `smallest`;
    check the list of repairs.

    Args:
        cell: the record; it is not changed.
        threshold: multiple of the cycle-to-cycle variation of the cell, which is the
            median over cycles of the distance to the centre of the interval.
        smallest: fraction of the median capacity of the cell; smaller excursions are
            not repaired.

    Returns:
        The repaired record (the same object if there is no spike) and the repairs.

    Example:
        >>> capacity = [1.08, 1.08, 1.07, 9.99, 1.07, 1.06, 1.06]
        >>> cell = Cell("a1", cycle=range(1, 8), capacity_ah=capacity)
        >>> repaired, repairs = despike(cell)
        >>> print(repairs[0])
        a1 cycle 4: capacity_ah 9.9900 -> 1.0700 Ah
    """
    minimum_ah = smallest * float(np.nanmedian(cell.capacity_ah))
    capacity, repairs = _repair_capacity(cell, threshold, minimum_ah)
    curves, curve_repairs = _repair_curves(cell, threshold, minimum_ah)
    repairs = [*repairs, *curve_repairs]
    if not repairs:
        return cell, []
    return replace(cell, capacity_ah=capacity, curve_capacity_ah=curves), repairs


def _repair_capacity(cell, threshold, minimum_ah):
    observed = np.flatnonzero(~np.isnan(cell.capacity_ah))
    cycle, old = cell.cycle[observed], cell.capacity_ah[observed]
    new = _interpolate(cycle, old, _spikes(old[:, None], threshold, minimum_ah))
    capacity = cell.capacity_ah.copy()
    capacity[observed] = new
    repairs = [
        Repair(cell.name, int(cycle[c]), "capacity_ah", float(old[c]), float(new[c]))
        for c in np.flatnonzero(new != old)
    ]
    return capacity, repairs


def _repair_curves(cell, threshold, minimum_ah):
    if cell.curve_capacity_ah is None:
        return None, []
    observed = np.flatnonzero(~np.isnan(cell.curve_capacity_ah).any(axis=1))
    cycle, old = cell.curve_cycle[observed], cell.curve_capacity_ah[observed]
    bad = _spikes(old, threshold, minimum_ah)
    new = _interpolate(cycle, old, bad)
    curves = cell.curve_capacity_ah.copy()
    curves[observed] = new
    repairs = []
    for c in np.flatnonzero(bad):
        worst = np.argmax(np.abs(new[c] - old[c]))
        repairs.append(
            Repair(
                cell.name,
                int(cycle[c]),
                "curve_capacity_ah",
                float(old[c, worst]),
                float(new[c, worst]),
                float(cell.voltage_v[worst]),
            )
        )
    return curves, repairs


def _spikes(
    values: Float[np.ndarray, "c v"], threshold: float, minimum: float
) -> Bool[np.ndarray, " c"]:
    """Cycles outside the interval between the medians before and after them."""
    bad = np.zeros(len(values), bool)
    if len(values) < 3:
        return bad
    interior = range(1, len(values) - 1)
    before = np.stack([_median(values[max(c - _NEIGHBOURS, 0) : c]) for c in interior])
    after = np.stack([_median(values[c + 1 : c + 1 + _NEIGHBOURS]) for c in interior])
    inner = values[1:-1]
    excess = np.maximum(
        np.minimum(before, after) - inner, inner - np.maximum(before, after)
    )
    variation = np.median(np.abs(inner - (before + after) / 2).max(axis=1))
    bad[1:-1] = excess.max(axis=1) > max(threshold * variation, minimum)
    return bad


def _median(values):
    """Median of one to three rows, without the overhead of `np.median`."""
    if len(values) < _NEIGHBOURS:
        return values.mean(axis=0)
    a, b, c = values
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _interpolate(cycle, values, bad):
    """Bad rows replaced by linear interpolation in cycle number between valid rows."""
    repaired = values.copy()
    valid = np.flatnonzero(~bad)
    for c in np.flatnonzero(bad):
        before, after = valid[valid < c][-1], valid[valid > c][0]
        # Two rows of the same cycle have distance 0.
        distance = max(cycle[after] - cycle[before], 1)
        fraction = (cycle[c] - cycle[before]) / distance
        repaired[c] = (1 - fraction) * values[before] + fraction * values[after]
    return repaired
