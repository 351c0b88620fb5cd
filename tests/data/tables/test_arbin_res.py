"""Arbin databases: rows by test in the order of their numbers, with units."""

import gzip
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables import arbin_res
from battprob.data.tables.access import NumberTable
from battprob.data.tables.arbin_res import read_arbin_res


def _records(points, tests=None):
    points = np.array(points, float)
    return {
        "Test_ID": np.ones_like(points) if tests is None else np.array(tests, float),
        "Data_Point": points,
        "Test_Time": 10 * points,
        "DateTime": 45000 + points,
        "Voltage": 4 - points,
        "Current": -points,
    }


def _read(monkeypatch, tmp_path, records, *, expected=None, auxiliary=None, tests=(1,)):
    """Read a database with the given tables."""
    numbers = {"Channel_Normal_Table": records}
    if auxiliary is not None:
        numbers["Auxiliary_Table"] = auxiliary
    descriptions = {
        "Test_ID": list(tests),
        "Test_Name": [f"cell {test}" for test in tests],
        "MASS": [0.5 for _ in tests],
        "Start_DateTime": [45000.5 for _ in tests],
    }
    database = SimpleNamespace(
        catalog={**dict.fromkeys(numbers, 1), "Global_Table": 2},
        parse_table=lambda name: descriptions,
    )
    count = len(records["Test_ID"]) if expected is None else expected
    module = SimpleNamespace(AccessParser=lambda path: database)
    monkeypatch.setitem(sys.modules, "access_parser", module)
    monkeypatch.setattr(
        arbin_res, "read_numbers", lambda _, name: NumberTable(numbers[name], count)
    )
    return read_arbin_res(tmp_path / "cell.res")


def test_rows_are_sorted_by_their_number(monkeypatch, tmp_path):
    (table,) = _read(monkeypatch, tmp_path, _records([3, 1, 2]))
    assert table.columns[table.index("Test_Time")].tolist() == [10, 20, 30]
    assert table.unit(table.index("Current")) == "A"
    assert table.columns[table.index("DateTime")][0] == "2023-03-16T00:00:00"
    assert table.meta["MASS"] == "0.5"
    assert table.meta["Start_DateTime"] == "2023-03-15T12:00:00"
    assert table.statements == ()


def test_each_test_is_a_table(monkeypatch, tmp_path):
    records = _records([1, 1, 2, 2], [1, 5, 5, 1])
    first, second = _read(monkeypatch, tmp_path, records, tests=(1, 5))
    assert first.label == "cell 1 (Test_ID 1)"
    assert second.label == "cell 5 (Test_ID 5)"
    assert second.columns[second.index("Data_Point")].tolist() == [1, 2]


def test_missing_rows_are_stated(monkeypatch, tmp_path):
    (table,) = _read(monkeypatch, tmp_path, _records([1, 2, 6, 6]), expected=9)
    counted, missing, repeated = table.statements
    assert "4 rows" in counted
    assert "states 9" in counted
    assert missing.startswith("3 rows are missing")
    assert "after 2" in missing
    assert repeated.startswith("1 rows have a Data_Point")


def test_auxiliary_channels_are_columns_at_their_points(monkeypatch, tmp_path):
    auxiliary = {
        "Test_ID": np.array([1.0, 1, 1, 2]),
        "Data_Point": np.array([1.0, 3, 2, 1]),
        "Auxiliary_Index": np.array([1.0, 1, 2, 1]),
        "Data_Type": np.array([1.0, 1, 0, 1]),
        "X": np.array([25.0, 26, 3.3, 99]),
    }
    (table,) = _read(monkeypatch, tmp_path, _records([1, 2, 3]), auxiliary=auxiliary)
    temperature = table.index("Aux_Temperature_1")
    np.testing.assert_array_equal(table.columns[temperature], [25, np.nan, 26])
    assert table.unit(temperature) == "C"
    voltage = table.columns[table.index("Aux_Voltage_2")]
    np.testing.assert_array_equal(voltage, [np.nan, 3.3, np.nan])


def test_a_database_of_another_program(monkeypatch, tmp_path):
    database = SimpleNamespace(catalog={"Customers": 1, "MSysObjects": 2})
    module = SimpleNamespace(AccessParser=lambda path: database)
    monkeypatch.setitem(sys.modules, "access_parser", module)
    with pytest.raises(DataError, match=r"found the tables \['Customers'\]"):
        read_arbin_res(tmp_path / "cell.res")


def test_a_database_without_rows(monkeypatch, tmp_path):
    with pytest.raises(DataError, match="no rows"):
        _read(monkeypatch, tmp_path, _records([]))


def test_a_damaged_database(tmp_path):
    pytest.importorskip("access_parser")
    path = tmp_path / "cell.res"
    path.write_bytes(b"\0\1\0\0Standard Jet DB\0" + bytes(9000))
    with pytest.raises(DataError, match=r"cell\.res: .*Channel_Normal_Table") as error:
        read_arbin_res(path)
    assert "\n" not in str(error.value)


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "access_parser", None)
    with pytest.raises(DataError, match=r"Arbin \.res .*pip install access-parser"):
        read_arbin_res(tmp_path / "cell.res")


def test_equal_to_the_rows_that_access_parser_reads(data_folder, tmp_path):
    access_parser = pytest.importorskip("access_parser")
    folder = data_folder / "instrument_files" / "cycler" / "arbin_res"
    if not folder.is_dir():
        pytest.skip("no Arbin files")
    for source in sorted(folder.iterdir()):
        path = tmp_path / source.name.removesuffix(".gz")
        content = source.read_bytes()
        is_packed = source.suffix == ".gz"
        path.write_bytes(gzip.decompress(content) if is_packed else content)
        (table,) = read_arbin_res(path)
        rows = access_parser.AccessParser(str(path)).parse_table("Channel_Normal_Table")
        order = np.argsort(rows["Data_Point"])
        for name, values in zip(table.header, table.columns, strict=True):
            if name != "DateTime":
                np.testing.assert_array_equal(values, np.array(rows[name])[order])
