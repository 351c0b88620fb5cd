"""Summary of the columns of a file: names, units, ranges and missing values."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from battprob.data.inspection.text import shortened
from battprob.data.tables.table import RawTable
from battprob.data.tables.units import split_unit

# What statements such as `current_a from column 'I' times 0.001` say after the name.
CONVERSION = r"(?: times (\S+?))?(?:, in (\S+) \(assumed: the header has no unit\))?"


class ColumnSummary(NamedTuple):
    """One column of a file as the file has it.

    Attributes:
        table: label of the table; empty if the file has one table.
        column: name of the column; its number (from 1) if the file has no header.
        unit: unit from the name or from a row of units; empty if unknown.
        smallest, largest: range of a column of numbers; the first and the last value of
            a column of text.
        missing: number of rows without a value.
        used_as: quantity that is read from this column, from the statements about the
            reading; `see below` if they name the column otherwise; else empty.
    """

    table: str
    column: str
    unit: str
    smallest: str
    largest: str
    missing: int
    used_as: str


def summaries(
    tables: Sequence[RawTable], statements: Sequence[str]
) -> tuple[ColumnSummary, ...]:
    """Summary of each column of the tables.

    Args:
        tables: tables of one file.
        statements: statements of the records read from them; they quote the names of the
            columns that are used.
    """
    return tuple(
        _summary(table, index, statements)
        for table in tables
        for index in range(len(table.columns))
    )


def _summary(table, index, statements):
    name = table.header[index].strip()
    smallest, largest, missing = _range(table.columns[index])
    return ColumnSummary(
        table.label,
        name or f"column {index + 1}",
        table.unit(index).strip() or split_unit(name).unit,
        smallest,
        largest,
        missing,
        _used_as(name, statements) if name else "",
    )


def _used_as(name, statements):
    quoted = repr(name)
    for statement in statements:
        quantity, found, conversion = statement.partition(f" from column {quoted}")
        if found:
            match = re.fullmatch(CONVERSION, conversion)
            details = [f"times {match[1]}"] if match and match[1] else []
            details += [f"in {match[2]}, assumed"] if match and match[2] else []
            return quantity + (f" ({', '.join(details)})" if details else "")
    return "see below" if any(quoted in statement for statement in statements) else ""


def _range(column):
    if column.dtype == object:
        present = [text for text in column if text]
        ends = (present[0], present[-1]) if present else ("", "")
        return *(shortened(end, 24) for end in ends), len(column) - len(present)
    present = column[~np.isnan(column)]
    ends = (present.min(), present.max()) if present.size else ()
    smallest, largest = (f"{end:.6g}" for end in ends) if ends else ("", "")
    return smallest, largest, len(column) - len(present)
