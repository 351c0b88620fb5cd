"""Readers of battery data files, records as NumPy arrays, despiking, synthetic data."""

from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.curves import common_voltages
from battprob.data.cycler.read import read_timeseries
from battprob.data.despike import despike
from battprob.data.impedance.read import read_spectra, read_spectrum
from battprob.data.inspection.inspect import inspect
from battprob.data.join import join
from battprob.data.many import read_many
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.readers import read_file, register_reader
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.synthetic import heteroscedastic_regression, population
from battprob.data.timeseries import TimeSeries

__all__ = [
    "Cell",
    "Spectrum",
    "TimeSeries",
    "common_voltages",
    "despike",
    "heteroscedastic_regression",
    "inspect",
    "join",
    "population",
    "read_capacity_csv",
    "read_file",
    "read_many",
    "read_matr",
    "read_pack",
    "read_spectra",
    "read_spectrum",
    "read_timeseries",
    "register_reader",
]
