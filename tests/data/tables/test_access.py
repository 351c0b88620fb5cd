"""Rows of an Access database are read from pages of bytes as Access stores them."""

import struct
from types import SimpleNamespace

import numpy as np

from battprob.data.tables.access import read_numbers

_PAGE = 0x1000
_TABLE = 2  # number of the page with the definition of the table


def _column(name, number, kind, offset):
    flags = SimpleNamespace(fixed_length=True)
    return SimpleNamespace(
        col_name_str=name,
        column_id=number,
        type=kind,
        fixed_offset=offset,
        column_flags=flags,
    )


_COLUMNS = {
    0: _column("Data_Point", 0, 4, 0),
    1: _column("Voltage", 1, 6, 4),
    2: _column("Is_FC", 2, 1, 0),
    3: _column("Added_later", 3, 7, 8),
}


def _record(point, voltage, *, flag=True, added=None, has_voltage=True):
    """Bytes of a record; those without the added column are older than it."""
    count = 3 if added is None else 4
    data = struct.pack("<Hif", count, point, voltage)
    bits = 1 | 2 * has_voltage | 4 * flag
    if added is not None:
        data, bits = data + struct.pack("<d", added), bits | 8
    return data + bytes([bits])


def _data_page(records, owner=_TABLE):
    """Records are stored from the end of the page; flags mark deleted and moved ones."""
    page, end, offsets = bytearray(_PAGE), _PAGE, []
    for content, flags in records:
        end -= len(content)
        page[end : end + len(content)] = content
        offsets.append(end | flags)
    page[0:8] = struct.pack("<BBHI", 1, 1, 0, owner)
    page[12:14] = struct.pack("<H", len(offsets))
    page[14 : 14 + 2 * len(offsets)] = struct.pack(f"<{len(offsets)}H", *offsets)
    return bytes(page)


def _database(*pages, rows):
    header = SimpleNamespace(number_of_rows=rows)
    table = SimpleNamespace(columns=_COLUMNS, table_header=header)
    return SimpleNamespace(
        version=4,
        db_data=b"\0" * _PAGE * 3 + b"".join(pages),
        catalog={"T": _TABLE},
        get_table=lambda name: table,
    )


def test_empty_fields_and_fields_of_older_records_are_nan():
    page = _data_page(
        [
            (_record(1, 3.5), 0),
            (_record(2, 3.25, has_voltage=False, flag=False), 0),
            (_record(3, 3.0, added=7.5), 0),
        ]
    )
    columns, expected = read_numbers(_database(page, rows=3), "T")
    nan = np.nan
    np.testing.assert_array_equal(columns["Data_Point"], [1, 2, 3])
    np.testing.assert_array_equal(columns["Voltage"], [3.5, nan, 3.0])
    np.testing.assert_array_equal(columns["Is_FC"], [1, 0, 1])
    np.testing.assert_array_equal(columns["Added_later"], [nan, nan, 7.5])
    assert expected == 3


def test_deleted_records_are_skipped_and_moved_ones_found():
    pointer = struct.pack("<I", 4 << 8 | 1)  # record 1 of page 4
    first = _data_page(
        [(_record(1, 3.5), 0), (_record(9, 9.0), 0x8000), (pointer, 0x4000)]
    )
    second = _data_page([(_record(3, 3.0), 0), (_record(2, 3.25), 0x8000)])
    columns, _ = read_numbers(_database(first, second, rows=3), "T")
    assert sorted(columns["Data_Point"].tolist()) == [1, 2, 3]
    assert sorted(columns["Voltage"].tolist()) == [3.0, 3.25, 3.5]


def test_pages_of_other_tables_are_not_read():
    pages = [_data_page([(_record(1, 3.5), 0)]), _data_page([(_record(2, 3), 0)], 7)]
    columns, _ = read_numbers(_database(*pages, rows=1), "T")
    assert columns["Data_Point"].tolist() == [1]


def test_a_table_without_rows():
    columns, _ = read_numbers(_database(rows=0), "T")
    assert len(columns["Voltage"]) == 0
