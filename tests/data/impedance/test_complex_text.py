"""Impedances that are written as complex numbers are split into their two parts."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import read_spectrum

FREQUENCY = np.array([1e3, 1e2, 1e1])
IMPEDANCE = np.array([1 - 0.5j, 2 - 1e-3j, 3 + 0.25j])

STYLES = {
    "Python": lambda z: f"{z.real}{z.imag:+}j",
    "NumPy": lambda z: f"({z.real}{z.imag:+}j)",
    "Excel": lambda z: f"{z.real}{z.imag:+}i",
    "Matlab": lambda z: f"{z.real:.4f} {'-' if z.imag < 0 else '+'} {abs(z.imag):.4f}i",
    "factor": lambda z: f"{z.real:.4e}{z.imag:+.4e}*j",
    "unit first": lambda z: f"{z.real}{'-' if z.imag < 0 else '+'}j{abs(z.imag)}",
}


def write(folder, header, values):
    path = folder / "a.csv"
    lines = [f"{f},{z}" for f, z in zip(FREQUENCY, values, strict=True)]
    path.write_text("\n".join([header, *lines]))
    return path


@pytest.mark.parametrize("style", STYLES)
def test_styles_of_complex_numbers(style, tmp_path):
    path = write(tmp_path, "f/Hz,Z/Ohm", map(STYLES[style], IMPEDANCE))
    spectrum = read_spectrum(path)
    np.testing.assert_allclose(spectrum.impedance_ohm, IMPEDANCE)
    assert "column 'Z/Ohm' has complex numbers" in spectrum.statements


def test_the_unit_of_the_column_is_used(tmp_path):
    path = write(tmp_path, "f/Hz,Z/mOhm", map(STYLES["Python"], IMPEDANCE))
    np.testing.assert_allclose(read_spectrum(path).impedance_ohm, IMPEDANCE / 1e3)


def test_other_text_is_refused(tmp_path):
    path = write(tmp_path, "f/Hz,Z/Ohm", ["1-2j", "overload", "3-1j"])
    with pytest.raises(DataError, match="line 2: Z/Ohm must be a number, got '1-2j'"):
        read_spectrum(path)
