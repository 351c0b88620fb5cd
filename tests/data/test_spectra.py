"""`Spectrum` is validated on construction and read-only."""

import pytest

from battprob import DataError
from battprob.data import Spectrum


def test_a_spectrum_is_read_only_and_validated():
    """Assert that arrays cannot be changed and must have one length."""
    spectrum = Spectrum("a", [10.0], [1 + 1j], statements=["from a test"])
    assert spectrum.statements == ("from a test",)
    with pytest.raises(ValueError, match="read-only"):
        spectrum.impedance_ohm[0] = 2
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(1,\)"):
        Spectrum("a", [10.0, 1.0], [1 + 1j])


@pytest.mark.parametrize(
    ("frequency", "impedance"), [(-1.0, 1), (0.0, 1), (1.0, float("nan"))]
)
def test_values_that_no_spectrum_has_are_refused(frequency, impedance):
    """Assert that the message names the row."""
    with pytest.raises(DataError, match=r"row 1 .* expected a positive frequency"):
        Spectrum("a", [10.0, frequency], [1, impedance])
