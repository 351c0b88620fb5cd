"""Neware's layered text: records get the columns of their cycle and step."""

from pathlib import Path

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.text import read_text_tables

HEADERS = [
    "Cycle Index,Chg. Cap.(Ah),Chg. Time",
    ",Step Index,Step Number,Step Type,Step Time,Capacity(Ah)",
    ",,DataPoint,Time,Current(A),Voltage(V)",
]
RECORDS = [
    ",,1,00:00:00,0.00000,3.3185",
    ",,2,00:00:02,0.00000,3.3186",
    ",,3,00:00:00,1.50000,3.4",
    ",,4,00:00:00,-1.50000,3.3",
    ",,5,00:00:09,-1.50000,3.2",
]
LINES = [
    *HEADERS,
    "1,0.02256,00:02:51",
    ",1,1,Rest,00:00:20,0.0",
    *RECORDS[:2],
    ",2,2,CC Chg,00:02:51,0.02256",
    RECORDS[2],
    "2,0.3,00:02:51",
    ",2,3,CC DChg,00:41:50,0.33067",
    *RECORDS[3:],
]


def read(lines, end="\n"):
    (table,) = read_text_tables(Path("a.csv"), (end.join(lines) + end).encode())
    return table


def check(table):
    column = dict(zip(table.header, table.columns, strict=True))
    np.testing.assert_array_equal(column["Cycle Index"], [1, 1, 1, 2, 2])
    np.testing.assert_array_equal(column["Step Index"], [1, 1, 2, 2, 2])
    np.testing.assert_array_equal(column["Step Number"], [1, 1, 2, 3, 3])
    steps = ["Rest", "Rest", "CC Chg", "CC DChg", "CC DChg"]
    assert column["Step Type"].tolist() == steps
    np.testing.assert_array_equal(column["DataPoint"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(column["Current(A)"], [0, 0, 1.5, -1.5, -1.5])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_records_with_cycles_and_steps(end):
    table = read(LINES, end)
    check(table)
    np.testing.assert_array_equal(table.lines, [6, 7, 9, 12, 13])
    assert table.format == "Neware csv (layered)"
    assert "were added to the records" in table.statements[0]


def test_a_cycle_row_that_goes_on_with_its_first_step():
    lines = [*LINES[:3], LINES[3] + LINES[4], *LINES[5:]]
    check(read(lines))


def test_tabs():
    check(read([line.replace(",", "\t") for line in LINES]))


def test_blank_lines_and_separators_at_the_end():
    table = read([*LINES[:9], ",,,,", "", *LINES[9:], ""])
    check(table)
    np.testing.assert_array_equal(table.lines, [6, 7, 9, 14, 15])


def test_two_levels():
    lines = [
        "Step Index,Step Type",
        ",DataPoint,Voltage(V)",
        "1,Rest",
        ",1,3.1",
        ",2,3.2",
    ]
    table = read(lines)
    assert table.header == ("Step Index", "DataPoint", "Voltage(V)")
    np.testing.assert_array_equal(table.columns[0], [1, 1])


def test_other_lines_are_refused():
    with pytest.raises(DataError, match="line 9: expected a row of a cycle, a step or"):
        read([*LINES[:8], "paused", *LINES[8:]])


def test_a_damaged_record_is_refused():
    lines = [*LINES[:6], ",,2,00:00:02", *LINES[7:]]
    with pytest.raises(DataError, match="line 7: expected 6 fields"):
        read(lines)


def test_headers_without_records_are_refused():
    with pytest.raises(DataError, match="no records"):
        read(LINES[:5])
