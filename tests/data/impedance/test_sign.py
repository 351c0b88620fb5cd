"""A wrong sign of Im Z is recognised by the real part; coils are not refused."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.impedance.columns import NamedColumns, find_columns
from battprob.data.impedance.consistency import (
    refuse_contradictions,
    sign_is_reversed,
    sign_of_phase,
)
from battprob.data.impedance.sign import signed
from tests.data.impedance.tables import arcs, decades, table

F = decades(5, -1, per_decade=6)
S = 2j * np.pi * F
NOISE = np.random.default_rng(0).normal(size=(2, len(F)))


def spectra():
    """Spectra of passive systems; the first group shows the sign in its real part."""
    return {
        "two arcs": arcs(F),
        "two arcs and a cable": arcs(F, scale=0.01, inductance=1e-6),
        "diffusion": 1 + 0.1 * S**-0.5,
        "blocking electrode": 1 + 1e3 * S**-0.95,
        "low-frequency inductive loop": 0.1 + 1 / (1 + S * 1e-4) + 0.5 * S / (0.3 + S),
        "coil with losses": 0.1 + 1 / (1 / 50 + 1 / (S * 1e-4)),
        "capacitor": 0.1 + 1e3 / S,
        "coil": 0.1 + S * 1e-6,
    }


CLEAR = list(spectra())[:-2]


@pytest.mark.parametrize("noise", [0.0, 0.003])
@pytest.mark.parametrize("name", CLEAR)
def test_sign_follows_from_the_real_part(name, noise):
    """Assert that a spectrum and its conjugate are told apart, also with noise."""
    z = spectra()[name] * (1 + noise * (NOISE[0] + 1j * NOISE[1]))
    assert sign_is_reversed(F, z) is False
    assert sign_is_reversed(F, z.conj()) is True


@pytest.mark.parametrize("name", ["capacitor", "coil"])
def test_sign_is_open_where_the_real_part_is_constant(name):
    """Assert that neither sign is called wrong for an ideal capacitor or coil."""
    z = spectra()[name] * (1 + 0.003 * (NOISE[0] + 1j * NOISE[1]))
    assert sign_is_reversed(F, z) is None


def test_few_points_do_not_decide():
    """Assert that the noise of a few frequencies is not taken for a wrong sign."""
    z = arcs(F)
    assert sign_is_reversed(F[:5], z[:5].conj()) is None
    assert sign_is_reversed(F[:9], 0 * z[:9]) is None


def check(z, choice=None, phase=None, frequency=F):
    raw = table({"f": frequency, "Zre": z.real, "Zim": z.imag})
    column = find_columns(raw, NamedColumns()).second
    return signed("cell7.csv", column, frequency, z, phase, choice)


@pytest.mark.parametrize("name", [*CLEAR, "capacitor"])
def test_spectra_with_the_wrong_sign_are_refused(name):
    """Assert one line with the column, the remedy and its option for the shell."""
    z = spectra()[name]
    np.testing.assert_array_equal(check(z)[0], z)
    if name in ("low-frequency inductive loop", "coil with losses"):
        return  # Im Z of the conjugate is negative at most frequencies
    with pytest.raises(DataError) as error:
        check(z.conj())
    message = str(error.value)
    assert "'Zim') is positive at" in message
    assert "(battprob eis and features: --imaginary-sign reverse)" in message
    assert "\n" not in message
    np.testing.assert_array_equal(check(z.conj(), "reverse")[0], z)
    np.testing.assert_array_equal(check(z.conj(), "keep")[0], z.conj())


def test_coils():
    """Assert that a coil is accepted with a statement if its real part shows it."""
    z = spectra()["coil with losses"]
    assert check(z)[1] == ("Im Z is positive at all frequencies, as in a coil",)
    with pytest.raises(
        DataError, match=r"positive at all frequencies.*inductive device"
    ):
        check(spectra()["coil"])
    assert "as the caller chose" in check(spectra()["coil"], "keep")[1][0]
    assert "which may be the sign" in check(np.array([1 + 1j]), frequency=F[:1])[1][0]
    with pytest.raises(DataError, match="'reverse', 'keep' or None; got 'flip'"):
        check(z, "flip")


def test_a_column_of_the_phase_confirms_the_sign():
    """Assert that two columns that disagree are resolved by Re Z, else refused."""
    z = arcs(F)
    phase = ("phase/deg", np.sign(z.imag))
    reversed_z, statements = check(z.conj(), phase=phase)
    np.testing.assert_array_equal(reversed_z, z)
    assert "sign of column 'Zim' reversed: column 'phase/deg' has" in statements[0]
    kept, statements = check(z, phase=("phase/deg", -np.sign(z.imag)))
    np.testing.assert_array_equal(kept, z)
    assert "'phase/deg' has the opposite sign of Im Z and is not used" in statements[0]
    capacitor = spectra()["capacitor"]
    with pytest.raises(DataError, match="'Zim' and 'phase/deg' have opposite signs"):
        check(capacitor, phase=("phase/deg", -np.sign(capacitor.imag)))


def test_columns_that_are_compared():
    """Assert that a modulus in another unit is refused, and zeros are ignored."""
    z = arcs(F)
    columns = {"f": F, "Zre/Ohm": z.real, "Zim/Ohm": z.imag}
    rows = np.arange(len(F))

    def compare(modulus):
        raw = table(columns | {"|Z|/Ohm": modulus, "phase/deg": np.angle(z, deg=True)})
        found = find_columns(raw, NamedColumns())
        refuse_contradictions(raw, found, rows, z)
        return sign_of_phase(raw, found, rows)

    name, signs = compare(np.abs(z))
    assert name == "phase/deg"
    np.testing.assert_array_equal(signs, -1)
    compare(np.zeros(len(F)))
    with pytest.raises(DataError, match=r"line 2: columns 'Zre/Ohm' .*'\|Z\|/Ohm' has"):
        compare(1e3 * np.abs(z))


def test_modulus_and_phase_are_compared_with_the_real_part():
    """Assert that columns shifted against their header are refused."""
    z = arcs(F)
    polar = {"f": F, "|Z|": np.abs(z), "phase/deg": np.angle(z, deg=True)}
    for real, is_right in ((z.real, True), (-z.imag, False)):
        raw = table(polar | {"Zre": real})
        found = find_columns(raw, NamedColumns())
        arguments = (raw, found, np.arange(len(F)), z)
        if is_right:
            refuse_contradictions(*arguments)
        else:
            with pytest.raises(DataError, match=r"a real part of .* 'Zre' has"):
                refuse_contradictions(*arguments)


def test_a_negative_real_part_is_refused():
    column = find_columns(table({"f": F, "re": F, "im": F}), NamedColumns()).second
    with pytest.raises(DataError, match="Re Z is negative at all frequencies"):
        signed("a.csv", column, F, -arcs(F).conj(), None, None)
    kept, _ = signed("a.csv", column, F, -arcs(F), None, "keep")
    np.testing.assert_array_equal(kept, -arcs(F))
