"""HDF5 files: frames of pandas, records, and data sets of one length."""

import pickle
import sys

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.hdf5 import read_hdf5

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cell.h5"


def test_pandas_frame_in_fixed_format(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("log")
        group.attrs["pandas_type"] = np.bytes_("frame")
        group.attrs["nblocks"] = 2
        group["axis0"] = np.array([b"time_s", b"cycle", b"voltage_v", b"state"])
        group["axis1"] = np.arange(2)
        group["block0_items"] = np.array([b"time_s", b"voltage_v"])
        group["block0_values"] = np.array([[0.0, 4.0], [1.0, 3.9]], "f4")
        group["block1_items"] = np.array([b"state"])
        kind = h5py.vlen_dtype(np.uint8)
        group.create_dataset("block1_values", (1,), kind)[0] = np.frombuffer(b"x", "u1")
    (table,) = read_hdf5(path)
    assert table.label == "log"
    assert table.header == ("time_s", "voltage_v")
    assert table.columns[1].tolist() == pytest.approx([4.0, 3.9])
    assert "state" in table.statements[0]


def test_pandas_frame_in_table_format(path):
    kinds = [
        ("index", "i8"),
        ("values_block_0", "f8", (2,)),
        ("values_block_1", "i8", (1,)),
    ]
    records = np.zeros(3, kinds)
    records["values_block_0"] = [[0.0, 4.0], [1.0, 3.9], [2.0, 3.8]]
    records["values_block_1"] = 7
    with h5py.File(path, "w") as file:
        table = file.create_dataset("raw/table", data=records)
        for i, names in enumerate((["test_time", "voltage"], ["cycle_index"])):
            kind = np.bytes_(pickle.dumps(names, 0))
            table.attrs[f"values_block_{i}_kind"] = kind
    (table,) = read_hdf5(path)
    assert table.label == "raw"
    assert table.header == ("index", "test_time", "voltage", "cycle_index")
    assert table.columns[2].tolist() == [4.0, 3.9, 3.8]
    assert table.columns[3].tolist() == [7, 7, 7]


def test_records_with_named_fields(path):
    records = np.array([(0.0, b"CC"), (1.0, b"CV")], [("t", "f8"), ("mode", "S2")])
    with h5py.File(path, "w") as file:
        file["a/data"] = records
    (table,) = read_hdf5(path)
    assert table.label == "a/data"
    assert table.columns[1].tolist() == ["CC", "CV"]


def test_data_sets_of_one_length_in_a_group(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("cell 1")
        group["time"] = np.arange(3.0)
        group["voltage"] = np.array([[4.0], [3.9], [3.8]])
        group["state"] = ["CC", "CC", "CV"]
        group["parameters"] = np.arange(7.0)
        group.attrs["mass_mg"] = 1.5
    (table,) = read_hdf5(path)
    assert set(table.header) == {"time", "voltage", "state"}
    assert table.columns[table.index("voltage")].tolist() == [4.0, 3.9, 3.8]
    assert table.meta == {"mass_mg": "1.5"}


def test_a_file_without_a_table(path):
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros((3, 3))
    with pytest.raises(DataError, match=r"found \['/image'\]"):
        read_hdf5(path)


def test_a_file_that_was_cut(path):
    with h5py.File(path, "w") as file:
        file["t"] = np.arange(1000.0)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"cell\.h5: this HDF5 file") as error:
        read_hdf5(path)
    assert "\n" not in str(error.value)


def test_missing_package(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match="pip install h5py"):
        read_hdf5(path)
