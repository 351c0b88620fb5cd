"""Columns of complex impedances as text, such as `0.021-0.003j`."""

import re
from dataclasses import replace

import numpy as np

from battprob.data.impedance.quantities import MODULUS, quantity, written_unit
from battprob.data.tables.cells import COMPLEX
from battprob.data.tables.table import RawTable

_MISSING = ("", "nan", "(nan+nanj)", "nan+nanj")


def split_complex(table: RawTable) -> RawTable:
    """Table with columns of real and imaginary parts in place of complex numbers.

    Only columns that are named like an impedance and have no other values are split.
    """
    header, columns, units, statements = [], [], [], []
    for index, (name, column) in enumerate(
        zip(table.header, table.columns, strict=True)
    ):
        values = _values(name, table.unit(index), column)
        if values is None:
            header.append(name)
            columns.append(column)
            units.append(table.unit(index))
            continue
        unit = written_unit(name) or table.unit(index)
        header += ["Re(Z)", "Im(Z)"]
        columns += [np.real(values), np.imag(values)]
        units += [unit, unit]
        statements.append(f"column {name.strip()!r} has complex numbers")
    if not statements:
        return table
    return replace(
        table,
        header=tuple(header),
        columns=tuple(columns),
        units=tuple(units),
        statements=(*table.statements, *statements),
    )


def _values(name, unit, column):
    """Complex values of a column; None if it is no column of complex impedances."""
    if column.dtype != object or not name:
        return None
    recognised = quantity(name, unit)
    if recognised is None or recognised.kind != MODULUS or recognised.sign < 0:
        return None
    cells = [re.sub(r"\s", "", text).lower() for text in column]
    matches = [COMPLEX.fullmatch(cell) for cell in cells]
    if not any(matches):
        return None
    if any(
        m is None and c not in _MISSING for m, c in zip(matches, cells, strict=True)
    ):
        return None
    values = np.full(len(cells), complex(np.nan, np.nan))
    for row, match in enumerate(matches):
        if match is not None:
            size = float(match["im"] or match["after"])
            values[row] = complex(
                float(match["re"]), -size if match["sign"] == "-" else size
            )
    return values
