"""Early-life features that the records allow, with a reason for each missing one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import Float
from battprob.data.records import Cell
from battprob.features._cell_arrays import stack_capacities
from battprob.features.early_life import (
    FIRST_CYCLE,
    LATE_WINDOW,
    require_cycles,
    table_of_arrays,
)
from battprob.features.table import FeatureTable


class MissingFeature(NamedTuple):
    """A feature that cannot be computed for one cell, and the reason."""

    cell: str
    feature: str
    reason: str

    def __str__(self):
        return f"{self.cell}, {self.feature}: {self.reason}"


def early_life_available(
    cells: Sequence[Cell], *, early_cycle: int = 10, late_cycle: int = 100
) -> tuple[FeatureTable, tuple[MissingFeature, ...]]:
    """As `early_life`, but a feature is NaN where the record of a cell does not allow it.

    A line or a rise of the capacity is not computed for a record that ends before
    `late_cycle`, because its value would be that of another range of cycles.

    Args:
        cells: records; those with curves have one grid of equally spaced voltages.
        early_cycle, late_cycle: as in `early_life`.

    Returns:
        One row per cell, and the missing features with the reasons.

    Raises:
        DataError: not 2 ≤ early_cycle < late_cycle, or there are no cells.

    Example:
        >>> cell = Cell("a", cycle=[1, 2, 3], capacity_ah=[1.08, 1.07, 1.06])
        >>> table, missing = early_life_available([cell])
        >>> f"{table.select(['first_capacity']).x[0, 0]:.2f}"
        '1.07'
        >>> print(missing[-1])
        a, late_fade_intercept: the record ends at cycle 3
    """
    cells = list(cells)
    require_cycles(cells, early_cycle, late_cycle)
    cycle = np.arange(FIRST_CYCLE, late_cycle + 1)
    curves, no_curves = _curves(cells, (early_cycle, late_cycle))
    capacity = stack_capacities(cells, cycle)
    ended = [int(cell.cycle[-1]) < late_cycle for cell in cells]
    incomplete = np.isnan(curves).any(axis=(1, 2))
    table = table_of_arrays(cells, curves, capacity, cycle)
    x = np.array(table.x)
    for index, name in enumerate(table.names):
        if name.startswith("delta_q_"):
            # Statistics of a curve with gaps are not all NaN: its variance is taken as 0.
            x[incomplete, index] = np.nan
        elif name != "first_capacity":
            x[ended, index] = np.nan
    missing = [
        MissingFeature(
            cell.name,
            name,
            _reason(name, cell, no_curves[row], late_cycle, capacity[row]),
        )
        for row, cell in enumerate(cells)
        for name, value in zip(table.names, x[row], strict=True)
        if np.isnan(value)
    ]
    return _with_values(table, x), tuple(missing)


def _with_values(table, x):
    variance = np.where(np.isnan(x), np.nan, np.asarray(table.variance))
    return FeatureTable(
        x,
        names=table.names,
        units=table.units,
        rows=table.rows,
        variance=variance,
        groups=table.groups,
    )


def _curves(
    cells: list[Cell], cycles: tuple[int, int]
) -> tuple[Float[np.ndarray, "n 2 v"], list[str]]:
    """Q(V) of each cell at two cycles, NaN if missing, and why one is missing."""
    grids = [cell.voltage_v for cell in cells if cell.voltage_v is not None]
    grid = grids[0] if grids else np.array([1.0, 0.0])
    curves = np.full((len(cells), 2, len(grid)), np.nan)
    reasons = []
    for row, cell in enumerate(cells):
        if cell.voltage_v is not None and not np.array_equal(cell.voltage_v, grid):
            reasons.append("its voltage grid differs from that of the first cell")
            continue
        problems = []
        for column, cycle in enumerate(cycles):
            try:
                curve = cell.curve_ah(cycle)
            except DataError:
                problems.append(_no_curve(cell, cycle))
                continue
            curves[row, column] = curve
            outside = grid[np.isnan(curve)]
            if outside.size:
                problems.append(
                    f"the curve of cycle {cycle} does not reach "
                    f"{outside.min():.4g} to {outside.max():.4g} V"
                )
        reasons.append("; ".join(dict.fromkeys(problems)))
    return curves, reasons


def _no_curve(cell, cycle):
    if cell.curve_cycle is None:
        return "no discharge curves"
    if cell.cycle[-1] < cycle:
        return f"no cycle {cycle}: the record ends at cycle {cell.cycle[-1]}"
    return f"no discharge curve at cycle {cycle}"


def _reason(feature, cell, no_curve, late_cycle, capacity):
    if feature.startswith("delta_q_"):
        return no_curve or "ΔQ(V) is constant"
    if feature in ("first_capacity", "capacity_rise") and np.isnan(capacity[0]):
        return f"no capacity at cycle {FIRST_CYCLE}"
    if cell.cycle[-1] < late_cycle:
        return f"the record ends at cycle {cell.cycle[-1]}"
    if feature == "late_capacity":
        return f"no capacity at cycle {late_cycle}"
    first = late_cycle - LATE_WINDOW + 1 if feature.startswith("late_") else FIRST_CYCLE
    return f"fewer than two capacities in cycles {first} to {late_cycle}"
