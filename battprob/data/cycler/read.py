"""Read the log of a cycler: columns, clock, sign of the current and cycle numbers."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.cycler.clock import clock
from battprob.data.cycler.columns import (
    Source,
    find_columns,
    missing_columns,
    no_columns_error,
)
from battprob.data.cycler.counters import counters
from battprob.data.cycler.current import with_current, without_false_currents
from battprob.data.cycler.cycle_numbers import cycle_numbers
from battprob.data.cycler.log import Log, load
from battprob.data.cycler.sign import signed_current
from battprob.data.cycler.units import check_units
from battprob.data.cycler.voltage import checked_voltage
from battprob.data.names import record_name
from battprob.data.tables.read import read_tables
from battprob.data.tables.table import RawTable
from battprob.data.timeseries import TimeSeries

_OTHER = ("temperature_c", "resistance_ohm", "step_time_s", "unix_time_s", "half_cycle")


def read_timeseries(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    charging_is_positive: bool | None = None,
    table: str | None = None,
) -> TimeSeries:
    """Read the log of a cycler; `statements` states how the file was interpreted.

    The format is recognised by the content of the file, and the columns by their names
    with the units in the header: Arbin, Basytec, BatteryArchive, Battery Data Format,
    BioLogic EC-Lab and BT-Lab, Land, Maccor, MATR, Neware, Novonix, PEC, and tables
    with plain names (`time_s`, `Volts`, `I [mA]`). The file is checked against itself:

    - the time with the wall clock; a clock that restarts is continued, one that falls
      is refused;
    - the sign of the current with the states, the counters and the voltage; a current
      without a sign gets that of the states or counters;
    - the unit of the voltage with energy and charge;
    - cycle numbers that restart are continued; without a column, cycles are found by
      the direction of the current.

    Args:
        path: the file. Text files need no further package; others name the package
            that reads them.
        columns: names in the file of `time_s`, `voltage_v`, `current_a`, `cycle` and of
            other columns to keep, where they are not recognised or others are meant.
            The unit in the header is converted; without one, the unit is that of the
            key.
        charging_is_positive: sign of the current in the file; None to find it.
        table: label of the table to read if the file has several logs.

    Raises:
        DataError: a column is not found, a required value is not a number, or the
            columns contradict each other and the file does not show which one is right.
            The message names the file, the line or column, and the remedy.

    Example:
        >>> log = read_timeseries("cell.bdf.csv")  # doctest: +SKIP
        >>> cell = log.to_cell(voltage_v=np.linspace(4.2, 2.5, 1000))  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path}")
    return timeseries_of_tables(
        read_tables(path),
        path,
        columns=columns,
        charging_is_positive=charging_is_positive,
        table=table,
    )


def timeseries_of_tables(
    tables: Sequence[RawTable],
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    charging_is_positive: bool | None = None,
    table: str | None = None,
) -> TimeSeries:
    """The log in the tables of a file; arguments as in `read_timeseries`."""
    chosen, sources, notes = _log_table(tables, path, columns or {}, table)
    log = load(chosen, sources)
    log, time_s, time_notes = clock(log)
    log = without_false_currents(with_current(log, time_s))
    current, sign_notes = signed_current(log, charging_is_positive=charging_is_positive)
    voltage, voltage_notes = checked_voltage(log)
    counted, counter_notes = counters(log, current, time_s)
    check_units(log, time_s)
    cycle, cycle_notes = cycle_numbers(log, time_s, current)
    own = [name for name in columns or {} if name not in _KNOWN]
    kept = [name for name in (*_OTHER, *own) if name in log]
    other = {name: log[name] for name in kept if np.isfinite(log[name]).any()} | counted
    statements = (
        f"format: {chosen.format}{_label(chosen, tables)}",
        *chosen.statements,
        *notes,
        *log.statements,
        *time_notes,
        *voltage_notes,
        *counter_notes,
        *cycle_notes,
        *sign_notes,
    )
    return TimeSeries(
        record_name(path),
        time_s,
        voltage,
        current,
        cycle,
        step=_steps(log),
        other=other,
        statements=statements,
    )


_KNOWN = frozenset(
    ("time_s", "voltage_v", "current_a", "cycle", "step", "state", "energy_wh",
     "power_w", "frequency_hz", "step_charge_ah", "capacity_ah")
)  # fmt: skip


def _log_table(
    tables: Sequence[RawTable],
    path: Path,
    named: Mapping[str, str],
    label: str | None,
) -> tuple[RawTable, dict[str, Source], tuple[str, ...]]:
    """The table of the log, its columns, and sentences about columns left out."""
    if label is not None:
        labels = [one.label for one in tables]
        tables = [one for one in tables if one.label == label]
        if not tables:
            raise DataError(f"{path} has no table {label!r}; its tables are {labels}")
    logs, problems = [], []
    for one in tables:
        try:
            sources, notes = find_columns(one, named)
        except DataError as error:
            problems.append((len(one.header), error))
            continue
        missing = missing_columns(sources)
        if missing:
            error = no_columns_error(one, missing[0])
            problems.append((len(sources), error))
        else:
            logs.append((one, sources, notes))
    if not logs:
        if not problems:
            raise DataError(f"{path} has no table")
        raise max(problems, key=lambda pair: pair[0])[1]
    if len(logs) > 1:
        labels = [one.label for one, _, _ in logs]
        raise DataError(
            f"{path} has {len(logs)} tables of logs: {labels}; choose one, as in "
            f"read_timeseries(path, table={labels[0]!r})"
        )
    return logs[0]


def _label(table, tables):
    if not table.label:
        return ""
    others = [one.label for one in tables if one is not table]
    return f", table {table.label!r}" + (f" (not {others})" if others else "")


def _steps(log: Log) -> np.ndarray | None:
    """Consecutive number of the step of each row, from the file; None without one.

    A step begins where the number of the step changes or its time restarts.
    """
    if "step" not in log:
        return None
    numbers = np.nan_to_num(log["step"], nan=-1.0)
    begins = np.diff(numbers, prepend=numbers[0]) != 0
    if "step_time_s" in log:
        with np.errstate(invalid="ignore"):
            begins |= np.diff(log["step_time_s"], prepend=-np.inf) < 0
    return 1 + np.cumsum(begins)
