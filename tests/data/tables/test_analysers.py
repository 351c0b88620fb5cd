"""Files of impedance analysers: Zahner, PalmSens and Ivium."""

import json

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.ivium import is_ivium, read_ivium
from battprob.data.tables.palmsens import is_palmsens, read_palmsens
from battprob.data.tables.zahner import is_zahner_ism, read_zahner_ism

_FREQUENCY = np.array([1.0, 10.0, 100.0])
_IMPEDANCE = np.array([3 - 1j, 2 - 0.5j, 1 - 0.1j])


def _zahner(path, frequency, impedance, points=None):
    count = len(frequency) if points is None else points
    arrays = [frequency, np.abs(impedance), np.angle(impedance), 0 * frequency]
    content = (-2 & 0xFFFFFFFF).to_bytes(6, "big") + (count - 1).to_bytes(6, "big")
    content += b"".join(np.asarray(a, ">f8").tobytes() for a in arrays)
    path.write_bytes(content + bytes(2 * len(frequency)))
    return path


def test_zahner(tmp_path):
    path = _zahner(tmp_path / "a.ism", _FREQUENCY, _IMPEDANCE)
    (table,) = read_zahner_ism(path)
    frequency, real, imaginary = table.columns
    np.testing.assert_array_equal(frequency, _FREQUENCY)
    np.testing.assert_allclose(real + 1j * imaginary, _IMPEDANCE, rtol=1e-12)
    assert table.statements == ()


def test_zahner_points_on_the_way_to_the_end_of_the_range_are_left_out(tmp_path):
    frequency = np.array([10.0, 100.0, 10.0, 1.0])
    path = _zahner(tmp_path / "a.ism", frequency, np.array([9, 1, 2, 3]) * (1 - 0.1j))
    (table,) = read_zahner_ism(path)
    np.testing.assert_array_equal(table.columns[0], [1, 10, 100])
    np.testing.assert_allclose(table.columns[1], [3, 2, 1])
    assert table.statements[0].startswith("1 of 4 points")


def test_zahner_is_recognised_without_its_suffix(tmp_path):
    path = _zahner(tmp_path / "a.dat", _FREQUENCY, _IMPEDANCE)
    assert is_zahner_ism(path, path.read_bytes())
    path.write_bytes(b"\0\0\xff\xff\xff" + bytes(40))
    assert not is_zahner_ism(path, path.read_bytes())


@pytest.mark.parametrize(
    ("frequency", "points", "words"),
    [(_FREQUENCY, 2000, "2000 points"), (-_FREQUENCY, None, "point 0 .* -1 Hz")],
)
def test_a_damaged_zahner_file(tmp_path, frequency, points, words):
    path = _zahner(tmp_path / "a.ism", frequency, _IMPEDANCE, points)
    with pytest.raises(DataError, match=words):
        read_zahner_ism(path)


def test_equal_to_the_package_of_the_manufacturer(data_folder):
    package = pytest.importorskip("zahner_analysis.file_import.ism_import")
    for path in (data_folder / "instrument_files").glob("spectra/zahner/*.ism"):
        (table,) = read_zahner_ism(path)
        expected = package.IsmImport(str(path))
        np.testing.assert_allclose(table.columns[0], expected.getFrequencyArray())
        impedance = table.columns[1] + 1j * table.columns[2]
        np.testing.assert_allclose(impedance, expected.getComplexImpedanceArray())


def _array(quantity, symbol, kind, values, **more):
    unit = {"Type": f"PalmSens.Units.{kind}", "S": symbol, "Q": quantity}
    return {"Unit": unit, "DataValues": [{"V": v} for v in values], **more}


def _palmsens(path, *measurements, encoding="utf-16"):
    session = {"Type": "PalmSens.DataFiles.SessionFile", "Measurements": measurements}
    text = json.dumps(session) + ("\ufeff" if encoding == "utf-16" else "")
    path.write_bytes(text.encode(encoding))
    return path


def _measurement(title, *arrays):
    return {"Title": title, "DataSet": {"Values": arrays}}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_palmsens(tmp_path, encoding):
    spectrum = _measurement(
        "EIS",
        _array("Current", "A", "MicroAmpere", [1.0] * 5),
        _array("Frequency", "Hz", "Hertz", _FREQUENCY),
        _array("Z'", "Ω", "ZRe", _IMPEDANCE.real),
        _array("-Z''", "Ω", "ZIm", -_IMPEDANCE.imag),
        _array("Z", "Ω", "Z", np.abs(_IMPEDANCE)),
        _array("x", "", "FixedUnit", [0.0] * 3, Hidden=True),
    )
    cycling = _measurement(
        "CP",
        _array("Time", "s", "Time", [0.0, 1.0]),
        _array("Current", "A", "MicroAmpere", [5.0, 5.0]),
    )
    path = _palmsens(tmp_path / "a.pssession", spectrum, cycling, encoding=encoding)
    assert is_palmsens(path.read_bytes()[:8192])
    first, second = read_palmsens(path)
    assert first.header == ("Frequency", "Z'", "-Z''", "|Z|")
    np.testing.assert_array_equal(first.columns[2], -_IMPEDANCE.imag)
    assert first.label == "EIS"
    assert second.units == ("s", "uA")


def test_palmsens_without_measurements(tmp_path):
    path = _palmsens(tmp_path / "a.pssession", _measurement("empty"))
    with pytest.raises(DataError, match="no measurement"):
        read_palmsens(path)


def test_a_palmsens_file_that_was_cut(tmp_path):
    path = _palmsens(tmp_path / "a.pssession", _measurement("empty"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="damaged or incomplete"):
        read_palmsens(path)


def _ivium(path, method, *blocks):
    settings = f"\r\nMethod={method}\r\nTechnique=Constant E\r\nDconfig=0\r\n".encode()
    content = bytes(16) + settings
    for rows in blocks:
        lines = [f"{z.real:.5E}  {z.imag:.5E}\t{f:.5E} " for f, z in rows]
        text = "\r\n".join(["primary_data    ", "3  ", f"{len(rows)}  ", *lines, ""])
        content += b"\x07\0\0\0" + text.encode()
    path.write_bytes(content)
    return path


_POINTS = list(zip(_FREQUENCY, _IMPEDANCE, strict=True))


def test_ivium(tmp_path):
    path = _ivium(tmp_path / "a.idf", "Impedance", _POINTS)
    (table,) = read_ivium(path)
    real, imaginary, frequency = table.columns
    np.testing.assert_array_equal(frequency, _FREQUENCY)
    np.testing.assert_array_equal(real + 1j * imaginary, _IMPEDANCE)


def test_several_ivium_spectra_in_a_file_of_another_name(tmp_path):
    path = _ivium(tmp_path / "a.bin", "Impedance", _POINTS, _POINTS[:2])
    assert is_ivium(path, path.read_bytes())
    assert [len(table) for table in read_ivium(path)] == [3, 2]


def test_other_methods_of_ivium_are_refused(tmp_path):
    path = _ivium(tmp_path / "a.idf", "CyclicVoltammetry", _POINTS)
    with pytest.raises(
        DataError, match=r"'CyclicVoltammetry'.*export it from IviumSoft"
    ):
        read_ivium(path)


def test_an_ivium_file_that_was_cut(tmp_path):
    path = _ivium(tmp_path / "a.idf", "Impedance", _POINTS)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(DataError, match="damaged or incomplete"):
        read_ivium(path)
