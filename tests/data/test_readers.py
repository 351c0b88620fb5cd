"""Registered readers are used for their suffixes by all functions that read files."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from battprob import DataError
from battprob.data import (
    Cell,
    Spectrum,
    TimeSeries,
    read_file,
    readers,
    register_reader,
)
from battprob.eis import spectra_of_files
from battprob.features import features_of_files


@pytest.fixture(autouse=True)
def _no_registered_readers(monkeypatch):
    monkeypatch.setattr(readers, "_REGISTERED", {})


def read_log(path):
    """Rows of time in h, voltage in mV, discharge current in A and cycle number."""
    hour, millivolt, current, cycle = np.loadtxt(path, unpack=True)
    return [TimeSeries(path.stem, 3600 * hour, millivolt / 1e3, -current, cycle)]


def write_log(path, fade_ah):
    rows = []
    for cycle in range(1, 11):
        fraction = np.linspace(0, 1, 40)
        hour = 2 * cycle + (1.0 - fade_ah * cycle) * fraction
        millivolt = 4000 - 1000 * fraction - cycle * fraction * (1 - fraction)
        rows += [(h, v, 1.0, cycle) for h, v in zip(hour, millivolt, strict=True)]
    np.savetxt(path, rows)
    return path


def read_impedance(path):
    frequency, real, imaginary = np.loadtxt(path, unpack=True)
    return [Spectrum(path.stem, frequency, real + 1j * imaginary)]


def test_time_series_of_a_new_format_become_features(tmp_path):
    register_reader(".mylog")(read_log)
    paths = [
        write_log(tmp_path / f"{n}.MyLog", f) for n, f in (("a", 0.01), ("b", 0.02))
    ]
    made = features_of_files(paths, early_cycle=3, late_cycle=10)
    slopes = made.table.select(["fade_slope"]).x[:, 0]
    np.testing.assert_allclose(slopes, [-0.01, -0.02], rtol=1e-6)


def test_spectra_of_a_new_format_are_found_in_a_folder(tmp_path):
    register_reader(".zz", ".z2")(read_impedance)
    (tmp_path / "a.zz").write_text("100 1 -1\n10 2 -2\n")
    (tmp_path / "notes.pdf").write_text("")
    (spectrum,) = spectra_of_files([tmp_path])
    np.testing.assert_array_equal(spectrum.impedance_ohm, [1 - 1j, 2 - 2j])
    register_reader(".zz")(lambda path: [Cell(path.stem, [1], [1.0])])
    with pytest.raises(DataError, match=r"a.zz: expected a file of spectra"):
        spectra_of_files([tmp_path])


def test_the_longest_suffix_is_used_and_built_in_readers_can_be_replaced(tmp_path):
    path = tmp_path / "a.log.csv"
    path.write_text("cell,cycle,capacity_Ah\nu,1,1.0\n")
    assert read_file(path)[0].name == "u"
    register_reader(".csv")(lambda path: [Cell("short", [1], [1.0])])
    register_reader(".log.csv")(lambda path: [Cell("long", [1], [1.0])])
    assert read_file(path)[0].name == "long"
    register_reader(".log.csv")(lambda path: [Cell("later", [1], [1.0])])
    assert read_file(path)[0].name == "later"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], r"got 0 records of types \[\]"),
        (
            [Cell("a", [1], [1.0]), Spectrum("b", [1.0], [1j])],
            r"one or more records.* got 2 records of types \['Cell', 'Spectrum'\]",
        ),
        (["a"], r"got 1 records of types \['str'\]"),
    ],
)
def test_a_reader_must_return_records_of_one_type(tmp_path, records, message):
    path = tmp_path / "a.xyz"
    path.write_text("")
    register_reader(".xyz")(lambda path: records)
    with pytest.raises(DataError, match=message):
        read_file(path)


def test_the_decorator_returns_the_function():
    assert register_reader(".mylog")(read_log) is read_log


def test_a_suffix_without_dot_and_a_missing_file_are_errors(tmp_path):
    for suffixes in (("xyz",), (".",), ("",), (), (".a", "b")):
        with pytest.raises(DataError, match=r"as in @register_reader\('.xyz'\)"):
            register_reader(*suffixes)
    with pytest.raises(DataError, match="no file"):
        read_file(tmp_path / "a.xyz")


def install(monkeypatch, tmp_path, *entry_points):
    """Pretend that installed packages name readers as entry points."""
    (tmp_path / "volta_package.py").write_text(
        "from battprob.data import Cell\n"
        "def read_volta(path):\n"
        "    return [Cell('volta', [1], [1.0])]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = {}
    for name, value in entry_points:
        entry = EntryPoint(name, value, "battprob.readers")
        entries.setdefault(name, []).append(entry)
    monkeypatch.setattr(readers, "_entry_points", lambda: entries)
    readers._load.cache_clear()


def test_an_installed_package_registers_a_reader(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, (".volta", "volta_package:read_volta"))
    path = tmp_path / "a.VOLTA"
    path.write_text("")
    assert "volta_package" not in sys.modules
    assert read_file(path)[0].name == "volta"
    register_reader(".volta")(lambda path: [Cell("of the user", [1], [1.0])])
    assert read_file(path)[0].name == "of the user"


def test_packages_that_cannot_be_used_are_named(monkeypatch, tmp_path):
    install(
        monkeypatch,
        tmp_path,
        (".gone", "no_such_package:read"),
        (".both", "volta_package:read_volta"),
        (".both", "volta_package:read_volta"),
    )
    for suffix, message in [
        (".gone", "'no_such_package:read' of '.gone' files cannot be imported: Module"),
        (".both", r"all register a reader of '.both' files: .*@battprob.data"),
    ]:
        path = tmp_path / f"a{suffix}"
        path.write_text("")
        with pytest.raises(DataError, match=message):
            read_file(path)


def test_a_file_of_spectra_that_is_given_twice_is_read_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n10,1.5,0.5\n1,2,0.1\n")
    (spectrum,) = spectra_of_files([path, tmp_path, path])
    assert spectrum.name == "a"
