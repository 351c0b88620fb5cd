"""A small file of every text format gives its known capacities or impedances."""

import numpy as np
import pytest

from battprob.data import read_spectra, read_timeseries
from tests.data import text_formats


@pytest.mark.parametrize("name", text_formats.LOGS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_capacities_of_a_log(name, encoding, tmp_path):
    """Assert the discharge capacities of three cycles."""
    path = tmp_path / name
    path.write_text(text_formats.LOGS[name], encoding=encoding)
    cell = read_timeseries(path).to_cell()
    np.testing.assert_allclose(cell.capacity_ah, text_formats.CAPACITY_AH, rtol=1e-3)


@pytest.mark.parametrize("name", text_formats.SPECTRA)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_impedances_of_a_spectrum(name, encoding, tmp_path):
    """Assert frequencies and impedances."""
    path = tmp_path / name
    path.write_text(text_formats.SPECTRA[name], encoding=encoding)
    (spectrum,) = read_spectra(path)
    np.testing.assert_allclose(
        spectrum.frequency_hz, text_formats.FREQUENCY_HZ, rtol=1e-6
    )
    np.testing.assert_allclose(
        spectrum.impedance_ohm, text_formats.IMPEDANCE_OHM, rtol=1e-6
    )
