"""One table in many layouts gives the same columns, header and line numbers."""

from pathlib import Path

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.text import read_text_tables

NAMES = ("Test Time / s", "Voltage / V", "Current / A", "State")
TIME = np.arange(0, 400, 10.0)
VOLTAGE = np.round(3 + 0.2 * np.sin(TIME / 100), 4)
CURRENT = np.where(TIME < 200, 1.25, -0.5)
STATES = np.where(CURRENT > 0, "CC Chg", "CC DChg")
PREAMBLE = [
    "Instrument: invented 9",
    "",
    "Operator;nobody",
    "Channel,5",
    "Notes: 3 steps, 2 of them long",
    "Started on : 11/20/2024 11:38:54",
    "[Settings]",
    "Limits   4.2   3.0",
]


def text(
    separator=";", *, decimal=".", style="%.4f", before=(), names=NAMES, units=None
):
    """Lines of the table; names and words lose their blanks where blanks separate."""
    rows = zip(TIME, VOLTAGE, CURRENT, strict=True)
    numbers = [[(style % x).replace(".", decimal) for x in row] for row in rows]
    rows = [[*row, state] for row, state in zip(numbers, STATES, strict=True)]
    if not separator.strip(" "):
        names = [name.replace(" ", "") for name in names]
        rows = [[cell.replace(" ", "") for cell in row] for row in rows]
    head = [separator.join(names)] + ([separator.join(units)] if units else [])
    return [*before, *head, *(separator.join(row) for row in rows)]


def read(lines, end="\n", encoding="utf-8"):
    raw = (end.join(lines) + end).encode(encoding)
    (table,) = read_text_tables(Path("a.csv"), raw)
    return table


def check(table, first_line):
    """Assert values, and that every row has its line."""
    assert [name.replace(" ", "") for name in table.header] == [
        name.replace(" ", "") for name in NAMES
    ]
    for column, values in zip(table.columns, (TIME, VOLTAGE, CURRENT), strict=False):
        assert column.dtype == float
        np.testing.assert_allclose(column, values, atol=1e-9)
    words = [word.replace(" ", "") for word in table.columns[3]]
    assert words == [state.replace(" ", "") for state in STATES]
    np.testing.assert_array_equal(table.lines, first_line + np.arange(len(TIME)))


@pytest.mark.parametrize(
    "separator", [",", ";", "\t", "|", " ", "   ", ", ", "; ", " | "]
)
@pytest.mark.parametrize("style", ["%.4f", "%.6E", "%12.5f"])
def test_separators(separator, style):
    check(read(text(separator, style=style)), 2)


@pytest.mark.parametrize("separator", [";", "\t", "|", " ", "   ", "; "])
def test_decimal_commas(separator):
    table = read(text(separator, decimal=","))
    check(table, 2)
    assert "decimal commas" in table.statements[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_encodings_and_line_ends(encoding, end):
    check(read(text("\t", decimal=","), end, encoding), 2)


@pytest.mark.parametrize("count", [1, 3, 8, 50, 350])
@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_lines_before_the_header(separator, count):
    before = (PREAMBLE * count)[:count]
    table = read(text(separator, before=before))
    check(table, count + 2)
    assert table.meta["Instrument"] == "invented 9"


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("comment", ["", "#", "# ", "%", "// "])
def test_row_of_units(separator, comment):
    names = ("Test Time", "Voltage", "Current", "State")
    units = ("s", "V", "A", "-")
    lines = text(separator, names=names, units=units)
    lines[0] = comment + lines[0]
    lines[1] = comment + lines[1]
    table = read(lines)
    assert table.units == units
    assert table.header[1:] == names[1:]
    np.testing.assert_array_equal(table.columns[0], TIME)


def test_names_units_and_comments_in_three_lines():
    lines = text("\t", names=("Time", "Voltage", "Current", "State"), units="sVA-")
    lines.insert(2, "recorded\tcell 1\tcell 1\tcell 1")
    table = read(lines)
    assert table.header == ("Time", "Voltage", "Current", "State")
    assert table.units == ("s", "V", "A", "-")
    assert len(table) == len(TIME)


def test_quoted_fields():
    lines = [
        ",".join(f'"{cell}"' for cell in line.split(";")) for line in text(decimal=",")
    ]
    check(read(lines), 2)


def test_separators_at_the_ends_of_lines():
    check(read([line + ";" for line in text()]), 2)
    lines = text("\t")
    check(read([lines[0] + "\t", *lines[1:]]), 2)
    check(read([lines[0], *(line + "\t" for line in lines[1:])]), 2)


def test_blank_lines_anywhere():
    lines = text()
    table = read([*lines[:5], "", *lines[5:], "", ";;;", ""])
    expected = 2 + np.arange(len(TIME)) + (np.arange(len(TIME)) >= 4)
    np.testing.assert_array_equal(table.lines, expected)
    np.testing.assert_array_equal(table.columns[0], TIME)


def test_an_unnamed_first_column():
    lines = [f"{i},{line}" for i, line in enumerate(text(","), start=-1)]
    table = read([lines[0][2:], *lines[1:]])
    assert table.header == ("", *NAMES)
    np.testing.assert_array_equal(table.columns[0], np.arange(len(TIME)))


def test_repeated_names_are_kept():
    table = read(text(names=("Time", "Aux", "Units", "Units")))
    assert table.header == ("Time", "Aux", "Units", "Units")


def test_a_header_with_other_separators_than_the_rows():
    lines = text(",")
    table = read(
        ['"  Test Time / s   Voltage / V   Current / A    State "', *lines[1:]]
    )
    check(table, 2)


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", "   "])
def test_rows_without_a_header(separator):
    lines = [line.rpartition(separator)[0] for line in text(separator)]
    table = read(lines[1:])
    assert table.header == ("", "", "")
    np.testing.assert_array_equal(table.columns[1], VOLTAGE)


def test_one_column():
    table = read(["Capacity (Ah)", "1,10", "1,09", "1,08"])
    assert table.header == ("Capacity (Ah)",)
    np.testing.assert_array_equal(table.columns[0], [1.10, 1.09, 1.08])


def test_empty_columns_are_numbers():
    table = read(["t;V;T;x", "0;3.1;;", "1;3.2;;N/A", "2;3.3;;"])
    for column in table.columns[2:]:
        assert column.dtype == float
        assert np.isnan(column).all()


def test_one_word_makes_a_column_text():
    table = read(["t;V", "0;3.1", "1;OVL", "2;3.3"])
    assert table.columns[1].tolist() == ["3.1", "OVL", "3.3"]


def test_thousands_separators_are_stated():
    table = read(["t,V", '"0.0",3.1', '"1,350.0",3.2'])
    np.testing.assert_array_equal(table.columns[0], [0.0, 1350.0])
    assert "'1,350.0' were read as thousands separators" in table.statements[-1]


def test_a_value_with_two_readings_stays_text():
    table = read(["t;V", "1;3,700", "2;3,650"])
    assert table.columns[1].tolist() == ["3,700", "3,650"]


def test_dates_and_durations_stay_text():
    table = read(["Date;Step Time;V", "2020-01-02 10:00:00;0d 00:00:05;3.1"])
    assert table.columns[0].tolist() == ["2020-01-02 10:00:00"]
    assert table.columns[1].tolist() == ["0d 00:00:05"]


def test_a_line_with_the_number_of_rows_after_the_header():
    lines = text("\t")
    check(read([lines[0], f" {len(TIME)} ", *lines[1:]]), first_line=3)


def test_another_number_after_the_header_is_a_damaged_row():
    lines = text("\t")
    with pytest.raises(DataError, match="line 2: expected 4 fields"):
        read([lines[0], "17", *lines[1:]])


def test_a_line_of_numbers_before_the_header():
    lines = text("\t")
    table = read(["settings", "100\t2\t3\t4", *lines])
    check(table, first_line=4)
    assert "line 2 has numbers before the header" in table.statements[-1]


def test_a_date_before_rows_without_a_header():
    table = read(["measured on", "2024-01-02 12:00:00", "1,2,3", "2,3,4", "3,4,5"])
    assert len(table) == 3


def test_statements_are_phrases():
    table = read(text(";", decimal=","))
    for statement in table.statements:
        assert statement[0].islower()
        assert not statement.endswith(".")
