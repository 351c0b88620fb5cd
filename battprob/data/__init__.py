"""Readers of battery data files, records as NumPy arrays, despiking, synthetic data."""

from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.despike import despike
from battprob.data.impedance.read import read_spectra, read_spectrum
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.readers import read_file, register_reader
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.synthetic import heteroscedastic_regression, population
from battprob.data.timeseries import TimeSeries, read_timeseries

__all__ = [
    "Cell",
    "Spectrum",
    "TimeSeries",
    "despike",
    "heteroscedastic_regression",
    "population",
    "read_capacity_csv",
    "read_file",
    "read_matr",
    "read_pack",
    "read_spectra",
    "read_spectrum",
    "read_timeseries",
    "register_reader",
]
