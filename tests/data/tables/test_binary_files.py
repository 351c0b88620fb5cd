"""Real binary files of instruments: rows, times, voltages and capacities are right.

The reference values were found without battprob (`manifest.json` of the data).
"""

import gzip
import json

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.binary import binary_reader

_PACKAGES = {
    ".res": "access_parser",
    ".mpr": "galvani",
    ".nda": "fastnda",
    ".ndax": "fastnda",
    ".xlsx": "python_calamine",
    ".xls": "python_calamine",
    ".parquet": "pyarrow",
    ".h5": "h5py",
}
# Names of the columns that the manifest does not name, by suffix of the file.
_NEWARE = {"time": "total_time_s", "voltage": "voltage_V", "cycle": "cycle_count"}


@pytest.fixture(scope="module")
def folder(data_folder):
    folder = data_folder / "instrument_files"
    if not (folder / "manifest.json").is_file():
        pytest.skip("no files of instruments")
    return folder


def _entries(folder, kind):
    """Entries of the manifest of binary files, and their readers."""
    for entry in json.loads((folder / "manifest.json").read_text()):
        if entry["kind"] != kind:
            continue
        path = folder / entry["path"]
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(8192)
        reader = binary_reader(
            path.with_suffix("") if path.suffix == ".gz" else path, head
        )
        if reader is not None:
            yield entry, path, reader


def _unpacked(path, tmp_path):
    if path.suffix != ".gz":
        return path
    copy = tmp_path / path.stem
    copy.write_bytes(gzip.decompress(path.read_bytes()))
    return copy


def _readable(path):
    package = _PACKAGES.get(
        path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    )
    if package:
        pytest.importorskip(package)


def _column(table, name):
    return table.columns[table.index(name)] if name in table.header else None


def test_rows_times_and_voltages_of_cycler_files(folder, tmp_path):
    count = 0
    for entry, source, reader in _entries(folder, "timeseries"):
        _readable(source)
        path = _unpacked(source, tmp_path)
        if entry["refusal"] == "expected":
            with pytest.raises(DataError):
                reader(path)
            continue
        (table,) = reader(path)
        assert len(table) == entry["rows"], path
        names = _NEWARE if "nda" in path.suffix else entry["columns"]
        time = _column(table, names["time"])
        if time is not None and time.dtype == float:
            scale = 1e-3 if "millisecond" in names["time"] else 1.0
            ends = scale * time[[0, -1]]
            np.testing.assert_allclose(ends, entry["time_s"], rtol=1e-5, atol=1e-5)
        voltage = _column(table, names["voltage"])
        assert voltage is not None, path
        limits = [np.nanmin(voltage), np.nanmax(voltage)]
        np.testing.assert_allclose(limits, entry["voltage_v"], rtol=1e-4, atol=1e-4)
        count += 1
    assert count


def test_capacities_by_the_counter_of_neware(folder):
    pytest.importorskip("fastnda")
    for entry, path, reader in _entries(folder, "timeseries"):
        if "nda" not in path.suffix or entry["refusal"] != "no":
            continue
        (table,) = reader(path)
        step = _column(table, "step_count")
        cycle = _column(table, "cycle_count")
        counter_ah = 1e-3 * _column(table, "capacity_mAh")
        starts = np.diff(step, prepend=-1) != 0
        charge_ah = np.where(starts, counter_ah, np.diff(counter_ah, prepend=0.0))
        answer, tolerance = entry["answers"][0], entry["tolerance"]
        for number, charged, discharged in zip(
            answer["cycle"], answer["charge_ah"], answer["discharge_ah"], strict=True
        ):
            steps = charge_ah[cycle == number]
            sums = [steps[steps > 0].sum(), -steps[steps < 0].sum()]
            np.testing.assert_allclose(
                sums,
                [charged, discharged],
                rtol=tolerance["capacity_relative"],
                atol=tolerance["capacity_ah"],
            )


def test_points_of_spectra(folder):
    for entry, path, reader in _entries(folder, "spectra"):
        _readable(path)
        tables = reader(path)
        expected = {
            sum(sweep["points"] for sweep in answer["sweeps"])
            for answer in entry["answers"]
        }
        assert sum(map(len, tables)) in expected, path
