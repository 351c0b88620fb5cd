"""`TimeSeries`: what a cycler logged row by row, and how it becomes a `Cell`."""

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
    """The rows that a cycler logged of one cell, in order of time.

    Args:
        name: unique name of the cell.
        time_s: time since the start of the test.
        voltage_v: terminal voltage.
        current_a: current, positive while charging.
        cycle: cycle number of each row as recorded, never falling.
        other: other columns by name, unit in the name; `discharge_capacity_ah` and
            `charge_capacity_ah` are the cycler's own counters, however often they are
            reset.
        assumed: what a reader took for granted, one sentence each.

    Raises:
        DataError: columns differ in length, a value is not finite, or cycles fall.

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
    assumed: tuple[str, ...]

    def __init__(
        self,
        name: str,
        time_s: ArrayLike,
        voltage_v: ArrayLike,
        current_a: ArrayLike,
        cycle: ArrayLike,
        *,
        other: Mapping[str, ArrayLike] | None = None,
        assumed: Sequence[str] = (),
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
            "assumed": tuple(assumed),
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # frozen only from here on

    def __repr__(self):
        first, last = self.cycle[0], self.cycle[-1]
        return f"TimeSeries({self.name!r}, {len(self.time_s)} rows, cycles {first} to {last})"

    def to_cell(
        self,
        *,
        voltage_v: ArrayLike | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Cell:
        """Discharge capacity of every cycle and, on a grid of voltages, its curve Q(V).

        A cycle's capacity is what the cycler's counter rose by while it lasted (falls are
        resets), or, without a counter, the discharge current integrated by the
        trapezoidal rule between rows of it that both discharge. A curve is the charge drawn
        by the rows that discharge against their voltage, made to fall as in
        `battprob.features.capacity_on_grid` (written here once more, since records
        are NumPy and know no JAX), and interpolated; it is 0 above the first voltage,
        where the cell has not yet discharged, and NaN below the last.

        Args:
            voltage_v: grid in V, rising or falling; None: no curves.
            meta: kept in `Cell.meta`, beside what was assumed.

        Raises:
            DataError: time falls where the current has to be integrated.
        """
        discharged = self._increments("discharge_capacity_ah", -self.current_a)
        charged = self._increments("charge_capacity_ah", self.current_a)
        cycle, place = np.unique(self.cycle, return_inverse=True)
        curves = {} if voltage_v is None else self._curves(discharged, voltage_v)
        means = {
            key: np.bincount(place, self.other[key]) / np.bincount(place)
            for key in ("temperature_c", "resistance_ohm")
            if key in self.other
        }
        return Cell(
            self.name,
            cycle,
            np.bincount(place, discharged),
            curve_cycle=list(curves) or None,
            voltage_v=voltage_v if curves else None,
            curve_capacity_ah=list(curves.values()) or None,
            per_cycle={"charge_capacity_ah": np.bincount(place, charged), **means},
            meta={"assumed": self.assumed, **(meta or {})},
        )

    def _increments(self, counter, current_a):
        """Charge in Ah that passed since the row before, in the direction of the current."""
        if counter in self.other:
            counted = np.maximum(self.other[counter], 0.0)
            return np.maximum(np.diff(counted, prepend=counted[0]), 0.0)
        step = np.diff(self.time_s, prepend=self.time_s[0])
        if (step < 0).any():
            row = int(np.flatnonzero(step < 0)[0])
            raise DataError(
                f"{self.name!r}: time falls at row {row} (counting from 0), so the current "
                f"cannot be integrated; add the cycler's own {counter}"
            )
        # Between two cycles, and where the current sets in, a rest may be unlogged.
        before = np.concatenate([current_a[:1], current_a[:-1]])
        same = np.diff(self.cycle, prepend=self.cycle[0]) == 0
        forward = (current_a > 0) & (before > 0) & same
        mean = 0.5 * (current_a + before)
        return np.where(forward, mean * step / _SECONDS_PER_HOUR, 0.0)

    def _curves(self, discharged, voltage_v):
        """Curves by cycle number, of the cycles that have more than one voltage."""
        grid = np.asarray(voltage_v, float)
        curves = {}
        for cycle in np.unique(self.cycle):
            rows = (self.cycle == cycle) & (self.current_a < 0)
            if not rows.any():
                continue
            level, charge = _falling(self.voltage_v[rows], np.cumsum(discharged[rows]))
            if len(level) > 1:
                curves[int(cycle)] = np.interp(
                    grid, level, charge, left=np.nan, right=0.0
                )
        return curves


def _falling(voltage, charge):
    """The middle of the envelope of a falling voltage, rising, and the charge at each."""
    lowest = np.minimum.accumulate(voltage)
    highest = np.maximum.accumulate(voltage[::-1])[::-1]
    level, first, count = np.unique(
        0.5 * (lowest + highest), return_index=True, return_counts=True
    )
    return level, 0.5 * (charge[first] + charge[first + count - 1])


def read_timeseries(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    charging_is_positive: bool = True,
) -> TimeSeries:
    """Read a cycler's log, and state in `assumed` how it was understood.

    The format is told by the file's extension and header: Battery Data Format (labels of
    either style; `.csv`, `.parquet`), BatteryArchive time series (`.csv`), BioLogic
    (`.mpt`; `.mpr` through the package `galvani`), Neware (`.nda`, `.ndax` through the
    package `fastnda`). Arbin and Maccor files: convert them to Battery Data Format first,
    for example with the package `batterydf`. The cell is named after the file.

    Args:
        path: the file; needs `pandas` (`pip install battprob[data]`).
        columns: names in the file of `time_s`, `voltage_v`, `current_a`, `cycle` and of
            others to keep, where the header is not understood.
        charging_is_positive: sign of the current in the file. All the formats above count
            charging as positive; the record is checked against it.

    Raises:
        DataError: a column is not found, a value is not a number (the message names the
            file, line and column), or the voltage falls while the file says it charges.

    Example:
        >>> series = read_timeseries("cell.bdf.csv")  # doctest: +SKIP
        >>> cell = series.to_cell(voltage_v=np.linspace(4.2, 2.5, 1000))  # doctest: +SKIP
    """
    values, assumed = load_columns(path, columns or {})
    current = values["current_a"] * (1.0 if charging_is_positive else -1.0)
    sign = "charging" if charging_is_positive else "discharging"
    rise = _voltage_rise(values["voltage_v"], current)
    if rise < 0:
        raise DataError(
            f"{path}: the voltage falls while the current charges, if positive means "
            f"{sign}; read it with charging_is_positive={not charging_is_positive}"
        )
    checked = "" if rise > 0 else " (the record does not tell)"
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
        assumed=(*assumed, f"positive current in the file means {sign}{checked}"),
    )


def _voltage_rise(voltage, current):
    """Voltage gained in the direction of the current: positive if the sign is right."""
    direction = np.sign(current)
    same = direction[1:] == direction[:-1]
    return float(np.sum(np.where(same, np.diff(voltage) * direction[1:], 0.0)))


def _check(name, columns, extra):
    lengths = {key: value.shape for key, value in {**columns, **extra}.items()}
    if len(set(lengths.values())) > 1 or columns["time_s"].size == 0:
        raise DataError(f"{name!r}: columns must be of one length, got {lengths}")
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
            f"{name!r}: cycle must be whole and never fall; row {bad[0]} (counting from 0) "
            f"has {cycle[bad[0]]:g}"
        )
