"""Battery records as NumPy arrays: readers, repair of glitches, synthetic cells."""

from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.despike import Repair, despike
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum, read_spectra, read_spectrum
from battprob.data.synthetic import (
    Population,
    Regression,
    heteroscedastic_regression,
    population,
)
from battprob.data.timeseries import TimeSeries, read_timeseries

__all__ = [
    "Cell",
    "Population",
    "Regression",
    "Repair",
    "Spectrum",
    "TimeSeries",
    "despike",
    "heteroscedastic_regression",
    "population",
    "read_capacity_csv",
    "read_matr",
    "read_pack",
    "read_spectra",
    "read_spectrum",
    "read_timeseries",
]
