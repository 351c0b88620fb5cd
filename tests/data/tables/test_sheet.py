"""The tables of one sheet are found by what its cells contain."""

import pytest

from battprob.data.tables.sheet import sheet_tables
from battprob.data.tables.sheet_layers import layered_table

_HEADER = ["t/s", "U/V", "I/A"]
_ROWS = [[0.0, 4.0, 0.0], [1.0, 3.9, -1.0]]


def _only(cells, first_line=1):
    (table,) = sheet_tables(cells, first_line)
    return table


def test_lines_above_the_header_belong_to_no_table():
    cells = [["Cell A", "", ""], ["Mass", 1.2, ""], ["", "", ""], _HEADER, *_ROWS]
    table = _only(cells)
    assert table.header == ("t/s", "U/V", "I/A")
    assert table.lines == [5, 6]


def test_lines_count_from_the_first_row_of_the_sheet():
    assert _only([_HEADER, *_ROWS], first_line=4).lines == [5, 6]


def test_a_row_of_units():
    table = _only([["Time", "Volt", "Step"], ["[s]", "(mV)", ""], *_ROWS])
    assert table.units == ("s", "mV", "")
    assert len(table.rows) == 2


def test_a_row_of_text_below_the_header_is_no_row_of_units():
    table = _only([["Time", "Volt", "State"], [0.0, 4.0, "rest"], [1.0, 3.9, "CC"]])
    assert table.units is None
    assert len(table.rows) == 2


def test_a_sheet_of_numbers_without_a_header():
    assert _only(_ROWS).header == ("", "", "")


def test_blank_rows_and_remarks_between_rows_are_skipped():
    cells = [_HEADER, _ROWS[0], ["", "", ""], ["Step 2", "charge", ""], _ROWS[1]]
    assert _only(cells).lines == [2, 5]


def test_a_repeated_header_continues_the_table():
    table = _only([_HEADER, *_ROWS, _HEADER, *_ROWS])
    assert len(table.rows) == 4
    assert "line 4" in table.statements[0]


def test_another_header_starts_another_table():
    first, second = sheet_tables([_HEADER, *_ROWS, ["f", "Z'", "Z''"], *_ROWS])
    assert first.header == ("t/s", "U/V", "I/A")
    assert second.lines == [5, 6]


def test_an_empty_column_inside_a_table_is_left_out():
    cells = [["t", "", "U"], [0.0, "", 4.0], [1.0, "", 3.9]]
    assert _only(cells).header == ("t", "U")


def test_tables_next_to_each_other_with_the_same_names():
    cells = [["t", "U", "", "t", "U"], [0.0, 4.0, "", 5.0, 3.0], ["", "", "", 6.0, 2.0]]
    first, second = sheet_tables(cells)
    assert first.rows == [(0.0, 4.0)]
    assert second.rows == [(5.0, 3.0), (6.0, 2.0)]


@pytest.mark.parametrize("cells", [[], [["only text", "here"]], [["", ""]]])
def test_no_table(cells):
    assert sheet_tables(cells) == []


def _layers():
    return [
        ["Cycle ID", "Cap_Chg(mAh)", "", "", ""],
        ["", "Step ID", "Step Name", "Step Time", ""],
        ["", "", "Record ID", "Time", "Vol(V)"],
        [1.0, 2.5, "", "", ""],
        ["", 1.0, "Rest", "0:00:10", ""],
        ["", "", 1.0, "0:00:00", 3.3],
        ["", "", 2.0, "0:00:10", 3.4],
        ["", 2.0, "CC_Chg", "0:00:10", ""],
        ["", "", 3.0, "0:00:00", 3.5],
        [2.0, 2.4, "", "", ""],
        ["", 3.0, "CC_DChg", "0:00:10", ""],
        ["", "", 4.0, "0:00:00", 3.2],
    ]


def test_records_of_a_layered_sheet_inherit_cycle_and_step():
    table = layered_table(_layers())
    assert table.header == (
        "Record ID", "Time", "Vol(V)", "Cycle ID", "Step ID", "Step Name",
    )  # fmt: skip
    columns = [column.values.tolist() for column in table.columns()]
    assert columns[0] == [1, 2, 3, 4]
    assert columns[3] == [1, 1, 1, 2]
    assert columns[4] == [1, 1, 2, 3]
    assert columns[5] == ["Rest", "Rest", "CC_Chg", "CC_DChg"]
    assert table.lines == [6, 7, 9, 12]


def test_a_plain_sheet_has_no_layers():
    assert layered_table([_HEADER, *_ROWS]) is None
