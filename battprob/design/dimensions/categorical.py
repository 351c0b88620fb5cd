"""A choice between several levels, with one column for each level."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.design.dimensions._values import BELOW_ONE


@dataclasses.dataclass(frozen=True)
class Categorical:
    """A choice between several levels without an order.

    Args:
        name: key of a point.
        levels: names of the levels.
    """

    name: str
    levels: Sequence[str]

    def __post_init__(self):
        object.__setattr__(self, "levels", tuple(self.levels))
        if len(self.levels) < 2 or len(set(self.levels)) != len(self.levels):
            raise DataError(
                f"{self.name} needs two or more different levels; got {self.levels}"
            )

    @property
    def unit(self):
        return ""

    @property
    def names(self):
        return (self.name,)

    @property
    def columns(self):
        # With two levels, one column determines the other.
        shown = self.levels[1:] if len(self.levels) == 2 else self.levels
        return tuple(f"{self.name}={level}" for level in shown)

    @property
    def bounds(self):
        return [0.0] * len(self.columns), [1.0] * len(self.columns)

    num_uniform = 1
    continuous = False

    def encode(self, point):
        level = point[self.name]
        if level not in self.levels:
            raise DataError(
                f"{self.name} must be one of {list(self.levels)}; got {level!r}"
            )
        return self._row(self.levels.index(level))

    def decode(self, row):
        return {self.name: self.levels[self._index(row)]}

    def from_uniform(self, uniform):
        indices = np.floor(len(self.levels) * uniform[:, 0] * BELOW_ONE).astype(int)
        return np.array([self._row(index) for index in indices])

    def affine(self):
        return {}

    def neighbours(self, row):
        """Columns of the other levels."""
        current = self._index(row)
        return [self._row(i) for i in range(len(self.levels)) if i != current]

    def _row(self, index):
        if len(self.levels) == 2:
            return [float(index)]
        return [float(index == i) for i in range(len(self.levels))]

    def _index(self, row):
        if len(self.levels) == 2:
            return int(float(row[0]) > 0.5)
        return int(np.argmax(np.asarray(row)))
