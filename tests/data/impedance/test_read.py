"""Files of instruments are read as spectra, with names, statements and conditions."""

import json

import numpy as np
import pytest

from battprob import DataError
from battprob.data import read_spectra, read_spectrum
from battprob.data.impedance.consistency import sign_is_reversed
from tests.data.impedance.files import (
    FREQUENCY,
    TRUE,
    ec_lab,
    gamry,
    plain,
    rows,
    zplot,
    zplot_quoted,
)
from tests.data.impedance.tables import arcs, decades


@pytest.fixture
def written(tmp_path):
    """Function that writes a text to a file and returns its path."""

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
        (plain(names="", delimiter="   "), "utf-8"),
        (plain(names="f [kHz];Z';-Z''", scale=(1e-3, 1, -1), delimiter=";"), "utf-8"),
        (
            plain("Freq/mHz\tReal (MOhm)\tImag (mΩ)", (1e3, 1e-6, 1e3), "\t"),
            "utf-16",
        ),
        (
            plain(names="frequency_hertz,real_impedance_ohm,imaginary_impedance_ohm"),
            "utf-8",
        ),
        (
            plain(names="# made\nFreq,Zre,Zim\nkHz,mOhm,Ohm", scale=(1e-3, 1e3, 1)),
            "utf-8",
        ),
    ],
)
def test_signs_and_units_of_every_format(written, text, encoding):
    """Assert that all formats give the same frequencies and impedances."""
    spectrum = read_spectrum(written(text, encoding))
    np.testing.assert_allclose(spectrum.frequency_hz, FREQUENCY, rtol=1e-14)
    np.testing.assert_allclose(spectrum.impedance_ohm, TRUE, rtol=1e-14)
    assert spectrum.name == "cell7"


def test_statements_tell_the_interpretation(written):
    """Assert that columns, units, signs and omitted rows are stated."""
    rest = rows([0.0], [0.0], [0.0], [0.0], [0.0], [1.0])
    spectrum = read_spectrum(written(ec_lab() + rest))
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE)
    assert spectrum.statements[-4:] == (
        "frequency from column 'freq/Hz', in Hz",
        "real part from column 'Re(Z)/Ohm', in ohm",
        "imaginary part from column '-Im(Z)/Ohm', in ohm, with its sign reversed",
        "1 row with frequency 0 omitted, the first in line 9",
    )
    statements = read_spectrum(written(plain(names=""))).statements
    assert (
        "no header: columns taken as frequency in Hz, real part and" in statements[-1]
    )


def test_columns_by_name(written):
    """Assert that the caller can name columns that are not recognised."""
    path = written(plain(names="w,Zr,Zq", scale=(1, 1, -1)))
    with pytest.raises(DataError, match="found 0 columns for the frequency among"):
        read_spectrum(path)
    columns = {"frequency_hz": "w", "real_ohm": "Zr"}
    spectrum = read_spectrum(path, **columns, minus_imaginary_ohm="Zq")
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE)
    spectrum = read_spectrum(path, **columns, imaginary_ohm="Zq")
    np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE.conj())
    with pytest.raises(DataError, match="no column 'Im'"):
        read_spectrum(path, **columns, imaginary_ohm="Im")
    with pytest.raises(TypeError, match="unexpected keyword argument 'freq'"):
        read_spectrum(path, freq="w")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (ec_lab(num_sweeps=2), ["cell7/1", "cell7/2"]),
        (gamry(num_tables=2), ["cell7/ZCURVE 1", "cell7/ZCURVE 2"]),
        (
            plain() + rows(FREQUENCY, TRUE.real, TRUE.imag, delimiter=","),
            ["cell7/1", "cell7/2"],
        ),
        (
            "f,Re,Im,f,Re,Im\n"
            + rows(*2 * (FREQUENCY, TRUE.real, TRUE.imag), delimiter=","),
            ["cell7/block 1", "cell7/block 2"],
        ),
    ],
)
def test_sweeps_of_one_file_are_separate_spectra(written, text, names):
    """Assert that sweeps, tables and blocks of columns are not merged, and are named."""
    path = written(text)
    spectra = read_spectra(path)
    assert [one.name for one in spectra] == names
    for spectrum in spectra:
        np.testing.assert_array_equal(spectrum.impedance_ohm, TRUE)
    with pytest.raises(DataError, match="has 2 spectra: use read_spectra"):
        read_spectrum(path)


def test_labels_and_conditions(written):
    """Assert that a column names the spectra, and constant columns are in `meta`."""
    header, *lines = plain().splitlines()
    labelled = [f"{cell},25,{line}" for cell in ("a 1", "b") for line in lines]
    path = written("\n".join([f"cell,T (degC),{header}", *labelled]))
    first, second = read_spectra(path)
    assert (first.name, second.name) == ("cell7/a 1", "cell7/b")
    assert second.meta["cell"] == "b"
    assert second.meta["T (degC)"] == 25
    assert "2 spectra, distinguished by column 'cell'" in first.statements
    assert [one.name for one in read_spectra(path, by=["cell"])] == [
        "cell7/a 1",
        "cell7/b",
    ]


def test_reversed_sign_is_refused_and_can_be_corrected(written):
    """Assert that one spectrum with -Im Z is named, and both remedies work."""
    f, z = decades(), arcs(decades())
    table = rows(f, z.real, z.imag, ["a"] * 13, delimiter=",")
    table += rows(f, z.real, -z.imag, ["b"] * 13, delimiter=",")
    path = written("f/Hz,Re/Ohm,Im/Ohm,cell\n" + table)
    with pytest.raises(DataError, match=r"'cell7/b': Im Z .* is positive at all frequ"):
        read_spectra(path)
    kept = read_spectra(path, imaginary_sign="keep")
    np.testing.assert_allclose(kept[1].impedance_ohm, z.conj(), rtol=1e-12)
    turned = read_spectra(path, imaginary_sign="reverse")
    np.testing.assert_allclose(turned[1].impedance_ohm, z, rtol=1e-12)
    turned = read_spectra(
        written("f,a,b\n" + rows(f, z.real, -z.imag, delimiter=",")),
        real_ohm="a",
        minus_imaginary_ohm="b",
    )
    np.testing.assert_allclose(turned[0].impedance_ohm, z, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cell7.txt is empty"),
        ("freq/Hz,Re,Im\n", "cell7.txt"),
        (plain() + "10,x,2\n9,1,1\n", "line 5: re_ohm must be a number, got 'x'"),
        (plain() + "10,2\n9,1,1\n", "line 5: expected 3 fields"),
        (plain() + "-1,2,2\n", "line 5: frequency_hz is -1; expected a positive freq"),
        (
            plain() + "1,nan,2\n",
            "line 5: re_ohm is missing; correct or remove this row",
        ),
        (plain() + ",2,2\n", "line 5: frequency_hz is missing"),
        ("1,2,3,4\n2,3,4,5\n", "no header and 4 columns"),
        (plain(names="f,re_V,im_ohm"), "column 're_V' .* unit 'V'; expected ohm"),
        (plain(names="freq,f/Hz,im_ohm"), "found 2 columns for the frequency"),
        (gamry().replace("ZCURVE", "CURVE").replace("Freq", "Vm"), "Gamry.*OCVCURVE"),
    ],
)
def test_refusals_are_one_line_with_a_place(written, text, message):
    """Assert that the line or the column is named."""
    with pytest.raises(DataError, match=message) as error:
        read_spectra(written(text))
    assert "\n" not in str(error.value)


def test_measured_spectra(data_folder):
    """Assert that 180 measured spectra are accepted, and refused with the wrong sign."""
    path = data_folder / "eis_soc_replicates" / "eis.csv"
    measured = read_spectra(path, by=["battery", "run", "soc_percent"])
    assert all(len(spectrum.frequency_hz) == 14 for spectrum in measured)
    decisions = [
        (
            sign_is_reversed(one.frequency_hz, one.impedance_ohm),
            sign_is_reversed(one.frequency_hz, one.impedance_ohm.conj()),
        )
        for one in measured
    ]
    assert decisions == [(False, True)] * 180
    assert len(read_spectra(path)) == 180


def test_files_of_instruments(data_folder):
    """Assert points, first and last impedance of every sweep of the reference files.

    Only files that the manifest allows to be refused may be refused.
    """
    folder = data_folder / "instrument_files"
    if not folder.is_dir():
        pytest.skip("reference files of instruments absent")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    entries = [entry for entry in manifest if entry["kind"] == "spectra"]
    wrong = [entry["path"] for entry in entries if not _is_right(folder, entry)]
    assert not wrong


def _is_right(folder, entry):
    try:
        spectra = read_spectra(folder / entry["path"])
    except DataError as error:
        return entry["refusal"] != "no" and "\n" not in str(error)
    return any(
        len(answer["sweeps"]) == len(spectra)
        and all(map(_agrees, spectra, answer["sweeps"]))
        for answer in entry.get("answers", [])
    )


def _agrees(spectrum, sweep):
    expected = np.array([sweep["first"], sweep["last"]])
    frequency, impedance = spectrum.frequency_hz, spectrum.impedance_ohm
    ends = np.array([0, -1])  # either order is right
    return len(frequency) == sweep["points"] and any(
        np.allclose(frequency[order], expected[:, 0], rtol=1e-4)
        and np.allclose(
            impedance[order], expected[:, 1] + 1j * expected[:, 2], rtol=1e-3
        )
        for order in (ends, ends[::-1])
    )
