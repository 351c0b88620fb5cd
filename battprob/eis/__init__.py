"""Impedance spectra: circuits, the laws of their noise, and posteriors in batch."""

from battprob.eis.circuit import Circuit
from battprob.eis.compare import Comparison, compare, leave_one_out
from battprob.eis.converters import from_autoeis, from_boukamp, read_impedance_py
from battprob.eis.elements import Element, Parameter, element
from battprob.eis.fit import Laplace
from battprob.eis.nuts import NUTS
from battprob.eis.posterior import CircuitPosterior
from battprob.eis.read import read_spectrum
from battprob.eis.replicates import replicate_predictive, replicate_variance
from battprob.eis.table import ParameterTable
from battprob.eis.variance import (
    AgarwalOrazem,
    KnownVariance,
    ThreeComponent,
    TwoComponent,
)

__all__ = [
    "NUTS",
    "AgarwalOrazem",
    "Circuit",
    "CircuitPosterior",
    "Comparison",
    "Element",
    "KnownVariance",
    "Laplace",
    "Parameter",
    "ParameterTable",
    "ThreeComponent",
    "TwoComponent",
    "compare",
    "element",
    "from_autoeis",
    "from_boukamp",
    "leave_one_out",
    "read_impedance_py",
    "read_spectrum",
    "replicate_predictive",
    "replicate_variance",
]
