"""`TimeSeries`: the rows that a cycler logged, and their conversion to a `Cell`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from battprob._errors import DataError
from battprob.data._cycler_files import load_columns
from battprob.data.records import Cell

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class TimeSeries:
    """Rows that a cycler logged for one cell, in order of time.

    Args:
        name: unique name of the cell.
        time_s: time since the start of the test in s.
        voltage_v: terminal voltage in V.
        current_a: current in A, positive while charging.
        cycle: cycle number of each row as recorded, not decreasing.
        other: other columns by name, with the unit in the name. `discharge_capacity_ah`
            and `charge_capacity_ah` are the counters of the cycler; they may be reset
            at any time.
        assumptions: what a reader assumed, one sentence each.

    Raises:
        DataError: columns differ in length, a value is not finite, or cycle numbers
            decrease.

    Example:
        >>> series = TimeSeries(
        ...     "a1",
        ...     time_s=[0, 1800, 3600],
        ...     voltage_v=[4.2, 3.7, 3.0],
        ...     current_a=[-1, -1, -1],
        ...     cycle=[1, 1, 1],
        ... )
        >>> series.to_cell(voltage_v=[3.7, 3.0]).curve_ah(1)
        array([0.5, 1. ])
    """

    name: str
    time_s: Float[np.ndarray, " t"]
    voltage_v: Float[np.ndarray, " t"]
    current_a: Float[np.ndarray, " t"]
    cycle: Int[np.ndarray, " t"]
    other: Mapping[str, Float[np.ndarray, " t"]]
    assumptions: tuple[str, ...]

    def __init__(
        self,
        name: str,
        time_s: ArrayLike,
        voltage_v: ArrayLike,
        current_a: ArrayLike,
        cycle: ArrayLike,
        *,
        other: Mapping[str, ArrayLike] | None = None,
        assumptions: Sequence[str] = (),
    ):
        columns = {
            "time_s": np.array(time_s, float),
            "voltage_v": np.array(voltage_v, float),
            "current_a": np.array(current_a, float),
            "cycle": np.array(cycle, float),
        }
        extra = {key: np.array(value, float) for key, value in (other or {}).items()}
        _check(name, columns, extra)
        fields = {
            "name": name,
            **columns,
            "cycle": columns["cycle"].astype(np.int64),
            "other": extra,
            "assumptions": tuple(assumptions),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # the dataclass is frozen

    def __repr__(self):
        first, last = self.cycle[0], self.cycle[-1]
        rows = len(self.time_s)
        return f"TimeSeries({self.name!r}, {rows} rows, cycles {first} to {last})"

    def to_cell(
        self,
        *,
        voltage_v: ArrayLike | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Cell:
        """Compute the discharge capacity, and on a voltage grid Q(V), of each cycle.

        The capacity of a cycle is the sum of the increases of the cycler's counter
        (decreases are resets). Without a counter, the discharge current is integrated
        by the trapezoidal rule over all pairs of consecutive rows of the cycle that
        both discharge.

        A curve is the cumulative charge of the rows that discharge, as a function of
        their voltage. The voltage is made monotone as in
        `battprob.features.capacity_on_grid` (implemented here again in NumPy, because
        records do not depend on JAX), and the charge is interpolated. It is 0 above the
        first voltage, where the cell has not yet been discharged, and NaN below the
        last.

        Args:
            voltage_v: grid in V, increasing or decreasing; None: no curves.
            meta: added to `Cell.meta`, together with the assumptions.

        Raises:
            DataError: the current has to be integrated, but the time decreases.
        """
        discharged = self._increments("discharge_capacity_ah", -self.current_a)
        charged = self._increments("charge_capacity_ah", self.current_a)
        cycle, index = np.unique(self.cycle, return_inverse=True)
        curves = {} if voltage_v is None else self._curves(discharged, voltage_v)
        means = {
            key: np.bincount(index, self.other[key]) / np.bincount(index)
            for key in ("temperature_c", "resistance_ohm")
            if key in self.other
        }
        return Cell(
            self.name,
            cycle,
            np.bincount(index, discharged),
            curve_cycle=list(curves) or None,
            voltage_v=voltage_v if curves else None,
            curve_capacity_ah=list(curves.values()) or None,
            per_cycle={"charge_capacity_ah": np.bincount(index, charged), **means},
            meta={"assumptions": self.assumptions, **(meta or {})},
        )

    def _increments(self, counter, current_a):
        """Charge in Ah since the previous row, in the direction of positive current."""
        if counter in self.other:
            # Some counters run backwards in the other direction (Neware).
            count = np.maximum(self.other[counter], 0.0)
            return np.maximum(np.diff(count, prepend=count[0]), 0.0)
        step = np.diff(self.time_s, prepend=self.time_s[0])
        if (step < 0).any():
            row = int(np.flatnonzero(step < 0)[0])
            raise DataError(
                f"{self.name!r}: the time decreases at row {row} (counting from 0), so "
                "the current cannot be integrated; sort the rows, or give the "
                f"cycler's counter {counter} in `other`"
            )
        # Between two cycles, and before the current starts, a rest may not be logged.
        before = np.concatenate([current_a[:1], current_a[:-1]])
        same_cycle = np.diff(self.cycle, prepend=self.cycle[0]) == 0
        flows = (current_a > 0) & (before > 0) & same_cycle
        mean = 0.5 * (current_a + before)
        return np.where(flows, mean * step / _SECONDS_PER_HOUR, 0.0)

    def _curves(self, discharged, voltage_v):
        """Curve of each cycle whose discharge has more than one voltage."""
        grid = np.asarray(voltage_v, float)
        curves = {}
        for cycle in np.unique(self.cycle):
            rows = (self.cycle == cycle) & (self.current_a < 0)
            if not rows.any():
                continue
            voltage, charge = _monotone(
                self.voltage_v[rows], np.cumsum(discharged[rows])
            )
            if len(voltage) > 1:
                curves[int(cycle)] = np.interp(
                    grid, voltage, charge, left=np.nan, right=0.0
                )
        return curves


def _monotone(voltage, charge):
    """Strictly increasing voltages and their charge, from a noisy falling voltage.

    The voltage is the centre of its monotone envelope; rows of equal voltage are merged
    at the centre of their charges.
    """
    lower = np.minimum.accumulate(voltage)
    upper = np.maximum.accumulate(voltage[::-1])[::-1]
    centre, first, count = np.unique(
        0.5 * (lower + upper), return_index=True, return_counts=True
    )
    return centre, 0.5 * (charge[first] + charge[first + count - 1])


def read_timeseries(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    charging_is_positive: bool = True,
) -> TimeSeries:
    """Read the log of a cycler; `assumptions` states how the file was interpreted.

    The format is recognised by suffix and header: Battery Data Format (labels of both
    styles; `.csv`, `.parquet`), BatteryArchive time series (`.csv`), BioLogic (`.mpt`;
    `.mpr` with the package `galvani`), Neware (`.nda`, `.ndax` with the package
    `fastnda`). Convert Arbin and Maccor files to Battery Data Format first, for example
    with the package `batterydf`. The cell is named after the file.

    Args:
        path: the file; needs `pandas` (`pip install battprob[data]`).
        columns: names in the file of `time_s`, `voltage_v`, `current_a`, `cycle` and of
            other columns to keep, for headers that are not recognised.
        charging_is_positive: sign of the current in the file. In all formats above the
            charging current is positive; the sign is checked against the voltage.

    Raises:
        DataError: a column is not found, a value is not a number (the message names the
            file, line and column), or the voltage falls while the cell is charged
            according to the sign of the current.

    Example:
        >>> series = read_timeseries("cell.bdf.csv")  # doctest: +SKIP
        >>> grid_v = np.linspace(4.2, 2.5, 1000)
        >>> cell = series.to_cell(voltage_v=grid_v)  # doctest: +SKIP
    """
    values, assumptions = load_columns(path, columns or {})
    current = values["current_a"] * (1.0 if charging_is_positive else -1.0)
    sign = "charging" if charging_is_positive else "discharging"
    rise = _voltage_rise(values["voltage_v"], current)
    if rise < 0:
        raise DataError(
            f"{path}: the voltage falls during charging if a positive current means "
            f"{sign}; read it with charging_is_positive={not charging_is_positive}"
        )
    unchecked = "" if rise > 0 else " (could not be checked)"
    other = {
        key: column
        for key, column in values.items()
        if key not in ("time_s", "voltage_v", "current_a", "cycle")
    }
    return TimeSeries(
        Path(path).name.split(".")[0],
        values["time_s"],
        values["voltage_v"],
        current,
        values["cycle"],
        other=other,
        assumptions=(
            *assumptions,
            f"positive current in the file means {sign}{unchecked}",
        ),
    )


def _voltage_rise(voltage, current):
    """Sum of voltage changes in the direction of the current; positive if signs agree.

    Rows at which the current changes direction are excluded, because the voltage there
    changes by polarisation.
    """
    direction = np.sign(current)
    same = direction[1:] == direction[:-1]
    return float(np.sum(np.where(same, np.diff(voltage) * direction[1:], 0.0)))


def _check(name, columns, extra):
    lengths = {key: value.shape for key, value in {**columns, **extra}.items()}
    if len(set(lengths.values())) > 1 or columns["time_s"].size == 0:
        raise DataError(
            f"{name!r}: columns must be non-empty and of one length; got {lengths}"
        )
    for key, value in columns.items():
        bad = np.flatnonzero(~np.isfinite(value))
        if bad.size:
            raise DataError(
                f"{name!r}: {key} is not finite at row {bad[0]} (counting from 0)"
            )
    cycle = columns["cycle"]
    bad = np.flatnonzero(
        (cycle != np.round(cycle)) | (np.diff(cycle, prepend=-np.inf) < 0)
    )
    if bad.size:
        raise DataError(
            f"{name!r}: cycle must be integers that do not decrease; row {bad[0]} "
            f"(counting from 0) has {cycle[bad[0]]:g}"
        )
