"""`Cell`: the cycling record of one cell, as NumPy arrays with units in their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from battprob._errors import DataError


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Cell:
    """Cycling record of one cell, validated on construction and read-only.

    To change a record, use `dataclasses.replace(cell, ...)`; it validates the result.

    Args:
        name: unique name of the cell.
        cycle: cycle numbers as recorded, not decreasing. Gaps are kept, and a cycle
            that was measured twice occurs twice.
        capacity_ah: discharge capacity of each cycle in Ah; NaN if missing.
        curve_cycle: cycles with a discharge curve, strictly increasing.
        voltage_v: voltage grid of the curves in V, strictly increasing or decreasing.
        curve_capacity_ah: capacity in Ah discharged down to each voltage, one row per
            curve cycle; NaN if missing.
        cycle_life: recorded life in cycles; NaN if unknown.
        censored: True if the test stopped before the end of life; `cycle_life` is then
            a lower bound.
        protocol: cycling protocol, as in the source.
        batch: batch or campaign of the cell.
        split: the split of the source into training and test cells.
        per_cycle: other values of each cycle by name, with the unit in the name
            (`resistance_ohm`).
        meta: any other information about the cell.

    Raises:
        DataError: shapes do not match, cycles or voltages are not in order, or a value
            is infinite; the message names the cell, the field and the rows.

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
        numbers = _cycle_numbers(name, "cycle", cycle, min_step=0)
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
            object.__setattr__(self, field, value)  # the dataclass is frozen

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
            DataError: the cycle has no curve; the message gives the range of cycles
                with curves.
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
                f"{len(self.curve_cycle)} curves between cycles {first} and {last}"
            )
        return self.curve_capacity_ah[row[0]]


def _curves(cell, cycle, voltage_v, capacity_ah):
    """The three curve fields, validated together; all None if there are no curves."""
    names = ("curve_cycle", "voltage_v", "curve_capacity_ah")
    present = [part is not None for part in (cycle, voltage_v, capacity_ah)]
    if not any(present):
        return dict.fromkeys(names)
    if not all(present):
        raise DataError(
            f"cell {cell!r}: curves need all of {', '.join(names)}; give all three or "
            "none"
        )
    numbers = _cycle_numbers(cell, "curve_cycle", cycle, min_step=1)
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
            f"cell {cell!r}: {name} is infinite in rows {rows[:8].tolist()} (counting "
            "from 0); use NaN for a missing value"
        )
    return _read_only(array)


def _cycle_numbers(cell, name, values, *, min_step):
    """Integers, each at least `min_step` larger than the previous one."""
    numbers = _floats(cell, name, values)
    if numbers.ndim != 1 or numbers.size == 0:
        raise DataError(
            f"cell {cell!r}: {name} must be a list of cycle numbers; got shape "
            f"{numbers.shape}"
        )
    if not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
        raise DataError(f"cell {cell!r}: {name} must be integers; got {numbers[:8]}")
    out_of_order = np.flatnonzero(np.diff(numbers) < min_step) + 1
    if out_of_order.size:
        row = out_of_order[0]
        raise DataError(
            f"cell {cell!r}: {name} must increase; row {row} (counting from 0) has "
            f"{numbers[row]:g} after {numbers[row - 1]:g}. Sort the rows by cycle, and "
            "keep one curve per cycle"
        )
    return _read_only(numbers.astype(np.int64))


def _voltage_grid(cell, values):
    grid = _floats(cell, "voltage_v", values)
    steps = np.diff(grid) if grid.ndim == 1 and grid.size > 1 else np.zeros(1)
    if not ((steps > 0).all() or (steps < 0).all()) or not np.isfinite(grid).all():
        raise DataError(
            f"cell {cell!r}: voltage_v must be strictly increasing or decreasing, with "
            f"at least two finite values; got shape {grid.shape}"
        )
    return _read_only(grid)


def _life(cell, cycle_life, censored):
    life = float(cycle_life)
    if np.isinf(life) or life <= 0:
        raise DataError(
            f"cell {cell!r}: cycle_life must be positive, or NaN if unknown; got "
            f"{life:g}"
        )
    if censored and np.isnan(life):
        raise DataError(
            f"cell {cell!r} is censored, so cycle_life must be a lower bound, but it "
            "is NaN; give the last cycle of the test"
        )
    return life
