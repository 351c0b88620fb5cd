"""Impedance spectra: circuits, the laws of their noise, and posteriors in batch."""

from battprob.eis.circuit import Circuit
from battprob.eis.compare import Comparison, compare, leave_one_out
from battprob.eis.converters import from_autoeis, from_boukamp, read_impedance_py
from battprob.eis.elements import Element, Parameter, element
from battprob.eis.files import fit_spectra, spectra_of_files, write_table
from battprob.eis.fit import Laplace
from battprob.eis.likelihood import ComplexNormal, Magnitude, Phase, Polar, StudentT
from battprob.eis.nuts import NUTS
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.replicates import replicate_predictive, replicate_variance
from battprob.eis.sequence import fit_sequence, smooth
from battprob.eis.table import ParameterTable
from battprob.eis.variance import (
    AgarwalOrazem,
    KnownVariance,
    MagnitudePhase,
    ThreeComponent,
    TwoComponent,
)

__all__ = [
    "NUTS",
    "AgarwalOrazem",
    "Circuit",
    "CircuitPosterior",
    "Comparison",
    "ComplexNormal",
    "Element",
    "KnownVariance",
    "Laplace",
    "Magnitude",
    "MagnitudePhase",
    "Parameter",
    "ParameterTable",
    "Phase",
    "Polar",
    "StudentT",
    "ThreeComponent",
    "TwoComponent",
    "compare",
    "element",
    "fit_sequence",
    "fit_spectra",
    "from_autoeis",
    "from_boukamp",
    "leave_one_out",
    "read_impedance_py",
    "replicate_predictive",
    "replicate_variance",
    "smooth",
    "spectra_of_files",
    "write_table",
]
