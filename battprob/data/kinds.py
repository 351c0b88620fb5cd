"""Kind of a file by its columns and their content: log, spectra or capacities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from battprob._errors import DataError
from battprob.data.capacity_columns import capacity_columns, is_capacity_table
from battprob.data.cycler.columns import find_columns, missing_columns
from battprob.data.impedance.columns import NamedColumns, has_impedance, numbers
from battprob.data.impedance.columns import find_columns as find_impedance
from battprob.data.impedance.complex_text import split_complex
from battprob.data.tables.table import RawTable

_MOST_NAMES = 12  # in a message
_FEWEST_FREQUENCIES = 5  # of a sweep between rows of frequency 0
_OF_CYCLES = {
    "half_cycle",
    "charge_capacity_ah",
    "discharge_capacity_ah",
    "capacity_ah",
}

Kind = Literal["log", "spectra", "capacities"]


def kind_of(tables: Sequence[RawTable], path: Path) -> Kind:
    """Kind of the records in the tables of one file.

    - Spectra: most rows of a table have a positive frequency and an impedance, or the
      others have frequency 0, as potentiostats write it for a rest before the sweep. A
      log in which columns of impedance are empty, or filled in a few rows only, or which
      counts the charge of cycles, is a log.
    - Capacities: there are cycle numbers and capacities, and one row per cycle.
    - Log: there are a time, a voltage and a current or a charge.

    A table without a header line of three columns of numbers is a spectrum.

    Args:
        tables: tables of the file as they were found.
        path: the file, for the message.

    Raises:
        DataError: none of the tables has the columns of one of these kinds.
    """
    tables = [split_complex(table) for table in tables]
    if any(_is_spectra(table) for table in tables):
        return "spectra"
    if any(_is_capacities(table) for table in tables):
        return "capacities"
    if any(_is_log(table) for table in tables):
        return "log"
    if any(has_impedance(table) for table in tables):
        return "spectra"
    if not any(name.strip() for table in tables for name in table.header):
        raise DataError(
            f"{path} has no header line and {len(tables[0].header)} columns; expected "
            "names of columns, such as 'time_s,voltage_v,current_a,cycle' in the line "
            "before the numbers"
        )
    raise DataError(
        f"{path}: the columns {_headers(tables)} are not those of a log (time, voltage, "
        "current), of impedance spectra (frequency, real and imaginary part) or of "
        "capacities (cycle, capacity). If it is one of these, name the columns: "
        "read_timeseries(path, columns={'time_s': 't', 'voltage_v': 'U', 'current_a': "
        "'I'}), read_spectra(path, frequency_hz='f', real_ohm='Zr', imaginary_ohm='Zi') "
        "or read_capacity_csv(path, cycle='n', capacity_ah='Q')"
    )


def _headers(tables):
    """Names of the columns of all tables, the first ones of a long list."""
    names = [name.strip() for table in tables for name in table.header]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{names[:_MOST_NAMES]}{more}"


def _is_spectra(table):
    if not any(name.strip() for name in table.header):
        return len(table.columns) == 3
    if len(table) == 0 or not has_impedance(table):
        return False
    try:
        columns = find_impedance(table, NamedColumns())
        values = np.stack([numbers(table, column) for column in columns.used])
    except DataError:
        return not _is_log(table)  # the reader of spectra explains what is wrong
    points = (values[0] > 0) & np.isfinite(values).all(axis=0)
    if points.mean() > 0.5:
        return True
    # Software also writes 0 for an impedance that it measures at one frequency at times.
    num_frequencies = len(np.unique(values[0][points]))
    return (
        num_frequencies >= _FEWEST_FREQUENCIES
        and bool((values[0] == 0)[~points].all())
        and not _counts_cycles(table)
    )


def _counts_cycles(table):
    """Whether columns count the charge of half cycles, as in a log with some sweeps."""
    sources, _ = find_columns(table, {})
    return not _OF_CYCLES.isdisjoint(sources)


def _is_capacities(table):
    if not any(table.header):
        return False
    is_log = _is_log(table)
    try:
        if not is_capacity_table(table):
            return False
        cycle = table.columns[capacity_columns(table).cycle]
    except DataError:  # the reader of capacities explains what is wrong
        return not is_log
    if not is_log:
        return True
    # A log has many rows per cycle; a table with a mean voltage per cycle has one.
    return cycle.dtype != object and len(cycle) > 2 and bool((np.diff(cycle) > 0).all())


def _is_log(table):
    try:
        sources, _ = find_columns(table, {})
    except DataError:  # two columns for one quantity: the reader of logs asks for one
        return True
    return not missing_columns(sources)
