"""From ragged records to one array for all cells: the only loops over cells."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell


def stack_curves(cells: Sequence[Cell], cycles: Sequence[int]) -> np.ndarray:
    """Q(V) of every cell at `cycles`, Ah: [cells, cycles, voltages].

    Raises:
        DataError: a cell has no curves, another grid of voltages than the first cell,
            or lacks a cycle or a value in it; the message names cell and cycle.
    """
    return np.stack([_curves(cell, cycles, cells[0]) for cell in cells])


def stack_capacities(cells: Sequence[Cell], cycles: np.ndarray) -> np.ndarray:
    """Capacity of every cell at `cycles`, Ah, NaN where missing: [cells, cycles]."""
    stacked = np.full((len(cells), len(cycles)), np.nan)
    for row, cell in zip(stacked, cells, strict=True):
        _, here, there = np.intersect1d(cycles, cell.cycle, return_indices=True)
        row[here] = cell.capacity_ah[there]
    return stacked


def require_capacities(
    cells: Sequence[Cell],
    cycles: np.ndarray,
    stacked: np.ndarray,
    needed: Sequence[int],
) -> None:
    """Check that `stacked` has a capacity at each cycle in `needed`.

    Raises:
        DataError: one is missing; the message names cell and cycle.
    """
    for cell, row in zip(cells, stacked, strict=True):
        for cycle in needed:
            if np.isnan(row[np.searchsorted(cycles, cycle)]):
                raise DataError(_absent(cell, "capacity", cycle))


def _curves(cell, cycles, first):
    curves = np.stack([cell.curve_ah(cycle) for cycle in cycles])
    if not np.array_equal(cell.voltage_v, first.voltage_v):
        raise DataError(
            f"cell {cell.name!r} has another grid of voltages than {first.name!r}: "
            "interpolate the curves of all cells to one grid first"
        )
    for cycle, curve in zip(cycles, curves, strict=True):
        if np.isnan(curve).any():
            raise DataError(_absent(cell, "complete discharge curve", cycle))
    return curves


def _absent(cell, what, cycle):
    return (
        f"cell {cell.name!r} has no {what} at cycle {cycle}: leave the cell out or choose "
        "other cycles"
    )
