"""Neware's binary files, through a stand-in for the package fastnda."""

import logging
import sys
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.neware_binary import read_neware_binary

pl = pytest.importorskip("polars")


def _frame(rows=2):
    columns = {
        "index": pl.Series(range(1, rows + 1), dtype=pl.UInt32),
        "voltage_V": pl.Series([3.5] * rows, dtype=pl.Float32),
        "step_type": pl.Series(["Rest"] * rows, dtype=pl.Categorical),
        "aux1_temperature_degC": pl.Series([None] * rows, dtype=pl.Float32),
    }
    return pl.DataFrame(columns)


def _read(monkeypatch, path, read, metadata=lambda file: {}):
    module = SimpleNamespace(read=read, read_metadata=metadata)
    monkeypatch.setitem(sys.modules, "fastnda", module)
    if not path.exists():
        path.write_bytes(b"NEWARE")
    (table,) = read_neware_binary(path)
    return table


def test_columns_of_numbers_and_text(monkeypatch, tmp_path):
    modes = []

    def read(file, cycle_mode):
        modes.append(cycle_mode)
        return _frame()

    metadata = {"Step": {"Head_Info": {"x": 1}}, "TestInfo": {"Barcode": "A1"}}
    table = _read(monkeypatch, tmp_path / "a.nda", read, lambda file: metadata)
    assert modes == ["raw"]  # the numbers that the instrument stored
    assert table.columns[1].tolist() == [3.5, 3.5]
    assert table.columns[2].tolist() == ["Rest", "Rest"]
    assert np.isnan(table.columns[3]).all()
    assert table.meta == {"Barcode": "A1"}


def test_warnings_become_statements_and_nothing_is_printed(
    monkeypatch, tmp_path, capfd
):
    def read(file, cycle_mode):
        sys.stdout.write("progress")
        warnings.warn("version 9 has not been verified", UserWarning, stacklevel=1)
        logging.getLogger("fastnda.ndax").warning("negative jumps in the time")
        return _frame()

    table = _read(monkeypatch, tmp_path / "a.nda", read)
    assert set(table.statements) == {
        "fastnda: version 9 has not been verified",
        "fastnda: negative jumps in the time",
    }
    assert capfd.readouterr() == ("", "")


def test_unreadable_metadata_is_no_error(monkeypatch, tmp_path):
    def metadata(file):
        raise KeyError("x")

    table = _read(
        monkeypatch, tmp_path / "a.nda", lambda f, cycle_mode: _frame(), metadata
    )
    assert len(table) == 2


def test_a_file_under_another_name(monkeypatch, tmp_path):
    names = []

    def read(file, cycle_mode):
        names.append((file.name, file.read_bytes()))
        return _frame()

    _read(monkeypatch, tmp_path / "a.txt", read)
    assert names == [("copy.nda", b"NEWARE")]


def test_a_file_without_rows(monkeypatch, tmp_path):
    with pytest.raises(DataError, match=r"a\.nda: this Neware \.nda file has no rows"):
        _read(monkeypatch, tmp_path / "a.nda", lambda f, cycle_mode: _frame(0))


def test_a_version_that_the_package_refuses(monkeypatch, tmp_path):
    def read(file, cycle_mode):
        raise NotImplementedError("nda version 4 is not yet supported!")

    with pytest.raises(DataError, match=r"version 4 .*export it from Neware's BTSDA"):
        _read(monkeypatch, tmp_path / "a.nda", read)


def test_a_panic_of_a_package_in_rust(monkeypatch, tmp_path):
    class PanicException(BaseException):
        pass

    def read(file, cycle_mode):
        raise PanicException("index out of bounds\nnote: run with RUST_BACKTRACE=1")

    with pytest.raises(DataError, match="index out of bounds") as error:
        _read(monkeypatch, tmp_path / "a.nda", read)
    assert "\n" not in str(error.value)


def test_an_archive_of_noise(tmp_path):
    pytest.importorskip("fastnda")
    path = tmp_path / "a.ndax"
    path.write_bytes(b"PK\3\4" + bytes(range(256)))
    with pytest.raises(DataError, match=r"this Neware \.ndax file cannot be read"):
        read_neware_binary(path)


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fastnda", None)
    path = tmp_path / "a.nda"
    path.write_bytes(b"NEWARE")
    with pytest.raises(DataError, match=r"Neware \.nda .*pip install fastnda"):
        read_neware_binary(path)


def test_a_number_of_rows_that_differs_from_the_one_in_the_file(monkeypatch, tmp_path):
    def metadata(file):
        return {"num_datapoints": 5}

    path = tmp_path / "a.nda"
    table = _read(monkeypatch, path, lambda f, cycle_mode: _frame(2), metadata)
    assert "2 rows were read, but the file states 5" in table.statements[0]


def test_importing_the_package_does_not_change_zlib(monkeypatch, tmp_path):
    pytest.importorskip("fastnda")
    for name in [name for name in sys.modules if name.split(".")[0] == "fastnda"]:
        monkeypatch.delitem(sys.modules, name)
    functions = zlib.decompress, zlib.decompressobj
    path = tmp_path / "a.ndax"
    path.write_bytes(b"PK\3\4")
    with pytest.raises(DataError):
        read_neware_binary(path)
    assert (zlib.decompress, zlib.decompressobj) == functions
