"""EC-Lab's binary files, through a stand-in for the optional package galvani."""

import datetime
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.biologic_mpr import read_biologic_mpr


def _file(fields, **attributes):
    """Class with the attributes of `galvani.BioLogic.MPRfile`."""
    data = np.zeros(4, fields)
    if "time/s" in data.dtype.names:
        data["time/s"] = range(4)
    if "flags" in data.dtype.names:
        data["flags"] = [0, 4, 4, 0]

    class MPRfile:
        def __init__(self, file):
            self.data, self.flags_dict = data, attributes.get("flags", {})
            self.loop_index = attributes.get("loop_index")
            if attributes.get("unreadable"):
                raise AssertionError
            self.version, self.startdate = 3, datetime.date(2024, 5, 7)
            if attributes.get("no_log"):
                raise ValueError("Could not find timestamp in the LOG module")
            self.timestamp = datetime.datetime(2024, 5, 7, 8)

        def get_flag(self, name):
            mask, kind = self.flags_dict[name]
            return np.array(self.data["flags"] & mask, kind)

    return MPRfile


def _read(monkeypatch, tmp_path, fields, **attributes):
    module = SimpleNamespace(MPRfile=_file(fields, **attributes))
    monkeypatch.setitem(sys.modules, "galvani", SimpleNamespace(BioLogic=module))
    monkeypatch.setitem(sys.modules, "galvani.BioLogic", module)
    path = tmp_path / "cell.mpr"
    path.write_bytes(b"x")
    (table,) = read_biologic_mpr(path)
    return table


_CYCLING = [("flags", "u1"), ("time/s", "<f8"), ("Ewe/V", "<f4"), ("half cycle", "<u4")]


def test_names_of_ec_lab_and_flags(monkeypatch, tmp_path):
    flags = {"ox/red": (np.uint8(4), np.bool_)}
    table = _read(monkeypatch, tmp_path, _CYCLING, flags=flags)
    assert table.header == ("ox/red", "time/s", "Ewe/V", "half cycle")
    assert table.columns[0].tolist() == [0, 1, 1, 0]
    assert table.meta == {"Acquisition started on": "2024-05-07T08:00:00"}


def test_number_of_the_loop(monkeypatch, tmp_path):
    starts = np.array([0, 3, 4], "u4")
    table = _read(monkeypatch, tmp_path, _CYCLING, loop_index=starts)
    assert table.columns[table.index("loop number")].tolist() == [0, 0, 0, 1]


def test_rows_are_kept_if_only_the_date_cannot_be_read(monkeypatch, tmp_path):
    table = _read(monkeypatch, tmp_path, _CYCLING, no_log=True)
    assert len(table) == 4
    assert "start of the measurement" in table.statements[0]


def test_an_unknown_column_is_left_out(monkeypatch, tmp_path):
    fields = [("time/s", "<f8"), ("unknown_colID_600", "<f4"), ("Ewe/V", "<f4")]
    table = _read(monkeypatch, tmp_path, fields)
    assert table.header == ("time/s", "Ewe/V")
    assert "600" in table.statements[0]


def test_columns_between_unknown_ones_have_no_certain_position(monkeypatch, tmp_path):
    # 4 + 2 bytes may also be 2 + 4: the voltage between them could be anything.
    fields = [("time/s", "<f8"), ("unknown_colID_600", "<f4"), ("Ewe/V", "<f4"),
              ("unknown_colID_601", "<u2"), ("I/mA", "<f4")]  # fmt: skip
    table = _read(monkeypatch, tmp_path, fields)
    assert table.header == ("time/s", "I/mA")
    assert "Ewe/V" in table.statements[1]


def test_unknown_columns_of_one_possible_size(monkeypatch, tmp_path):
    fields = [("time/s", "<f8"), ("unknown_colID_600", "<f8"), ("Ewe/V", "<f4"),
              ("unknown_colID_601", "<f8")]  # fmt: skip
    assert _read(monkeypatch, tmp_path, fields).header == ("time/s", "Ewe/V")


def test_a_failure_of_the_package_is_one_line(monkeypatch, tmp_path):
    with pytest.raises(DataError, match=r"this BioLogic \.mpr file .*\.mpt") as error:
        _read(monkeypatch, tmp_path, _CYCLING, unreadable=True)
    assert "\n" not in str(error.value)


def test_missing_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "galvani.BioLogic", None)
    with pytest.raises(DataError, match="pip install datalab-org-galvani"):
        read_biologic_mpr(tmp_path / "cell.mpr")
