"""Files are recognised by their content; those that cannot be read are refused in a line."""

import gzip

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.read import read_tables

CONTENT = b"Time / s,Voltage / V\n0,3.1\n1,3.2\n"


def test_a_text_file(tmp_path):
    path = tmp_path / "cell.csv"
    path.write_bytes(CONTENT)
    (table,) = read_tables(path)
    assert table.path == path
    assert table.header == ("Time / s", "Voltage / V")


@pytest.mark.parametrize("name", ["cell.csv.gz", "cell.gz", "cell.csv"])
def test_a_packed_text_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT))
    (table,) = read_tables(path)
    assert table.path == path
    np.testing.assert_array_equal(table.columns[1], [3.1, 3.2])


def test_a_packed_binary_file(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    pq.write_table(pa.table({"Time / s": [0.0, 1.0]}), tmp_path / "a.parquet")
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    (table,) = read_tables(path)
    assert table.path == path
    np.testing.assert_array_equal(table.columns[0], [0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n", "is empty"),
        ("cut.csv.gz", gzip.compress(CONTENT, mtime=0)[:30], "cannot be unpacked"),
        ("none.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("image.dat", b"\x89PNG\r\n\x1a\n\0\0\0", "a PNG image"),
        ("unknown.dat", bytes(range(256)) * 9, "binary file of unknown format"),
    ],
)
def test_refused_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_tables(path)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be opened: No such file"):
        read_tables(tmp_path / "none.csv")


def test_a_folder(tmp_path):
    with pytest.raises(DataError, match="is a folder; expected a file"):
        read_tables(tmp_path)
