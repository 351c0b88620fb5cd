"""Stack the records of several cells into one array; the only loops over cells."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell


def stack_curves(cells: Sequence[Cell], cycles: Sequence[int]) -> np.ndarray:
    """Q(V) in Ah of each cell at the given cycles: [cells, cycles, voltages].

    Raises:
        DataError: a cell has no curves, has another voltage grid than the first cell,
            or lacks a cycle or a value in it; the message names the cell and the cycle.
    """
    return np.stack([_curves(cell, cycles, cells[0]) for cell in cells])


def stack_capacities(cells: Sequence[Cell], cycles: np.ndarray) -> np.ndarray:
    """Capacity in Ah of each cell at the cycles, NaN if missing: [cells, cycles]."""
    stacked = np.full((len(cells), len(cycles)), np.nan)
    for row, cell in zip(stacked, cells, strict=True):
        _, columns, indices = np.intersect1d(cycles, cell.cycle, return_indices=True)
        row[columns] = cell.capacity_ah[indices]
    return stacked


def require_capacities(
    cells: Sequence[Cell],
    cycles: np.ndarray,
    stacked: np.ndarray,
    required: Sequence[int],
) -> None:
    """Check that `stacked` has a capacity at each cycle in `required`.

    Raises:
        DataError: a capacity is missing; the message names the cell and the cycle.
    """
    for cell, row in zip(cells, stacked, strict=True):
        for cycle in required:
            if np.isnan(row[np.searchsorted(cycles, cycle)]):
                raise DataError(_missing(cell, "capacity", cycle))


def _curves(cell, cycles, first):
    curves = np.stack([cell.curve_ah(cycle) for cycle in cycles])
    if not np.array_equal(cell.voltage_v, first.voltage_v):
        raise DataError(
            f"cell {cell.name!r} has another voltage grid than {first.name!r}: "
            "interpolate the curves of all cells to one grid first"
        )
    for cycle, curve in zip(cycles, curves, strict=True):
        if np.isnan(curve).any():
            raise DataError(_missing(cell, "complete discharge curve", cycle))
    return curves


def _missing(cell, quantity, cycle):
    return (
        f"cell {cell.name!r} has no {quantity} at cycle {cycle}: leave the cell out or "
        "choose other cycles"
    )
