"""Impedance spectra: circuits, relaxation times, consistency tests, noise models."""

from battprob.eis.circuit import Circuit
from battprob.eis.compare import compare, leave_one_out
from battprob.eis.consistency import kramers_kronig
from battprob.eis.converters import from_autoeis, from_boukamp, read_impedance_py
from battprob.eis.drt import DRT
from battprob.eis.elements import Parameter, element
from battprob.eis.files import fit_spectra, spectra_of_files, write_table
from battprob.eis.laplace import Laplace
from battprob.eis.likelihood import ComplexNormal, Magnitude, Phase, Polar, StudentT
from battprob.eis.nuts import NUTS
from battprob.eis.replicates import replicate_predictive, replicate_variance
from battprob.eis.sequence import fit_sequence, smooth
from battprob.eis.variance import (
    AgarwalOrazem,
    KnownVariance,
    MagnitudePhase,
    ThreeComponent,
    TwoComponent,
)

__all__ = [
    "DRT",
    "NUTS",
    "AgarwalOrazem",
    "Circuit",
    "ComplexNormal",
    "KnownVariance",
    "Laplace",
    "Magnitude",
    "MagnitudePhase",
    "Parameter",
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
    "kramers_kronig",
    "leave_one_out",
    "read_impedance_py",
    "replicate_predictive",
    "replicate_variance",
    "smooth",
    "spectra_of_files",
    "write_table",
]
