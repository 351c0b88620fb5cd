"""Frequencies and complex impedances of the rows of a table."""

from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.impedance.columns import ImpedanceColumns, numbers
from battprob.data.impedance.consistency import phase_factor
from battprob.data.tables.table import RawTable


class Measured(NamedTuple):
    """Rows of a table that are points of spectra.

    Attributes:
        rows: indices of these rows in the table [r].
        frequency_hz: frequencies in Hz [r], all positive.
        impedance_ohm: complex impedances in ohm [r].
        statements: which rows were omitted, and the unit of a phase.
    """

    rows: np.ndarray
    frequency_hz: np.ndarray
    impedance_ohm: np.ndarray
    statements: tuple[str, ...]


def measured(
    table: RawTable, columns: ImpedanceColumns, area_cm2: float | None = None
) -> Measured:
    """Points of the spectra of a table.

    Rows with frequency 0 (rest periods of EC-Lab) and rows in which all three columns
    are empty are omitted, which the statements list.

    Args:
        table: the table.
        columns: its columns.
        area_cm2: area in cm² by which values in ohm cm² are divided.

    Raises:
        DataError: a value is missing, not a number or infinite, a frequency is
            negative, or ohm cm² cannot be converted; the message names file, line and
            column.
    """
    values = np.stack([numbers(table, column) for column in columns.used])
    missing = np.isnan(values)
    empty = missing.all(0)
    rest = values[0] == 0
    _refuse_bad_values(table, columns, values, ~empty & ~rest)
    kept = np.flatnonzero(~empty & ~rest)
    if kept.size == 0:
        raise DataError(
            f"{table.path}: found no row with a frequency above 0 and an impedance; "
            "expected at least one"
        )
    frequency, first, second = values[:, kept]
    statements = _omitted(table, rest, "frequency 0") + _omitted(
        table, empty, "no frequency and no impedance"
    )
    if columns.polar:
        if not columns.second.quantity.unit:
            scale, statement = phase_factor(table.path, frequency, first, second)
            second = second * scale
            statements += (statement,)
        _refuse_negative(table, columns.first, kept, first)
        impedance = first * np.exp(1j * np.deg2rad(second))
    else:
        impedance = first + 1j * second
    scale, statement = _per_area(table, columns, area_cm2)
    return Measured(kept, frequency, impedance * scale, statements + statement)


def _refuse_bad_values(table, columns, values, kept):
    for column, of_column in zip(columns.used, values, strict=True):
        bad = np.flatnonzero(kept & ~np.isfinite(of_column))
        if bad.size:
            problem = "missing" if np.isnan(of_column[bad[0]]) else "infinite"
            more = f" (and in {bad.size - 1} more rows)" if bad.size > 1 else ""
            raise DataError(
                f"{table.location(int(bad[0]))}: {column.name} is {problem}{more}; correct "
                "or remove this row"
            )
    rows = np.flatnonzero(kept)
    _refuse_negative(table, columns.frequency, rows, values[0, rows])


def _refuse_negative(table, column, rows, values):
    negative = np.flatnonzero(values < 0)
    if negative.size:
        raise DataError(
            f"{table.location(int(rows[negative[0]]))}: {column.name} is "
            f"{values[negative[0]]:g}; expected a positive {column.quantity.kind}. "
            "Correct or remove this row"
        )


def _omitted(table, rows, reason):
    indices = np.flatnonzero(rows)
    if not indices.size:
        return ()
    place = (
        f"row {indices[0]} (counting from 0)"
        if table.lines is None
        else f"line {table.lines[indices[0]]}"
    )
    count = "1 row" if indices.size == 1 else f"{indices.size} rows"
    return (f"{count} with {reason} omitted, the first in {place}",)


def _per_area(table, columns, area_cm2):
    """Factor from ohm cm² to ohm, and its statement."""
    per_area = {column.quantity.per_area for column in columns.used[1:]}
    if columns.polar:
        per_area = {columns.first.quantity.per_area}
    name = columns.first.name
    if per_area == {False}:
        if area_cm2 is None:
            return 1.0, ()
        raise DataError(
            f"{table.path}: area_cm2 is given, but column {name!r} is not in ohm cm²; "
            "leave area_cm2 out"
        )
    if area_cm2 is None or per_area != {True}:
        raise DataError(
            f"{table.path}: column {name!r} and {columns.second.name!r}: expected ohm; "
            "if both are in ohm cm², give the area by which the impedance was "
            "multiplied: area_cm2=1.5 (battprob eis: --area-cm2 1.5)"
        )
    return 1 / area_cm2, (f"ohm cm² divided by the area of {area_cm2:g} cm²",)
