"""The header of a column states its quantity, sign, electrode and unit."""

import pytest

from battprob.data.impedance.quantities import (
    ADMITTANCE,
    ANGULAR,
    FREQUENCY,
    IMAGINARY,
    LOGARITHM,
    MODULUS,
    PHASE,
    REACTANCE,
    REAL,
    RESISTANCE,
    quantity,
)

HEADERS = {
    FREQUENCY: [
        ("freq/Hz", 1, 1),
        ("Freq(Hz)", 1, 1),
        ("f [kHz]", 1, 1e3),
        ("Frequency, Hz", 1, 1),
        ("frequency_hertz", 1, 1),
        ("Data: Frequency", 1, 1),
        ("Frequenz in MHz", 1, 1e6),
        ("f/mHz", 1, 1e-3),
        ("freq. (KHz)", 1, 1e3),
        ("频率 (Hz)", 1, 1),
        ("周波数[kHz]", 1, 1e3),
    ],
    ANGULAR: [
        ("omega", 1, 1),
        ("ω / rad/s", 1, 1),
        ("f (rad/s)", 1, 1),
        ("ω / rad s-1", 1, 1),
    ],
    REAL: [
        ("Re(Z)/Ohm", 1, 1),
        ("Z'(a)", 1, 1),
        ("Zre (mΩ)", 1, 1e-3),
        ("Z Real", 1, 1),
        ("real_impedance_ohm", 1, 1),
        ("Data: Z'", 1, 1),
        ("Z’ / kΩ", 1, 1e3),
        ("-Z'", -1, 1),
        ("re_mohm", 1, 1e-3),
        ("Realteil", 1, 1),
        ("Partie réelle (Ohm)", 1, 1),
        ("Z reale (mOhm)", 1, 1e-3),
        ("Zs'[Ohms]", 1, 1),
    ],
    IMAGINARY: [
        ("-Im(Z)/Ohm", -1, 1),
        ("Z''(b)", 1, 1),
        ('Z"/ohm', 1, 1),
        ("−Z″ (mΩ)", -1, 1e-3),
        ("Zimg", 1, 1),
        ("neg. Z'' / Ohm", -1, 1),
        ("negative imaginary impedance (mohm)", -1, 1e-3),
        ("Zimag_neg", -1, 1),
        ("-1*Im(Z)", -1, 1),
        ("minus Im Z", -1, 1),
        ("negZimag", -1, 1),
        ("Zimag(-)(Ohm)", -1, 1),
        ("Partie imaginaire (Ohm)", 1, 1),
        ("-Zs''[Ohms]", -1, 1),
        ("Imag (MOhm)", 1, 1e6),
    ],
    MODULUS: [
        ("|Z|/Ohm", 1, 1),
        ("/Z//Ohm", 1, 1),
        ("Zmod", 1, 1),
        ("Z-Mag", 1, 1),
        ("Impedance/Ohm", 1, 1),
        ("abs(Z) [mOhm]", 1, 1e-3),
        ("Impedanz [Ohm]", 1, 1),
    ],
    PHASE: [
        ("Phase(Z)/deg", 1, 1),
        ("Zphz", 1, 1),
        ("-Phase (°)", -1, 1),
        ("Theta (rad)", 1, 57.29577951308232),
        ("θz(deg)", 1, 1),
        ("Phase_Angle", 1, 1),
        ("Phasenwinkel [°]", 1, 1),
        ("Impedance Phase Degrees (')", 1, 1),
    ],
    RESISTANCE: [("Rs/Ohm", 1, 1)],
    REACTANCE: [("X (Ohm)", 1, 1)],
    LOGARITHM: [("log(f/Hz)", 1, 1), ("log10 |Z|", 1, 1)],
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_instruments(kind):
    """Assert kind, sign and factor to Hz, ohm or degrees of headers seen in files."""
    recognised = {header: quantity(header) for header, *_ in HEADERS[kind]}
    assert {
        header: one and (one.kind, one.sign, one.factor)
        for header, one in recognised.items()
    } == {header: (kind, sign, factor) for header, sign, factor in HEADERS[kind]}


@pytest.mark.parametrize(
    "header",
    [
        *("I/mA", "Ewe/V", "<Ewe>/V", "time/s", "Cycle_Index", "Temperature (F)"),
        *("E Real", "Z2 Imag", "Zsig", "Z' error", "Tan(Delta)", "I Range", "C(F)"),
        *("Amplitude/mV", "soc_percent", "Charge_Capacity (Ah)", "Re(C)/nF", "Pt"),
        *("Zp'[Ohms]", "Partition", "negative current / A"),
    ],
)
def test_other_columns_are_not_impedances(header):
    """Assert that columns of logs and of other quantities are not taken for spectra."""
    assert quantity(header) is None


def test_impedances_of_other_electrodes():
    """Assert that EC-Lab's names of the counter electrode and of the cell differ."""
    assert quantity("Re(Zce)/Ohm").electrode == "ce"
    assert quantity("-Im(Zwe-ce)/Ohm")[:3] == (IMAGINARY, "wece", -1)
    assert quantity("|Zwe-ce|/Ohm").kind == MODULUS


def test_unit_from_a_row_of_units():
    """Assert that a row of units is used and must agree with the header."""
    assert quantity("Freq", "kHz").factor == 1e3
    assert quantity("Zphz", "°").factor == 1
    assert quantity("Zreal (ohm)", "ohm").factor == 1
    assert quantity("Zreal (ohm)", "mohm").factor is None


@pytest.mark.parametrize(
    "header", ["re_V", "freq/m", "Re(Z) [Ohm-1]", "RE (MOHM)", "FREQ (MHZ)"]
)
def test_units_of_other_quantities_give_no_factor(header):
    """Assert that an impossible unit is reported and not ignored."""
    assert quantity(header).factor is None


@pytest.mark.parametrize(
    ("header", "factor"),
    [("Re(Z)/Ohm.cm²", 1), ("Z' [mΩ cm^2]", 1e-3), ("Z''(Ohm*m2)", 1e4)],
)
def test_impedances_times_area(header, factor):
    """Assert that ohm cm² is distinguished from ohm."""
    recognised = quantity(header)
    assert recognised.per_area
    assert recognised.factor == pytest.approx(factor)


def test_admittances_are_recognised():
    """Assert that admittances are not taken for impedances."""
    headers = ["Re(Y)/Ohm-1", "Im(Y)/S", "|Y|/Ohm-1", "Admittance"]
    assert {quantity(header).kind for header in headers} == {ADMITTANCE}
