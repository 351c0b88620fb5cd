"""Of a workbook, the sheets with the rows of the measurement are read."""

import contextlib
import datetime
import zipfile

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.workbook import Sheet, read_workbook, workbook_tables
from tests.data.tables.workbook import write_workbook

_ARBIN = ["Data_Point", "Test_Time(s)", "Date_Time", "Cycle_Index", "Current(A)",
          "Voltage(V)"]  # fmt: skip
_START = datetime.datetime(2024, 5, 7, 8)


def _arbin_rows(first, last):
    return [
        [
            k,
            10.0 * k,
            _START + datetime.timedelta(seconds=10 * k),
            1,
            -0.5,
            4 - 0.01 * k,
        ]
        for k in range(first, last + 1)
    ]


def _read(tmp_path, sheets, **options):
    return read_workbook(write_workbook(tmp_path / "cell.xlsx", sheets, **options))


def _only(tmp_path, sheets, **options):
    (table,) = _read(tmp_path, sheets, **options)
    return table


def test_record_sheet_next_to_sheets_of_information_and_statistics(tmp_path):
    info = [
        ["TEST REPORT"],
        ["Channel", "Start_DateTime", "Volt"],
        ["1-8", _START, 0.0],
    ]
    table = _only(
        tmp_path,
        {
            "Info": info,
            "Statistics_1-008": [_ARBIN, *_arbin_rows(3, 3)],
            "Channel_1-008": [_ARBIN, *_arbin_rows(1, 3)],
        },
    )
    assert table.label == "Channel_1-008"
    assert table.header == tuple(_ARBIN)
    assert table.columns[1].tolist() == [10, 20, 30]
    assert table.columns[2][0] == "2024-05-07T08:00:10"
    assert table.lines.tolist() == [2, 3, 4]
    assert "Statistics_1-008" in table.statements[0]


def test_sheets_that_continue_each_other_are_joined(tmp_path):
    sheets = {
        "Channel_1-008": [_ARBIN, *_arbin_rows(1, 3)],
        "Channel_1-008_2": [_ARBIN, *_arbin_rows(4, 5)],
        "Channel_1-008_3": _arbin_rows(6, 6),
    }
    table = _only(tmp_path, sheets)
    assert table.columns[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert len(table.statements) == 1
    assert "Channel_1-008 + Channel_1-008_2 + Channel_1-008_3" in table.statements[0]


def test_channels_are_separate_tables(tmp_path):
    rows = [_ARBIN, *_arbin_rows(1, 3)]
    tables = _read(tmp_path, {"Channel_1-008": rows, "Channel_1-009": rows})
    assert [table.label for table in tables] == ["Channel_1-008", "Channel_1-009"]


def test_neware_workbook_with_durations_as_text(tmp_path):
    header = ["DataPoint", "Cycle Index", "Step Type", "Time", "Total Time", "Current(A)",
              "Voltage(V)", "Date"]  # fmt: skip
    rows = [[1, 1, "Rest", "00:00:00", "00:00:00", 0.0, 3.3, "2024-05-07 08:00:00"],
            [2, 1, "CC Chg", "00:00:01", "25:00:01", 1.0, 3.4, "2024-05-08 09:00:01"]]  # fmt: skip
    cycle = [["Cycle Index", "Chg. Cap.(Ah)", "DChg. Cap.(Ah)"], [1, 1.0, 0.9]]
    step = [["Cycle Index", "Step Index", "Oneset Volt.(V)"], [1, 1, 3.3]]
    table = _only(
        tmp_path,
        {"unit": [["A", "V"]], "test": [["Remark", "x"]], "cycle": cycle, "step": step,
         "record": [header, *rows]},
    )  # fmt: skip
    assert table.label == "record"
    assert table.columns[4].tolist() == ["00:00:00", "25:00:01"]
    assert table.columns[5].dtype == float


def test_durations_formatted_as_times(tmp_path):
    duration, hour = datetime.timedelta, datetime.timedelta(hours=1)
    rows = [[duration(0), 4.0], [30 * hour, 3.9], [datetime.time(0, 0, 1, 500000), 3.8]]
    table = _only(tmp_path, {"Sheet1": [["Time", "Voltage"], *rows]})
    assert table.columns[0].tolist() == ["0:00:00", "30:00:00", "0:00:01.500"]


def test_a_copy_with_numbered_names_is_not_the_measurement(tmp_path):
    plain = [["Time", "Current", "Voltage"], [0, 0, 4.0], [1, 1, 3.9]]
    pieces = [["Time1", "Current1", "Voltage1"], [0, 0, 4.0], [1, 1, 3.9]]
    assert _only(tmp_path, {"Sheet1": plain, "Sheet2": pieces}).label == "Sheet1"


def test_several_sheets_of_impedance(tmp_path):
    first = [["f", "Z'", "Z''"], [10.0, 1.0, -0.1], [1.0, 2.0, -0.2]]
    second = [["freq/Hz", "Zre", "-Zim"], [10.0, 1.0, 0.1], [1.0, 2.0, 0.2]]
    tables = _read(tmp_path, {"a": first, "b": second})
    assert [table.label for table in tables] == ["a", "b"]


def test_capacity_table_where_no_sheet_has_records(tmp_path):
    rows = [["Cycle", "CapD/mAh"], [1, 3.0], [2, 2.9]]
    table = _only(tmp_path, {"Info": [["Name", "x"]], "Cycle-Tab": rows})
    assert table.header == ("Cycle", "CapD/mAh")


def test_hidden_sheets_are_read_only_if_the_visible_ones_have_no_table(tmp_path):
    rows = [_ARBIN, *_arbin_rows(1, 3)]
    assert _only(tmp_path, {"a": rows, "b": rows}, hidden=("b",)).label == "a"
    assert _only(tmp_path, {"a": [["x"]], "b": rows}, hidden=("b",)).label == "b"


def test_entries_above_the_header_are_kept(tmp_path):
    rows = [
        ["Mass (mg)", 1.25],
        ["Operator: AB"],
        ["Time", "Voltage"],
        [0, 4.0],
        [1, 3],
    ]
    assert _only(tmp_path, {"x": rows}).meta == {"Mass (mg)": "1.25", "Operator": "AB"}


def test_two_tables_on_one_sheet_are_distinguished_by_their_lines(tmp_path):
    first = [["f", "Z'", "Z''"], [10.0, 1.0, -0.1], [1.0, 2.0, -0.2]]
    second = [["f/Hz", "Re", "Im"], [10.0, 1.0, -0.1], [1.0, 2.0, -0.2]]
    labels = [table.label for table in _read(tmp_path, {"a": first + second})]
    assert labels == ["a, line 2", "a, line 5"]


def test_a_workbook_without_a_table(tmp_path):
    with pytest.raises(DataError, match=r"cell\.xlsx: .*on one of the sheets \['a'\]"):
        _read(tmp_path, {"a": [["only", "text"]]})


def test_a_damaged_workbook(tmp_path):
    path = write_workbook(tmp_path / "cell.xlsx", {"a": [["t", "U"], [0, 1], [1, 2]]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:-60]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with contextlib.suppress(
        DataError
    ):  # the XML parser may accept the end of the text
        (table,) = read_workbook(path)
        assert len(table) <= 2


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(DataError, match="pip install python-calamine"):
        _read(tmp_path, {"a": [["t", "U"], [0, 1]]})


def test_open_document_spreadsheet(tmp_path):
    path = tmp_path / "cell.ods"
    spaces = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" ' \
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" ' \
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'  # fmt: skip

    def cell(value):
        if isinstance(value, str):
            return (
                '<table:table-cell office:value-type="string">'
                f"<text:p>{value}</text:p></table:table-cell>"
            )
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    rows = [["Time", "Voltage"], [0.0, 4.0], [1.0, 3.5]]
    body = "".join(
        f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces}><office:body>'
        f'<office:spreadsheet><table:table table:name="S">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    (table,) = read_workbook(path)
    np.testing.assert_array_equal(table.columns[1], [4.0, 3.5])


def test_tests_of_equal_kind_are_not_taken_for_information(tmp_path):
    rows = [_ARBIN, *_arbin_rows(1, 3)]
    sheets = [Sheet("Test 1", rows), Sheet("Test 2", [*rows, *_arbin_rows(4, 4)])]
    tables = workbook_tables(tmp_path / "a.xlsx", sheets)
    assert [table.label for table in tables] == ["Test 1", "Test 2"]


def test_a_single_cell_far_from_the_table(tmp_path):
    far = [[] for _ in range(1_000_000)] + [[None] * 5 + [1.0]]
    with pytest.raises(DataError, match=r"a single cell far from the table"):
        _read(tmp_path, {"a": [["t", "U"], [0, 1], [1, 2], *far]})


def test_a_workbook_with_the_suffix_of_another_format(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"a": [["t", "U"], [0, 1], [1, 2]]})
    (table,) = read_workbook(path.rename(tmp_path / "a.xls"))
    assert len(table) == 2


def test_complex_numbers_are_values(tmp_path):
    rows = [["f/Hz", "Z/Ohm"], [10, "1-2j"], [1, "2 - 3i"]]
    (table,) = _read(tmp_path, {"a": rows})
    assert list(table.columns[1]) == ["1-2j", "2 - 3i"]
