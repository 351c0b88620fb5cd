"""Real text files of instruments: numbers of rows and header names are right.

The reference values were found without battprob (`manifest.json` of the data).
"""

import json

import pytest

from battprob import DataError
from battprob.data.tables.read import read_tables

_SUFFIXES = (".csv", ".txt", ".mpt", ".dta", ".z", ".par", ".dfr", ".i2b")
_MACCOR = "maccor_nnn"


@pytest.fixture(scope="module")
def folder(data_folder):
    folder = data_folder / "instrument_files"
    if not (folder / "manifest.json").is_file():
        pytest.skip("no files of instruments")
    return folder


def _entries(folder, kind):
    for entry in json.loads((folder / "manifest.json").read_text()):
        name = entry["path"].lower()
        is_text = name.endswith(_SUFFIXES) or _MACCOR in name
        if entry["kind"] == kind and is_text and entry["refusal"] != "expected":
            yield entry, read_tables(folder / entry["path"])


def test_rows_and_names_of_cycler_logs(folder):
    checked = 0
    for entry, tables in _entries(folder, "timeseries"):
        (table,) = tables
        assert len(table) == pytest.approx(entry["rows"], rel=1e-3), entry["path"]
        for name in ("voltage", "current"):
            expected = (entry["columns"].get(name) or "").partition(",")[0]
            if expected and "(" not in expected:
                assert expected in table.header, entry["path"]
        checked += 1
    assert checked > 30


def test_points_of_spectra(folder):
    checked = 0
    for entry, tables in _entries(folder, "spectra"):
        points = sum(sweep["points"] for sweep in entry["answers"][0]["sweeps"])
        rows = [len(table) for table in tables]
        # Rows of frequency 0 precede some sweeps and are no points.
        assert any(points <= count <= 1.1 * points for count in rows), entry["path"]
        checked += 1
    assert checked > 25


def test_a_header_without_the_frequency_is_refused(folder):
    path = folder / "spectra/eclab_mpt/exampleDataBioLogic_MissingFreq.mpt"
    with pytest.raises(DataError, match="line 61: the header has 17 names"):
        read_tables(path)
