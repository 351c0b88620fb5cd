"""One of several levels: a column each, so that all are equally far from each other."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.design.dimensions._values import BELOW_ONE


@dataclasses.dataclass(frozen=True)
class Categorical:
    """One of several names, none nearer to one than to another."""

    name: str
    levels: Sequence[str]

    def __post_init__(self):
        object.__setattr__(self, "levels", tuple(self.levels))
        if len(self.levels) < 2 or len(set(self.levels)) != len(self.levels):
            raise DataError(f"{self.name} needs two or more different levels")

    @property
    def unit(self):
        return ""

    @property
    def names(self):
        return (self.name,)

    @property
    def columns(self):
        # Of two levels one column tells all.
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
            raise DataError(f"{self.name} is one of {list(self.levels)}; got {level!r}")
        return self._row(self.levels.index(level))

    def decode(self, row):
        return {self.name: self.levels[self._place(row)]}

    def spread(self, uniform):
        places = np.floor(len(self.levels) * uniform[:, 0] * BELOW_ONE).astype(int)
        return np.array([self._row(place) for place in places])

    def affine(self):
        return {}

    def neighbours(self, row):
        """Rows of the other levels."""
        own = self._place(row)
        return [self._row(i) for i in range(len(self.levels)) if i != own]

    def _row(self, place):
        if len(self.levels) == 2:
            return [float(place)]
        return [float(place == i) for i in range(len(self.levels))]

    def _place(self, row):
        if len(self.levels) == 2:
            return int(float(row[0]) > 0.5)
        return int(np.argmax(np.asarray(row)))
