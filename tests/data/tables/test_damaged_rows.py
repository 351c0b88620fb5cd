"""No line of a text table is dropped in silence, and no damaged row is accepted."""

from pathlib import Path

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.text import read_text_tables

HEADER = "Time / s,Voltage / V,Current / A"
ROWS = [f"{i + 1}.0,3.{i:04d},-1.2500" for i in range(60)]


def read(lines, end="\n"):
    (table,) = read_text_tables(Path("a.csv"), ("\n".join(lines) + end).encode())
    return table


@pytest.mark.parametrize("row", [1, 5, 58])
@pytest.mark.parametrize(
    "damaged", ["7.0,3.1", "7.0,3.1,-1.25,9", "7.0,3.1,-1.25,8.0,3.2,-1.25", "7.0"]
)
@pytest.mark.parametrize("header", [True, False])
def test_a_row_with_another_number_of_fields_is_refused(row, damaged, header):
    head = [HEADER] if header else []
    lines = [*head, *ROWS[:row], damaged, *ROWS[row:]]
    with pytest.raises(DataError, match=f"line {row + 1 + header}: expected 3 fields"):
        read(lines)


def test_a_damaged_first_row_without_header_is_refused():
    with pytest.raises(DataError, match="line 1: expected 3 fields"):
        read(["0.0,3.0", *ROWS])


def test_text_between_rows_is_refused():
    with pytest.raises(DataError, match="line 5: expected 3 fields"):
        read([HEADER, *ROWS[:3], "test paused", *ROWS[3:]])


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_header_with_another_number_of_names_is_refused(number):
    rows = [row + ",25.0" for row in ROWS]
    header = ",".join(
        ("Time / s", "Voltage / V", "Current / A", "Q / Ah", "T / K")[:number]
    )
    if number == 4:
        assert len(read([header, *rows]).columns) == 4
        return
    with pytest.raises(DataError, match=f"line 1: the header has {number} names"):
        read([header, *rows])


def test_a_value_after_the_last_name_is_refused():
    rows = [row + "," for row in ROWS] * 10
    rows[500] += "9"
    with pytest.raises(DataError, match="line 502: the row has a value in a column"):
        read([HEADER, *rows])


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_line_with_too_few_fields_is_left_out_and_stated(end):
    table = read([HEADER, *ROWS, "61.0,3.0"], end)
    assert len(table) == 60
    assert (
        "line 62, the last one, is cut short and was left out" in table.statements[-1]
    )


@pytest.mark.parametrize(
    "last", ["61.0,3.0061,-1.25", "61.0,3.0061,-1.", "61.0,3.0061,-"]
)
def test_a_last_number_with_fewer_digits_than_all_others_is_cut(last):
    table = read([HEADER, *ROWS, last], "")
    assert len(table) == 60
    assert "cut short" in table.statements[-1]


def test_a_last_number_cut_within_its_exponent():
    rows = [f"{i}\t3.{i:03d}E+00\t1.5E-003" for i in range(30)]
    table = read(["t\tV\tI", *rows, "30\t3.030E+00\t1.5E-0"], "")
    assert len(table) == 30


def test_a_complete_last_line_without_line_end_is_a_row():
    assert len(read([HEADER, *ROWS], "")) == 60


@pytest.mark.parametrize(
    "footer", ["Total rows: 60", "End of data", "Rows,60", "[End]"]
)
def test_text_after_the_last_row_is_stated(footer):
    table = read([HEADER, *ROWS, footer])
    assert len(table) == 60
    assert (
        f"after the last row is no row and was left out: {footer!r}"
        in table.statements[-1]
    )


def test_a_repeated_header_is_left_out_and_stated():
    table = read([HEADER, *ROWS, HEADER, *ROWS])
    assert len(table) == 120
    assert table.columns[0].dtype == float
    assert table.lines[60] == 63
    assert "line 62 repeats the header" in table.statements[-1]


def test_a_repeated_preamble_and_header():
    file = ["Instrument: 9", "Operator: nobody", "", HEADER, *ROWS]
    table = read(file + file)
    assert len(table) == 120
    assert table.lines[60] == 69


def test_comments_between_rows_are_stated():
    table = read([HEADER, *ROWS[:9], "# pause of 2 h, 5 min", *ROWS[9:]])
    assert len(table) == 60
    assert table.statements[-1].startswith("line 11 is a comment and was left out")


def test_a_table_with_another_header_is_another_table():
    other = ["freq,Zre,Zim,cycle", *("1.0,2.0,3.0,1" for _ in range(5))]
    first, second = read_text_tables(
        Path("a.csv"), "\n".join([HEADER, *ROWS, "", "Spectrum", *other]).encode()
    )
    assert (len(first), len(second)) == (60, 5)
    assert second.header == ("freq", "Zre", "Zim", "cycle")
    assert second.lines[0] == 65
    assert (first.label, second.label) == ("table 1", "table 2")


def test_a_small_table_before_the_header_is_stated():
    table = read(["Number,Channel,Value,Reason", "1,2,3,4", HEADER, *ROWS])
    assert len(table) == 60
    assert "line 2 has numbers before the header" in table.statements[1]


def test_an_open_quotation_mark_is_named():
    with pytest.raises(DataError, match="line 3: a quotation mark opens a field"):
        read([HEADER, ROWS[0], '2.0,"3.0,-1.2500', *ROWS[2:]])


def test_a_word_in_a_large_file_is_kept_with_its_line():
    rows = ROWS * 2000
    rows[100_000] = "5.0,OVL,-1.2500"
    table = read([HEADER, *rows])
    (row,) = np.flatnonzero(table.columns[1] == "OVL")
    assert table.location(int(row)) == "a.csv, line 100002"
    assert table.columns[0].dtype == float


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("Time / s,Voltage / V,Current / A\n\n", "has a header in line 1 but no rows"),
        ("A letter.\nIt has 2 lines, 3 numbers.\n", "has no table of numbers"),
        ('{"a": 1}', "is JSON"),
        ("<!DOCTYPE html>\n<p>1</p>", "is HTML"),
    ],
)
def test_files_without_a_table(content, message):
    with pytest.raises(DataError, match=r"a\.csv " + message):
        read_text_tables(Path("a.csv"), content.encode())
