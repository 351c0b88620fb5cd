"""Columns of frequency and impedance are found by header or by name, else refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from battprob import DataError
from battprob.data.impedance.columns import (
    NamedColumns,
    find_columns,
    has_impedance,
    numbers,
)
from tests.data.impedance.tables import table

F, RE, IM = [1000.0, 10.0], [1.0, 3.0], [-0.5, -0.25]


def values(raw, **names):
    columns = find_columns(raw, NamedColumns(**names))
    return [numbers(raw, column).tolist() for column in columns.used]


def with_names(names, columns):
    """A table whose column names may be equal or empty."""
    raw = table({str(index): values for index, values in enumerate(columns)})
    return replace(raw, header=tuple(names))


def test_units_and_signs():
    """Assert that values arrive in Hz and ohm with the sign of the header."""
    raw = table({"f/kHz": [1.0, 0.01], "Zre (mOhm)": [1000, 3000], "-Zim": [0.5, 0.25]})
    assert values(raw) == [F, RE, IM]
    assert find_columns(raw, NamedColumns()).statements == (
        "frequency from column 'f/kHz', in kHz",
        "real part from column 'Zre (mOhm)', in mOhm",
        "imaginary part from column '-Zim', taken as ohm because the file has no unit, "
        "with its sign reversed",
    )


def test_angular_frequency():
    """Assert that rad/s is divided by 2π and stated."""
    raw = table({"omega": 2 * np.pi * np.array(F), "Re": RE, "Im": IM})
    np.testing.assert_allclose(values(raw)[0], F)
    assert "divided by 2π" in find_columns(raw, NamedColumns()).statements[0]


def test_main_impedance_of_three_electrodes():
    """Assert that Re(Z) is preferred, then the whole cell, and the others are named."""
    ce = {"Re(Zce)/Ohm": [9, 9], "-Im(Zce)/Ohm": [9, 9]}
    cell = {"Re(Zwe-ce)/Ohm": [5, 5], "-Im(Zwe-ce)/Ohm": [5, 5]}
    main = {"Re(Z)/Ohm": RE, "-Im(Z)/Ohm": [0.5, 0.25]}
    raw = table({"freq/Hz": F} | ce | cell | main)
    assert values(raw) == [F, RE, IM]
    statement = find_columns(raw, NamedColumns()).statements[-1]
    assert re.search(r"other electrodes \['Re\(Zce\)/Ohm', .*not used", statement)
    assert values(table({"freq/Hz": F} | ce | cell))[1] == [5, 5]
    named = {"real_ohm": "Re(Zce)/Ohm", "minus_imaginary_ohm": "-Im(Zce)/Ohm"}
    assert values(raw, **named) == [F, [9, 9], [-9, -9]]


def test_modulus_and_phase_only_without_parts():
    """Assert that Re and Im are preferred to |Z| and phase."""
    polar = {"|Z|": [2, 2], "phase/deg": [1, 1]}
    assert values(table({"f": F, "Re": RE, "Im": IM} | polar))[1] == RE
    assert values(table({"f": F} | polar))[1:] == [[2, 2], [1, 1]]
    assert values(table({"f": F, "R": RE, "X": IM})) == [F, RE, IM]


def test_equal_columns_of_one_quantity():
    """Assert that Z'' beside -Z'' is accepted, and two different ones are not."""
    both = {"f": F, "Z'": RE, "Z''": IM, "-Z''": [0.5, 0.25]}
    assert values(table(both)) == [F, RE, IM]
    with pytest.raises(DataError, match="found 2 columns for the imaginary part"):
        values(table(both | {"-Z''": IM}))


def test_named_columns_use_the_unit_of_their_header():
    """Assert that names given by the caller do not hide units and signs."""
    raw = table({"F [kHz]": [1.0, 0.01], "a [mOhm]": [1000, 3000], "b": [0.5, 0.25]})
    names = {"frequency_hz": "F [kHz]", "real_ohm": "a [mOhm]"}
    assert values(raw, **names, minus_imaginary_ohm="b") == [F, RE, IM]
    raw = table({"w (rad/s)": [2 * np.pi], "Re": [1], "-Im": [2]})
    np.testing.assert_allclose(values(raw, frequency_hz="w (rad/s)")[0], [1])
    raw = table({"t": F, "|Z|": RE, "angle/rad": [np.pi, 0]})
    names = {"frequency_hz": "t", "modulus_ohm": "|Z|", "phase_deg": "angle/rad"}
    assert values(raw, **names)[2] == [180, 0]


def test_without_header():
    """Assert that three columns are frequency, Re and Im, and other numbers are refused."""
    raw = with_names(["", "", ""], [F, RE, IM])
    assert values(raw) == [F, RE, IM]
    (statement,) = find_columns(raw, NamedColumns()).statements
    assert "no header: columns taken as frequency in Hz, real part and" in statement


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (
            ["a", "Re", "Im"],
            {},
            "found 0 columns for the frequency among .*--frequency",
        ),
        (["f", "Re"], {}, "found 0 columns for the imaginary part"),
        (["f", "|Z|"], {}, "found 0 columns for the phase"),
        (["f", "a"], {}, "found 0 columns for the real part"),
        (["f", "re_V", "Im"], {}, "column 're_V' .* has the unit 'V'; expected ohm"),
        (["f/m", "Re", "Im"], {}, "'f/m' for the frequency has the unit 'm'.* Hz"),
        (["log f", "Re", "Im"], {}, "'log f' is a logarithm"),
        (["f", "Re(Y)/S", "Im(Y)/S"], {}, "admittances .*Re Z and Im Z first"),
        (["f", "a", "b"], {"real_ohm": "x"}, "no column 'x'; its columns are"),
        (["f", "a", "b"], {"real_ohm": "a"}, "0 columns for the imaginary part"),
        (
            ["f", "a", "-Im"],
            {"real_ohm": "a", "imaginary_ohm": "-Im"},
            "'-Im' has a minus sign: name it as minus_imaginary_ohm",
        ),
        (
            ["f", "Re", "Im"],
            {"imaginary_ohm": "Im", "minus_imaginary_ohm": "Im"},
            "one of imaginary_ohm and minus_imaginary_ohm",
        ),
        (["f", "Re", "V (V)"], {"imaginary_ohm": "V (V)"}, "unit 'V'; expected ohm"),
        (["", "", "", ""], {}, "no header and 4 columns"),
        (["", "", ""], {"real_ohm": "a"}, "no header line"),
    ],
)
def test_refusals_name_file_column_and_remedy(columns, names, message):
    """Assert that a table that cannot be interpreted is refused in one line."""
    raw = with_names(columns, [F, RE, IM, IM][: len(columns)])
    with pytest.raises(DataError, match=message) as error:
        values(raw, **names)
    assert "\n" not in str(error.value)


def test_text_in_a_column_is_refused_with_its_line():
    """Assert that the message names line, column and text."""
    raw = table({"f": F, "Re": [1.0, "over"], "Im": IM})
    with pytest.raises(DataError, match="line 3: Re must be a number, got 'over'"):
        values(raw)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm", "cycle number"], True),
        (["f", "|Z|", "phase"], True),
        (["Test Time / s", "Voltage / V", "Current / A", "Temperature (F)"], False),
        (["freq/Hz", "time/s", "Ewe/V"], False),
        (["time/s", "Re(Z)/Ohm", "-Im(Z)/Ohm"], False),
    ],
)
def test_tables_of_impedances(columns, expected):
    """Assert that logs are not taken for spectra."""
    assert has_impedance(with_names(columns, [F] * len(columns))) is expected
