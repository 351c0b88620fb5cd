"""`Cell`: what was measured on one cell, as NumPy arrays with units in their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from battprob._errors import DataError


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Cell:
    """One cell's cycling record, checked when made and read-only afterwards.

    Change a record with `dataclasses.replace(cell, ...)`, which checks it again.

    Args:
        name: unique name of the cell, as its source calls it.
        cycle: cycle numbers as recorded, never falling and never renumbered: gaps stay, and
            a cycle that was measured twice is there twice.
        capacity_ah: discharge capacity of each cycle in Ah; NaN where there is no value.
        curve_cycle: cycles whose discharge curve was kept, strictly increasing.
        voltage_v: voltage grid in V common to the curves, rising or falling throughout.
        curve_capacity_ah: capacity in Ah discharged down to each voltage, one row a curve
            cycle; NaN where there is no value.
        cycle_life: life in cycles as the source states it; NaN where it states none.
        censored: True where the test stopped before the end of life: `cycle_life` is then
            a lower bound.
        protocol: how the cell was cycled, as the source writes it.
        batch: batch or campaign the cell belongs to.
        split: the source's own split into training and test cells.
        per_cycle: other values of each cycle by name, unit in the name (`resistance_ohm`).
        meta: whatever else the source says of the cell.

    Raises:
        DataError: shapes disagree, cycles or voltages are out of order, or a value is
            infinite; the message names the cell, the field and the rows.

    Example:
        >>> cell = Cell("a1", cycle=[1, 2, 3], capacity_ah=[1.08, 1.07, 1.06])
        >>> cell
        Cell('a1', 3 cycles from 1 to 3, 0 curves, cycle_life=nan)
    """

    name: str
    cycle: Int[np.ndarray, " c"]
    capacity_ah: Float[np.ndarray, " c"]
    curve_cycle: Int[np.ndarray, " j"] | None
    voltage_v: Float[np.ndarray, " v"] | None
    curve_capacity_ah: Float[np.ndarray, "j v"] | None
    cycle_life: float
    censored: bool
    protocol: str | None
    batch: str | None
    split: str | None
    per_cycle: Mapping[str, Float[np.ndarray, " c"]]
    meta: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        cycle: ArrayLike,
        capacity_ah: ArrayLike,
        *,
        curve_cycle: ArrayLike | None = None,
        voltage_v: ArrayLike | None = None,
        curve_capacity_ah: ArrayLike | None = None,
        cycle_life: float = float("nan"),
        censored: bool = False,
        protocol: str | None = None,
        batch: str | None = None,
        split: str | None = None,
        per_cycle: Mapping[str, ArrayLike] | None = None,
        meta: Mapping[str, Any] | None = None,
    ):
        numbers = _cycle_numbers(name, "cycle", cycle, apart=0)
        fields = {
            "name": name,
            "cycle": numbers,
            "capacity_ah": _values(name, "capacity_ah", capacity_ah, numbers.shape),
            **_curves(name, curve_cycle, voltage_v, curve_capacity_ah),
            "cycle_life": _life(name, cycle_life, censored),
            "censored": bool(censored),
            "protocol": protocol,
            "batch": batch,
            "split": split,
            "per_cycle": {
                key: _values(name, key, values, numbers.shape)
                for key, values in (per_cycle or {}).items()
            },
            "meta": dict(meta or {}),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # frozen only from here on

    def __repr__(self):
        curves = 0 if self.curve_cycle is None else len(self.curve_cycle)
        return (
            f"Cell({self.name!r}, {len(self.cycle)} cycles from {self.cycle[0]} to "
            f"{self.cycle[-1]}, {curves} curves, cycle_life={self.cycle_life:g}"
            f"{', censored' if self.censored else ''})"
        )

    def curve_ah(self, cycle: int) -> Float[np.ndarray, " v"]:
        """Capacity in Ah discharged down to each voltage of `voltage_v` in one cycle.

        Raises:
            DataError: that cycle has no curve; the message names those that have one.
        """
        if self.curve_cycle is None or self.curve_capacity_ah is None:
            raise DataError(
                f"cell {self.name!r} has no discharge curves, only capacities"
            )
        row = np.flatnonzero(self.curve_cycle == cycle)
        if row.size == 0:
            first, last = self.curve_cycle[0], self.curve_cycle[-1]
            raise DataError(
                f"cell {self.name!r} has no discharge curve at cycle {cycle}: it has "
                f"{len(self.curve_cycle)} between cycles {first} and {last}"
            )
        return self.curve_capacity_ah[row[0]]


def _curves(cell, cycle, voltage_v, capacity_ah):
    """The three curve fields, checked against each other; None where there are none."""
    names = ("curve_cycle", "voltage_v", "curve_capacity_ah")
    given = [part is not None for part in (cycle, voltage_v, capacity_ah)]
    if not any(given):
        return dict.fromkeys(names)
    if not all(given):
        raise DataError(
            f"cell {cell!r}: curves need all of {', '.join(names)}; give all three or none"
        )
    numbers = _cycle_numbers(cell, "curve_cycle", cycle, apart=1)
    grid = _voltage_grid(cell, voltage_v)
    shape = numbers.shape + grid.shape
    curves = _values(cell, "curve_capacity_ah", capacity_ah, shape)
    return dict(zip(names, (numbers, grid, curves), strict=True))


def _read_only(array):
    array = array.copy() if array.flags.writeable else array
    array.flags.writeable = False
    return array


def _floats(cell, name, values):
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"cell {cell!r}: {name} must be numbers: {error}") from None


def _values(cell, name, values, shape):
    array = _floats(cell, name, values)
    if array.shape != shape:
        raise DataError(
            f"cell {cell!r}: {name} must have shape {shape}, got {array.shape}"
        )
    if np.isinf(array).any():
        rows = np.flatnonzero(np.isinf(array).reshape(len(array), -1).any(axis=1))
        raise DataError(
            f"cell {cell!r}: {name} is infinite in rows {rows[:8].tolist()} (counting from "
            "0); write NaN where there is no value"
        )
    return _read_only(array)


def _cycle_numbers(cell, name, values, *, apart):
    """Whole numbers, each at least `apart` above the one before."""
    numbers = _floats(cell, name, values)
    if numbers.ndim != 1 or numbers.size == 0:
        raise DataError(
            f"cell {cell!r}: {name} must be a list of cycle numbers, got shape {numbers.shape}"
        )
    if not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
        raise DataError(
            f"cell {cell!r}: {name} must be whole numbers, got {numbers[:8]}"
        )
    falls = np.flatnonzero(np.diff(numbers) < apart) + 1
    if falls.size:
        row = falls[0]
        raise DataError(
            f"cell {cell!r}: {name} must increase; row {row} (counting from 0) has "
            f"{numbers[row]:g} after {numbers[row - 1]:g}. Sort the rows by cycle, and "
            "keep one curve a cycle"
        )
    return _read_only(numbers.astype(np.int64))


def _voltage_grid(cell, values):
    grid = _floats(cell, "voltage_v", values)
    steps = np.diff(grid) if grid.ndim == 1 and grid.size > 1 else np.zeros(1)
    if not ((steps > 0).all() or (steps < 0).all()) or not np.isfinite(grid).all():
        raise DataError(
            f"cell {cell!r}: voltage_v must rise or fall throughout, with at least two "
            f"finite values; got shape {grid.shape}"
        )
    return _read_only(grid)


def _life(cell, cycle_life, censored):
    life = float(cycle_life)
    if np.isinf(life) or life <= 0:
        raise DataError(
            f"cell {cell!r}: cycle_life must be positive, or NaN if not known; got {life:g}"
        )
    if censored and np.isnan(life):
        raise DataError(
            f"cell {cell!r}: censored says that cycle_life is a lower bound, but it is NaN; "
            "give the last cycle that was reached"
        )
    return life
