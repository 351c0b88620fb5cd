"""Spectra of all formats have the correct units and sign, and list the assumptions."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from battprob import DataError
from battprob.data import Spectrum, read_spectra, read_spectrum

TRUE = np.array([10 - 2j, 20 + 1j, 25 - 8j])
FREQUENCY = np.array([1000.0, 100.0, 0.5])


def rows(*columns, delimiter="\t", start=""):
    return (
        "\n".join(
            start + delimiter.join(map(str, row)) for row in zip(*columns, strict=True)
        )
        + "\n"
    )


def gamry():
    table = rows(range(3), FREQUENCY, TRUE.real, TRUE.imag, start="\t")
    drift = "OCVCURVE\tTABLE\t1\n\tPt\tT\tVf\n\t#\ts\tV\n\t0\t1\t-0.3\n"
    head = "ZCURVE\tTABLE\n\tPt\tFreq\tZreal\tZimag\n\t#\tHz\tohm\tohm\n"
    return f"EXPLAIN\nTAG\tEISPOT\n{drift}{head}{table}EXPERIMENTABORTED\tTOGGLE\tT\n"


def zplot():
    names = "  Freq(Hz)\tAmpl\tBias\tTime(Sec)\tZ'(a)\tZ''(b)\tGD\tErr\tRange\n"
    zero = np.zeros(3)
    table = rows(FREQUENCY, zero, zero, zero, TRUE.real, TRUE.imag, zero, zero, zero)
    return f"ZPLOT2 ASCII\n  Data Points:   3\n{names}End Comments\n{table}"


def zplot_quoted():
    names = "\"  Freq(Hz)    Ampl     Time(Sec)   Z'(a)    Z''(b)    GD   Err\"\n"
    zero = np.zeros(3)
    table = rows(
        FREQUENCY, zero, zero, TRUE.real, TRUE.imag, zero, zero, delimiter=", "
    )
    return f'"ZPlotW Data File: Version 3.2c"\n"Raw Data"\n{names}{table}'


def ec_lab(comma=False):
    names = "freq/Hz\tRe(Z)/Ohm\t-Im(Z)/Ohm\t|Z|/Ohm\tRe(Y)/Ohm-1\tcycle number\t\n"
    one = np.ones(3)
    table = rows(FREQUENCY, TRUE.real, -TRUE.imag, one, one, one)
    table = table.replace(".", ",") if comma else table
    head = "Nb header lines : 5    \n\nArea : 0.001 cm²\n"
    return f"EC-Lab ASCII FILE\n{head}{names}{table}"


def plain(names="frequency_hz,re_ohm,im_ohm", scale=(1, 1, 1), delimiter=","):
    columns = (FREQUENCY, TRUE.real, TRUE.imag)
    scaled = (factor * column for factor, column in zip(scale, columns, strict=True))
    return (names + "\n" if names else "") + rows(*scaled, delimiter=delimiter)


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "cell7.txt"
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (gamry(), "cp1252"),
        (zplot(), "utf-8"),
        (zplot_quoted(), "utf-8"),
        (ec_lab(), "cp1252"),
        (ec_lab(comma=True), "cp1252"),
        (plain(), "utf-8-sig"),
        (plain(names=""), "utf-8"),
        (plain(names="f [kHz];Z';-Z''", scale=(1e-3, 1, -1), delimiter=";"), "utf-8"),
        (plain(names="Freq/mHz\tReal (MOhm)\tImag (mΩ)", scale=(1e3, 1e-6, 1e3)), None),
        (
            plain(names="frequency_hertz,real_impedance_ohm,imaginary_impedance_ohm"),
            None,
        ),
    ],
)
def test_signs_and_units_of_every_format(written, text, encoding):
    if "mΩ" in text:
        text = text.replace(",", "\t")
    spectrum = read_spectrum(written(text, encoding or "utf-8"))
    np.testing.assert_allclose(spectrum.frequency_hz, FREQUENCY, rtol=1e-14)
    np.testing.assert_allclose(spectrum.impedance_ohm, TRUE, rtol=1e-14)
    assert spectrum.name == "cell7"


def test_assumptions_are_listed(written):
    assumptions = read_spectrum(written(ec_lab())).assumptions
    assert assumptions == (
        "frequency from column 'freq/Hz', in Hz",
        "real part from column 'Re(Z)/Ohm', in ohm",
        "imaginary part from column '-Im(Z)/Ohm', in ohm, with its sign reversed",
    )
    (assumption,) = read_spectrum(written(plain(names=""))).assumptions
    assert "no header: columns taken as frequency in Hz, real part and" in assumption


def test_binary_ec_lab_through_its_package(tmp_path, monkeypatch):
    path = tmp_path / "cell7.mpr"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="needs the package 'galvani'"):
        read_spectrum(path)
    names = ["freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm", "cycle number"]
    columns = [FREQUENCY, TRUE.real, -TRUE.imag, np.ones(3)]
    records = np.rec.fromarrays(columns, names=names)
    file = SimpleNamespace(MPRfile=lambda path: SimpleNamespace(data=records))
    monkeypatch.setitem(sys.modules, "galvani", SimpleNamespace(BioLogic=file))
    monkeypatch.setitem(sys.modules, "galvani.BioLogic", file)
    np.testing.assert_array_equal(read_spectrum(path).impedance_ohm, TRUE)


def test_columns_by_name(written):
    path = written(plain(names="w,Zr,Zi", scale=(1, 1, -1)))
    with pytest.raises(DataError, match="found 0 columns for the frequency among"):
        read_spectrum(path)
    columns = {"frequency_hz": "w", "real_ohm": "Zr"}
    spectrum = read_spectrum(path, **columns, minus_imaginary_ohm="Zi")
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE)
    spectrum = read_spectrum(path, **columns, imaginary_ohm="Zi")
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE.conj())
    with pytest.raises(DataError, match="name three columns"):
        read_spectrum(path, **columns)
    with pytest.raises(DataError, match="no column 'Im'"):
        read_spectrum(path, **columns, imaginary_ohm="Im")


def test_sweeps_of_one_file_are_separate_spectra(written):
    second = rows(FREQUENCY, TRUE.real, TRUE.imag, [1, 1, 1], [1, 1, 1], [2, 2, 2])
    path = written(ec_lab() + second)
    first, second = read_spectra(path)
    assert (first.name, second.name) == ("cell7/1.0", "cell7/2")
    np.testing.assert_array_equal(second.impedance_ohm, TRUE.conj())
    assert second.meta["cycle number"] == "2"
    with pytest.raises(DataError, match="has 2 spectra: use read_spectra"):
        read_spectrum(path)


def test_spectra_under_one_header_are_distinguished_by_a_column_of_text(written):
    table = plain().splitlines()
    labelled = [
        "cell," + table[0],
        *(f"{c},{line}" for c in "ab" for line in table[1:]),
    ]
    path = written("\n".join(labelled) + "\n")
    first, second = read_spectra(path)
    assert first.name.endswith("/a")
    assert second.meta["cell"] == "b"
    assert "2 spectra, distinguished by column 'cell'" in first.assumptions
    with pytest.raises(DataError, match="has 2 spectra: use read_spectra"):
        read_spectrum(path)


def test_repeated_frequencies_without_a_label_are_listed(written):
    table = plain().splitlines()
    path = written("\n".join([*table, *table[1:]]) + "\n")
    (spectrum,) = read_spectra(path)
    assert any("occurs 2 times" in line for line in spectrum.assumptions)


def test_rest_periods_are_omitted_and_listed(written):
    rest = rows([0.0], [0.0], [0.0], [0.0], [0.0], [1.0])
    spectrum = read_spectrum(written(ec_lab() + rest))
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE)
    assert (
        spectrum.assumptions[-1]
        == "1 rows with frequency 0 omitted, the first in line 9"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cell7.txt is empty"),
        ("freq/Hz,Re,Im\n", "expected a table of numbers"),
        (plain() + "10,x,2\n", "line 5: re_ohm must be a number, got 'x'"),
        (plain() + "\n10,2\n", "line 6: expected 3 fields, got 2: .* truncated"),
        (gamry()[:-60], "line 11: expected 5 fields, got 2"),
        (plain() + "-1,2,2\n", "row 3 .* has frequency -1 Hz"),
        (plain() + "1,nan,2\n", r"row 3 .* impedance nan\+2j ohm"),
        ("1,2,3,4\n", "no header and 4 columns"),
        (plain(names="f,re_V,im_ohm"), "found 0 columns for the real part"),
        (plain(names="freq,f/Hz,im_ohm"), "found 2 columns for the frequency"),
        (plain(names="freq/GHz,re,im"), "has the unit 'GHz'; expected Hz"),
        ("EC-Lab ASCII FILE\nfreq/Hz\n", "line 2: expected 'Nb header lines"),
        ("EC-Lab ASCII FILE\nNb header lines : 9\n", "states 9 header lines"),
        ("ZPLOT2 ASCII\n1,2\n", "a line with 'Freq"),
    ],
)
def test_errors_name_line_and_column(written, text, message):
    with pytest.raises(DataError, match=message):
        read_spectrum(written(text))


def test_a_spectrum_is_read_only_and_validated():
    spectrum = Spectrum("a", [10.0], [1 + 1j])
    with pytest.raises(ValueError, match="read-only"):
        spectrum.impedance_ohm[0] = 2
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(1,\)"):
        Spectrum("a", [10.0, 1.0], [1 + 1j])


def test_real_tables(data_folder):
    path = data_folder / "eis_soc_replicates" / "eis.csv"
    spectra = read_spectra(path, by=["battery", "run", "soc_percent"])
    assert len(spectra) == 180
    assert all(len(spectrum.frequency_hz) == 14 for spectrum in spectra)
    assert all(spectrum.impedance_ohm.real.min() > 0 for spectrum in spectra)
