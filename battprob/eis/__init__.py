"""Impedance spectra: circuits, the laws of their noise, and posteriors in batch."""

from battprob.eis.circuit import Circuit
from battprob.eis.converters import from_autoeis, from_boukamp, read_impedance_py
from battprob.eis.elements import Element, Parameter, element

__all__ = [
    "Circuit",
    "Element",
    "Parameter",
    "element",
    "from_autoeis",
    "from_boukamp",
    "read_impedance_py",
]
