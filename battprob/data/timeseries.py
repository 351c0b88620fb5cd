"""`TimeSeries`: the rows that a cycler logged, and their conversion to a `Cell`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from battprob._errors import DataError
from battprob.data._log_rows import LogRows
from battprob.data.charge import Charge, charge_of
from battprob.data.curves import Curves, discharge_curves
from battprob.data.cycles import CycleTable, cycle_table, is_rule, numbered
from battprob.data.records import Cell
from battprob.data.steps import StepTable, step_table

_RECORDED = "recorded_cycle"  # in `other`, after the cycles have been numbered anew


class TimeSeries(LogRows):
    """Rows that a cycler logged for one cell, in order of time.

    Args:
        name: unique name of the cell.
        time_s: time since the start of the test in s.
        voltage_v: terminal voltage in V.
        current_a: current in A, positive while charging.
        cycle: cycle number of each row as recorded, not decreasing.
        step: integer that changes where the schedule of the test enters a new step;
            None if unknown.
        other: other columns by name, with the unit in the name; NaN where missing. Used
            are the counters `charge_capacity_ah`, `discharge_capacity_ah` (of one
            direction), `capacity_ah` (of both), `net_charge_ah` (rises and falls) and
            `charge_increment_ah` (since the previous row), which may start again at any
            row, and `step_time_s`, `temperature_c`, `resistance_ohm`, `unix_time_s`.
        statements: what a reader recognised, assumed and repaired, one sentence each.

    Raises:
        DataError: columns differ in length, a value of the first four is not finite, or
            cycle numbers decrease.

    Example:
        >>> log = TimeSeries(
        ...     "a1",
        ...     time_s=[0, 1800, 3600],
        ...     voltage_v=[4.2, 3.7, 3.0],
        ...     current_a=[-1, -1, -1],
        ...     cycle=[1, 1, 1],
        ... )
        >>> log
        TimeSeries('a1', 3 rows in 1 h, cycle 1, 3 to 4.2 V, -1 A)
        >>> log.to_cell(voltage_v=[3.7, 3.0]).curve_ah(1)
        array([0.5, 1. ])
        >>> log.statements
        ('discharge: current_a integrated over time_s (no charge counter)',)
    """

    __slots__ = ()

    def __repr__(self):
        first, last = self.cycle[0], self.cycle[-1]
        cycles = f"cycle {first}" if first == last else f"cycles {first} to {last}"
        hours = (self.time_s[-1] - self.time_s[0]) / 3600.0
        return (
            f"TimeSeries({self.name!r}, {len(self.time_s)} rows in {hours:.4g} h, "
            f"{cycles}, {_range(self.voltage_v)} V, {_range(self.current_a)} A)"
        )

    @property
    def statements(self) -> tuple[str, ...]:
        """What was recognised, assumed, repaired and is doubtful, one sentence each.

        These are the statements of the reader and those about the charge.
        """
        try:
            charge = self.charge.statements
        except DataError as error:
            charge = (f"the charge cannot be computed: {error}",)
        return tuple(dict.fromkeys((*self._stated, *charge)))

    @property
    def reader_statements(self) -> tuple[str, ...]:
        """The statements without those about the charge."""
        return self._stated

    @property
    def charge(self) -> Charge:
        """Charge that passed in each row; see `battprob.data.charge`.

        Raises:
            DataError: see `battprob.data.charge.charge_increments`.
        """
        return charge_of(self)

    @property
    def steps(self) -> StepTable:
        """Table of the steps of the test; see `StepTable`.

        Raises:
            DataError: see `battprob.data.charge.charge_increments`.
        """
        return self.cached("steps", step_table)

    @property
    def cycles(self) -> CycleTable:
        """Table of the cycles of the test; see `CycleTable`.

        Raises:
            DataError: see `battprob.data.charge.charge_increments`.
        """
        return self.cached("cycles", cycle_table)

    def with_cycles(self, rule: str) -> "TimeSeries":
        """The same rows with cycles numbered by a rule.

        | rule | a new cycle begins at |
        |---|---|
        | `"file"` | the rows at which the recorded cycle number changes |
        | `"charge"` | each charge that follows a discharge |
        | `"discharge"` | each discharge that follows a charge |
        | `"half"` | each charge or discharge that follows the other |

        Pulses (see `StepTable`) are no charges and discharges for these rules, so that
        a pulse test stays in its cycle. Except for `"file"`, cycles are numbered from
        1, and rest belongs to the cycle before it.

        Raises:
            DataError: there is no such rule, or as for `steps`.

        Example:
            >>> log = TimeSeries(
            ...     "a",
            ...     time_s=np.arange(6) * 3600,
            ...     voltage_v=[4, 3.5, 3, 3.5, 4, 3.5],
            ...     current_a=[-1, -1, -1, 1, 1, -1],
            ...     cycle=np.ones(6),
            ... )
            >>> log.with_cycles("charge").cycle
            array([1, 1, 1, 2, 2, 2])
        """
        recorded = self.other.get(_RECORDED, self.cycle).astype(np.int64)
        cycle, statement = numbered(self, rule, recorded)
        other = {**self.other, _RECORDED: recorded}
        if rule == "file":
            other.pop(_RECORDED)
        return TimeSeries(
            self.name,
            self.time_s,
            self.voltage_v,
            self.current_a,
            cycle,
            step=self.step,
            other=other,
            statements=(*(s for s in self._stated if not is_rule(s)), statement),
        )

    def to_cell(
        self,
        *,
        voltage_v: ArrayLike | None = None,
        mass_g: float | None = None,
        area_cm2: float | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Cell:
        """Compute capacities, energies and, on a voltage grid, Q(V) of each cycle.

        The capacity of a cycle is the charge of all its rows that discharge; see
        `battprob.data.charge.charge_increments` for the sources of the charge. It is
        NaN where the log does not determine it. Curves are those of
        `battprob.data.curves.discharge_curves`; cycles without exactly one discharge
        have none.

        Args:
            voltage_v: grid in V, increasing or decreasing; None: no curves.
            mass_g: mass in g to which `per_cycle` refers the capacities, as
                `discharge_capacity_mah_per_g` and `charge_capacity_mah_per_g`.
            area_cm2: area in cm², likewise `..._mah_per_cm2`.
            meta: added to `Cell.meta`, together with `statements`.

        Raises:
            DataError: see `battprob.data.charge.charge_increments`, or a mass or area
                is not positive.
        """
        table = self.cycles
        curves = None if voltage_v is None else discharge_curves(self, voltage_v)
        per_cycle = {
            "charge_capacity_ah": table.charge_capacity_ah,
            "charge_energy_wh": table.charge_energy_wh,
            "discharge_energy_wh": table.discharge_energy_wh,
            **_present(table, ("temperature_c", "resistance_ohm")),
        }
        for unit, size in (("g", mass_g), ("cm2", area_cm2)):
            per_cycle |= _specific(self.name, table, unit, size)
        more = (*_cut_cycles(table), *(curves.statements if curves else ()))
        statements = (*self.statements, *more)
        return Cell(
            self.name,
            table.cycle,
            table.discharge_capacity_ah,
            **_curve_fields(curves, voltage_v),
            per_cycle=per_cycle,
            meta={"statements": statements, **(meta or {})},
        )


def _cut_cycles(table):
    """Sentences about a first and a last cycle that are not complete."""
    for row in dict.fromkeys((0, len(table) - 1)):
        if not table.complete[row]:
            yield f"cycle {table.cycle[row]} is not complete: {table.note[row]}"


def _present(table, names):
    """Columns of a table that have a value in any cycle."""
    columns = {name: getattr(table, name) for name in names}
    return {key: value for key, value in columns.items() if np.isfinite(value).any()}


def _specific(name, table, unit, size):
    """Capacities per gram or square centimetre."""
    if size is None:
        return {}
    if not size > 0:
        raise DataError(f"{name!r}: the {_SIZES[unit]} must be positive; got {size:g}")
    scale = 1000.0 / size
    return {
        f"discharge_capacity_mah_per_{unit}": scale * table.discharge_capacity_ah,
        f"charge_capacity_mah_per_{unit}": scale * table.charge_capacity_ah,
    }


_SIZES = {"g": "mass in g", "cm2": "area in cm²"}


def _curve_fields(curves: Curves | None, voltage_v):
    if curves is None or not len(curves.cycle):
        return {}
    return {
        "curve_cycle": curves.cycle,
        "voltage_v": voltage_v,
        "curve_capacity_ah": curves.capacity_ah,
    }


def _range(values):
    low, high = values.min(), values.max()
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
