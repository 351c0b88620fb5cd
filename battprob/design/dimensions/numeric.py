"""Real numbers and integers between two bounds, with one column each."""

import dataclasses
import math

import numpy as np

from battprob._errors import DataError
from battprob.design.dimensions._values import (
    BELOW_ONE,
    inside,
    number,
    require_bounds,
)


@dataclasses.dataclass(frozen=True)
class Real:
    """A real number between two bounds.

    Args:
        name: key of a point, and name of the column.
        low, high: bounds; both are allowed values.
        unit: unit, for tables and messages.
        log: use the base-10 logarithm as the column (for concentrations, or currents
            over several decades).

    Example:
        >>> Real("c1", 3.6, 8.0, unit="1/h").columns
        ('c1',)
    """

    name: str
    low: float | int
    high: float | int
    _: dataclasses.KW_ONLY
    unit: str = ""
    log: bool = False

    def __post_init__(self):
        require_bounds(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise DataError(
                f"{self.name} has log=True, so low must be above 0; got low = {self.low}"
            )

    @property
    def names(self):
        return (self.name,)

    @property
    def columns(self):
        return (f"log10 {self.name}",) if self.log else (self.name,)

    @property
    def bounds(self):
        ends = (self.low, self.high)
        low, high = map(math.log10, ends) if self.log else ends
        return [float(low)], [float(high)]

    num_uniform = 1
    continuous = True

    def encode(self, point):
        value = number(self.name, point[self.name])
        value = inside(self.name, value, self.low, self.high, self.unit)
        return [math.log10(value) if self.log else value]

    def decode(self, row):
        value = 10.0 ** float(row[0]) if self.log else float(row[0])
        return {self.name: min(max(value, float(self.low)), float(self.high))}

    def from_uniform(self, uniform):
        low, high = (ends[0] for ends in self.bounds)
        return low + (high - low) * uniform

    def neighbours(self, row):
        """None: the dimension is continuous."""
        return []

    def affine(self):
        """For each name, the weights of the columns and the constant."""
        return {} if self.log else {self.name: ([1.0], 0.0)}


@dataclasses.dataclass(frozen=True)
class Integer:
    """An integer between two bounds.

    Args:
        name: key of a point, and name of the column.
        low, high: bounds; both are allowed values.
        unit: unit, for tables and messages.
    """

    name: str
    low: int
    high: int
    _: dataclasses.KW_ONLY
    unit: str = ""

    def __post_init__(self):
        require_bounds(self.name, self.low, self.high)
        if self.low != int(self.low) or self.high != int(self.high):
            raise DataError(
                f"{self.name} needs integers as bounds; got low = {self.low}, high = "
                f"{self.high}"
            )

    @property
    def names(self):
        return (self.name,)

    @property
    def columns(self):
        return (self.name,)

    @property
    def bounds(self):
        return [float(self.low)], [float(self.high)]

    num_uniform = 1
    continuous = False

    def encode(self, point):
        value = number(self.name, point[self.name])
        if value != round(value):
            raise DataError(f"{self.name} must be an integer; got {value:g}")
        return [inside(self.name, value, self.low, self.high, self.unit)]

    def decode(self, row):
        return {self.name: int(np.clip(round(float(row[0])), self.low, self.high))}

    def from_uniform(self, uniform):
        return np.floor(self.low + (self.high - self.low + 1) * uniform * BELOW_ONE)

    def affine(self):
        return {}

    def neighbours(self, row):
        """Columns of the integers one below and one above."""
        value = round(float(row[0]))
        return [
            [float(v)] for v in (value - 1, value + 1) if self.low <= v <= self.high
        ]
