"""Tables of numbers in a Microsoft Access database, read with NumPy.

The package `access_parser` finds the tables and their columns; its own reading of rows
takes 0.14 ms a row, because it parses each field with Python code. Here all rows of a
table are read at once. Only columns of fixed length are read.

Layout (documentation of mdbtools, HACKING.md): a database is a sequence of pages of
equal size. A data page contains its owner (page number of the definition of the table),
the number of its records and their offsets from the start of the page; records are
stored from the end of the page to its start. A record contains the number of its
columns, the fields of fixed length, those of variable length, and one bit for each
column that is 1 if the field has a value.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

_TYPES = {2: "<i1", 3: "<i2", 4: "<i4", 6: "<f4", 7: "<f8", 8: "<f8"}
_BOOLEAN = 1
_DELETED, _POINTER, _OFFSET = 0x8000, 0x4000, 0x1FFF


class _Layout(NamedTuple):
    """Where the parts of a data page begin, by the version of the database."""

    page: int  # bytes of a page
    record_count: int  # offset of the number of records
    width: int  # bytes of the number of columns at the start of a record


class NumberTable(NamedTuple):
    """Columns of numbers of one table.

    Args:
        columns: values by name, NaN where a field is empty.
        expected: number of rows according to the definition of the table.
    """

    columns: Mapping[str, np.ndarray]
    expected: int


def read_numbers(database: Any, name: str) -> NumberTable:
    """Read all columns of numbers of one table of a database.

    Args:
        database: an `access_parser.AccessParser`.
        name: name of the table.
    """
    table = database.get_table(name)
    layout = _Layout(0x800, 8, 1) if database.version == 3 else _Layout(0x1000, 12, 2)
    data = np.frombuffer(database.db_data, np.uint8)
    owner = database.catalog[name] & 0xFFFFFF  # the high byte is a flag
    starts, ends = _records(data, layout, owner)
    present = _presence(data, layout, starts, ends)
    columns = {
        column.col_name_str: _column(data, layout, starts, ends, present, column)
        for _, column in sorted(table.columns.items())
        if column.column_flags.fixed_length
        and (column.type in _TYPES or column.type == _BOOLEAN)
    }
    return NumberTable(columns, int(table.table_header.number_of_rows))


def _records(data, layout, owner):
    """First byte of each record of a table, and the first byte after it."""
    count = len(data) // layout.page
    pages = data[: count * layout.page].reshape(count, layout.page)
    owners = pages[:, 4:8].copy().view("<u4")[:, 0]
    owned = np.flatnonzero((pages[:, 0] == 1) & (pages[:, 1] == 1) & (owners == owner))
    starts, ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for page in owned:
        first, last = _page_records(data, layout, int(page))
        starts.append(first)
        ends.append(last)
    return np.concatenate(starts), np.concatenate(ends)


def _page_records(data, layout, page):
    offsets = _offsets(data, layout, page)
    first = offsets & _OFFSET
    # A record ends where the one before it in the list begins.
    last = np.append(layout.page, first[:-1])
    used = (offsets & (_DELETED | _POINTER)) == 0
    starts, ends = first[used] + page * layout.page, last[used] + page * layout.page
    # A record that grew was moved to another page; a pointer of four bytes remains.
    moved = (offsets & (_DELETED | _POINTER)) == _POINTER
    targets = [
        _moved_record(data, layout, page * layout.page + start)
        for start in first[moved]
    ]
    if targets:
        starts = np.append(starts, [start for start, _ in targets])
        ends = np.append(ends, [end for _, end in targets])
    keep = ends > starts
    return starts[keep], ends[keep]


def _offsets(data, layout, page):
    at = page * layout.page + layout.record_count
    count = int(data[at : at + 2].view("<u2")[0])
    return data[at + 2 : at + 2 + 2 * count].copy().view("<u2").astype(np.int64)


def _moved_record(data, layout, at):
    pointer = int(data[at : at + 4].copy().view("<u4")[0])
    page, record = pointer >> 8, pointer & 0xFF
    first = _offsets(data, layout, page) & _OFFSET
    end = layout.page if record == 0 else first[record - 1]
    return page * layout.page + first[record], page * layout.page + end


def _presence(data, layout, starts, ends):
    """Whether each column, by its number, has a value in each record."""
    counts = data[starts].astype(np.int64)
    if layout.width == 2:
        counts += 256 * data[starts + 1].astype(np.int64)
    present = np.zeros((len(starts), int(counts.max(initial=0))), bool)
    # Records that were written before a column was added have fewer columns.
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        size = (int(count) + 7) // 8
        bits = data[ends[rows, None] - size + np.arange(size)]
        present[rows, :count] = np.unpackbits(bits, axis=1, bitorder="little")[
            :, :count
        ]
    return present


def _column(data, layout, starts, ends, present, column):
    if column.column_id >= present.shape[1]:
        return np.full(len(starts), np.nan)
    has_value = present[:, column.column_id]
    if column.type == _BOOLEAN:
        return has_value.astype(float)
    dtype = np.dtype(_TYPES[column.type])
    at = starts + layout.width + column.fixed_offset
    has_value = has_value & (at + dtype.itemsize <= ends)
    values = np.full(len(starts), np.nan)
    fields = data[at[has_value, None] + np.arange(dtype.itemsize)]
    values[has_value] = np.ascontiguousarray(fields).view(dtype)[:, 0]
    return values
