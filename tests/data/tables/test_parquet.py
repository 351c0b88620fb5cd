"""Parquet and feather files: numbers, text, and times with their unit."""

import datetime
import sys

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.parquet import read_feather, read_parquet

pa = pytest.importorskip("pyarrow")


def _write(path, columns):
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)
    return path


def _columns(tmp_path, columns):
    (table,) = read_parquet(_write(tmp_path / "cell.parquet", columns))
    return table, dict(zip(table.header, table.columns, strict=True))


def test_numbers_of_all_types(tmp_path):
    table, columns = _columns(
        tmp_path,
        {
            "float": pa.array([1.5, None], pa.float32()),
            "integer": pa.array([3, None], pa.int64()),
            "flag": pa.array([True, False]),
            "decimal": pa.array([1, 2], pa.decimal128(10, 2)),
            "empty": pa.nulls(2),
        },
    )
    assert all(column.dtype == float for column in columns.values())
    np.testing.assert_array_equal(columns["float"], [1.5, np.nan])
    np.testing.assert_array_equal(columns["integer"], [3, np.nan])
    assert columns["flag"].tolist() == [1, 0]
    assert columns["decimal"].tolist() == [1, 2]
    assert np.isnan(columns["empty"]).all()
    assert table.units is None


def test_instants_and_durations(tmp_path):
    instant = datetime.datetime(2024, 5, 7, 8, 0, 0, 250000)
    table, columns = _columns(
        tmp_path,
        {
            "instant": pa.array([instant, None], pa.timestamp("us")),
            "zone": pa.array([instant, instant], pa.timestamp("us", "Europe/Berlin")),
            "day": pa.array([instant.date(), None]),
            "duration": pa.array([1500, None], pa.duration("ms")),
            "clock": pa.array([datetime.time(0, 1, 0, 500000), None]),
        },
    )
    assert columns["instant"].tolist() == ["2024-05-07T08:00:00.250", ""]
    assert columns["zone"][0] == "2024-05-07T08:00:00.250"
    assert columns["day"].tolist() == ["2024-05-07T00:00:00", ""]
    np.testing.assert_array_equal(columns["duration"], [1.5, np.nan])
    np.testing.assert_array_equal(columns["clock"], [60.5, np.nan])
    assert table.units == ("", "", "", "s", "s")


def test_text_and_categories(tmp_path):
    _, columns = _columns(
        tmp_path,
        {
            "text": pa.array(["CC", None]),
            "category": pa.array(["a", "b"]).dictionary_encode(),
            "large": pa.array(["x", "y"], pa.large_string()),
        },
    )
    assert columns["text"].tolist() == ["CC", ""]
    assert columns["category"].tolist() == ["a", "b"]
    assert columns["large"].tolist() == ["x", "y"]


def test_other_columns_are_left_out_with_a_statement(tmp_path):
    table, columns = _columns(tmp_path, {"t": [1.0], "curve": [[1.0, 2.0]]})
    assert list(columns) == ["t"]
    assert "curve" in table.statements[0]


def test_feather(tmp_path):
    from pyarrow import feather

    path = tmp_path / "cell.feather"
    feather.write_feather(pa.table({"t": [0.0, 1.0]}), path)
    (table,) = read_feather(path)
    assert table.columns[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"t": pa.array([], pa.float64())}, "no rows"),
        ({"t": [[1.0]]}, "expected columns"),
    ],
)
def test_files_without_values(tmp_path, columns, words):
    with pytest.raises(DataError, match=words):
        read_parquet(_write(tmp_path / "cell.parquet", columns))


def test_a_file_that_was_cut(tmp_path):
    path = _write(tmp_path / "cell.parquet", {"t": [0.0, 1.0]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cell\.parquet: this parquet file") as error:
        read_parquet(path)
    assert "\n" not in str(error.value)


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match="pip install pyarrow"):
        read_parquet(tmp_path / "cell.parquet")
