"""Tables in the cells of one sheet: header, row of units, rows of values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from battprob.data.tables.columns import (
    Column,
    cell_column,
    is_missing,
    is_value,
)
from battprob.data.tables.units import dimension

Cells = Sequence[Any]
_LEAST_VALUES = 2  # in a header, and in the first row of values below it
_LEAST_NAMED = 0.5  # fraction of the columns with values that have a name
_NO_UNIT = {"#", "-", "--", "1", "/"}


@dataclass(frozen=True)
class SheetTable:
    """A table of a sheet: its header and the rows of cells below it.

    Args:
        header: name of each column; all empty if there is no header.
        units: unit of each column from a row of units, or None.
        rows: the cells of each row, as long as the header.
        lines: number of each row in the sheet, from 1.
        start: number of the header's row in the sheet; of the first row without one.
        statements: what was assumed to find the table.
    """

    header: tuple[str, ...]
    units: tuple[str, ...] | None
    rows: list[Cells]
    lines: list[int]
    start: int
    statements: tuple[str, ...] = ()

    def columns(self) -> tuple[Column, ...]:
        """Values of each column, and how marks in its numbers were read."""
        return tuple(
            cell_column([row[i] for row in self.rows]) for i in range(len(self.header))
        )


def sheet_tables(cells: Sequence[Cells], first_line: int = 1) -> list[SheetTable]:
    """Find the tables in the cells of a sheet.

    A header is a row of text with a row of values below it, possibly after a row of
    units. A table ends at the next header. Rows without values between them (titles,
    remarks, blank rows) belong to no table. Where the header of a table is repeated,
    its rows continue the table. Tables next to each other, separated by an empty
    column, are separate if they have names in common.

    Args:
        cells: rows of cells, all of one length.
        first_line: number of the first row in the sheet.
    """
    has_value = [_has_value(row) for row in cells]
    tables: list[SheetTable] = []
    header, units, start, header_row = None, None, 0, 0
    for i in [*_headers(cells, has_value), len(cells)]:
        rows = [j for j in range(start, i) if has_value[j]]
        # Rows above the first header describe the measurement if they contain text.
        if header is None and any(_num_text(cells[j]) for j in rows):
            rows = []
        if rows:
            width = len(cells[rows[0]])
            names = tuple(_name(cell) for cell in header or [""] * width)
            lines = [first_line + j for j in rows]
            values = [cells[j] for j in rows]
            at = lines[0] if header is None else first_line + header_row
            _append(tables, SheetTable(names, units, values, lines, at))
        if i < len(cells):
            header, header_row = cells[i], i
            units = _units(header, cells[i + 1])
            start = i + 1 if units is None else i + 2
    return [part for table in tables for part in _side_by_side(table)]


def _has_value(row):
    # Most rows contain a number: the test of text is slow.
    return any(isinstance(cell, float) or is_value(cell) for cell in row)


def _num_text(row):
    return sum(not is_missing(cell) and not is_value(cell) for cell in row)


def _headers(cells, has_value):
    """Indices of the rows that are headers: text, and below it values."""
    indices: list[int] = []
    is_blank = [not has_value[i] and not _num_text(row) for i, row in enumerate(cells)]
    filled = np.flatnonzero(~np.array(is_blank, bool)).tolist()
    for k, i in enumerate(filled):
        if has_value[i] or (indices and i == indices[-1] + 1):
            continue  # a row of values, or the row of units of the header above
        has_units = i + 1 < len(cells) and _units(cells[i], cells[i + 1]) is not None
        rest = filled[k + 2 : k + 3] if has_units else filled[k + 1 : k + 2]
        if not rest or not has_value[below := rest[0]]:
            continue
        # A remark between rows has fewer cells than a header.
        least = _LEAST_NAMED if not indices else 1.0
        values = [j for j, cell in enumerate(cells[below]) if is_value(cell)]
        named = sum(not is_missing(cells[i][j]) for j in values)
        if min(len(values), _num_text(cells[i])) >= _LEAST_VALUES and (
            named >= least * len(values)
        ):
            indices.append(i)
    return indices


def _units(header, row):
    """Units in the row below a header, or None if it is no row of units."""
    texts = [cell.strip() for cell in row if isinstance(cell, str) and cell.strip()]
    if len(texts) < _LEAST_VALUES or any(is_value(cell) for cell in row if cell != ""):
        return None
    known = sum(_unit(text) in _NO_UNIT or _is_unit(_unit(text)) for text in texts)
    if 2 * known < len(texts) or len(texts) > sum(not is_missing(c) for c in header):
        return None
    return tuple(_unit(cell) if isinstance(cell, str) else "" for cell in row)


def _is_unit(text):
    return bool(text) and dimension(text) is not None


def _unit(text):
    return text.strip().strip("()[]").strip()


def _name(cell):
    return "" if cell is None else str(cell).strip()


def _append(tables, table):
    """Add a table, or its rows to the table before it that has the same header."""
    if tables and any(table.header) and tables[-1].header == table.header:
        before = tables[-1]
        statement = f"the header is repeated in line {table.start}: rows joined"
        tables[-1] = replace(
            before,
            rows=before.rows + table.rows,
            lines=before.lines + table.lines,
            statements=before.statements or (statement,),
        )
    else:
        tables.append(table)


def _side_by_side(table):
    """The table without empty columns, or its parts if names occur in several parts."""
    used = [
        bool(name) or any(not is_missing(row[i]) for row in table.rows)
        for i, name in enumerate(table.header)
    ]
    groups: list[list[int]] = []
    for i, is_used in enumerate(used):
        if is_used and (i == 0 or not used[i - 1]):
            groups.append([])
        if is_used:
            groups[-1].append(i)
    names = [name for name in table.header if name]
    if len(groups) > 1 and len(set(names)) < len(names):
        return [_part(table, group) for group in groups]
    return [_part(table, [i for group in groups for i in group])]


def _part(table, columns):
    """Some columns of a table, without the rows that are empty in all of them."""
    rows = [tuple(row[i] for i in columns) for row in table.rows]
    keep = [j for j, row in enumerate(rows) if not all(is_missing(c) for c in row)]
    return replace(
        table,
        header=tuple(table.header[i] for i in columns),
        units=None if table.units is None else tuple(table.units[i] for i in columns),
        rows=[rows[j] for j in keep],
        lines=[table.lines[j] for j in keep],
    )
