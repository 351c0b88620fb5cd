"""Repair logging glitches in per-cycle values and discharge curves, and list every repair.

A glitch comes and goes: the cycles before it agree with the cycles after it. Ageing does
not come back. So a cycle is judged against the interval between the median of the three
cycles before and the median of the three after,

    e_c = max(lower_c - q_c, q_c - upper_c, 0),
    lower_c, upper_c = sorted(median q[c-3:c], median q[c+1:c+4]),

which is zero on every monotone stretch, however steep: a knee is never a glitch, nor is a
step that stays. A cycle is repaired where e_c is larger than both `threshold` times the
cell's own roughness and `smallest` times its capacity. Curves are judged at their worst
voltage.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from battprob.data.records import Cell

_NEIGHBOURS = 3
_MAD_TO_SD = (
    1.4826  # standard deviation of a Gaussian over its median absolute deviation
)


@dataclass(frozen=True, slots=True)
class Repair:
    """One replaced value, or one replaced curve (shown at its worst voltage).

    Attributes:
        cell: name of the cell.
        cycle: cycle number as recorded.
        quantity: `capacity_ah`, or `curve_capacity_ah`.
        old: value as recorded, in Ah.
        new: value it was replaced by, in Ah.
        voltage_v: voltage of `old` and `new` on a curve; None for a per-cycle value.
    """

    cell: str
    cycle: int
    quantity: str
    old: float
    new: float
    voltage_v: float | None = None

    def __str__(self):
        where = "" if self.voltage_v is None else f" at {self.voltage_v:.3f} V"
        return (
            f"{self.cell} cycle {self.cycle}: {self.quantity}{where} "
            f"{self.old:.4f} -> {self.new:.4f} Ah"
        )


def despike(
    cell: Cell, *, threshold: float = 8.0, smallest: float = 0.05
) -> tuple[Cell, list[Repair]]:
    """Replace glitches by interpolation between the good cycles around them.

    The first and the last cycle are left alone: nothing on the far side tells a glitch
    from a cell that is dying. So are runs of three bad cycles and more. Excursions that
    are small but real (a pause, a cold day) stay below `smallest` as a rule; look at the
    list.

    Args:
        cell: the record; it is not changed.
        threshold: multiple of the cell's own cycle-to-cycle roughness, the median
            over cycles of the distance to the middle of the interval.
        smallest: fraction of the cell's median capacity below which nothing is repaired.

    Returns:
        The repaired record (the same object where nothing was found) and the repairs.

    Example:
        >>> capacity = [1.08, 1.08, 1.07, 9.99, 1.07, 1.06, 1.06]
        >>> cell = Cell("a1", cycle=range(1, 8), capacity_ah=capacity)
        >>> repaired, repairs = despike(cell)
        >>> print(repairs[0])
        a1 cycle 4: capacity_ah 9.9900 -> 1.0700 Ah
    """
    floor = smallest * float(np.nanmedian(cell.capacity_ah))
    capacity, repairs = _repair_capacity(cell, threshold, floor)
    curves, curve_repairs = _repair_curves(cell, threshold, floor)
    repairs = [*repairs, *curve_repairs]
    if not repairs:
        return cell, []
    return replace(cell, capacity_ah=capacity, curve_capacity_ah=curves), repairs


def _repair_capacity(cell, threshold, floor):
    known = np.flatnonzero(~np.isnan(cell.capacity_ah))
    cycle, old = cell.cycle[known], cell.capacity_ah[known]
    new = _bridge(cycle, old, _glitches(old[:, None], threshold, floor))
    capacity = cell.capacity_ah.copy()
    capacity[known] = new
    repairs = [
        Repair(cell.name, int(cycle[c]), "capacity_ah", float(old[c]), float(new[c]))
        for c in np.flatnonzero(new != old)
    ]
    return capacity, repairs


def _repair_curves(cell, threshold, floor):
    if cell.curve_capacity_ah is None:
        return None, []
    known = np.flatnonzero(~np.isnan(cell.curve_capacity_ah).any(axis=1))
    cycle, old = cell.curve_cycle[known], cell.curve_capacity_ah[known]
    bad = _glitches(old, threshold, floor)
    new = _bridge(cycle, old, bad)
    curves = cell.curve_capacity_ah.copy()
    curves[known] = new
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


def _glitches(
    values: Float[np.ndarray, "c v"], threshold: float, floor: float
) -> Bool[np.ndarray, " c"]:
    """Cycles outside the interval spanned by their neighbours on either side."""
    bad = np.zeros(len(values), bool)
    if len(values) < 3:
        return bad
    before = np.stack(
        [_median(values[max(c - _NEIGHBOURS, 0) : c]) for c in _inner(values)]
    )
    after = np.stack(
        [_median(values[c + 1 : c + 1 + _NEIGHBOURS]) for c in _inner(values)]
    )
    inner = values[1:-1]
    outside = np.maximum(
        np.minimum(before, after) - inner, inner - np.maximum(before, after)
    )
    roughness = np.median(np.abs(inner - (before + after) / 2).max(axis=1))
    bad[1:-1] = outside.max(axis=1) > max(threshold * roughness, floor)
    return bad


def _inner(values):
    return range(1, len(values) - 1)


def _median(values):
    """Median of one to three rows; of two, their mean (`np.median`, without its cost)."""
    if len(values) < _NEIGHBOURS:
        return values.mean(axis=0)
    a, b, c = values
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _bridge(cycle, values, bad):
    """Bad rows replaced by the line between the nearest good rows, in cycle number."""
    repaired = values.copy()
    good = np.flatnonzero(~bad)
    for c in np.flatnonzero(bad):
        left, right = good[good < c][-1], good[good > c][0]
        share = (cycle[c] - cycle[left]) / max(cycle[right] - cycle[left], 1)
        repaired[c] = (1 - share) * values[left] + share * values[right]
    return repaired
