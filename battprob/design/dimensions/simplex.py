"""Parts of a whole, with one column each; one column for two parts.

The columns are the fractions themselves: log ratios are infinite for a part of zero.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.design.dimensions._values import ROUNDING, inside, number


@dataclasses.dataclass(frozen=True)
class Simplex:
    """Parts of a whole: fractions that sum to one.

    Args:
        name: name of the whole, for messages; the keys of a point are the parts.
        parts: names of the parts.
        low, high: bounds of all parts, or one bound for each part.

    Example:
        >>> Simplex("solvent", ["EC", "DMC", "EMC"], low=[0.2, 0.0, 0.0]).names
        ('EC', 'DMC', 'EMC')
    """

    name: str
    parts: Sequence[str]
    _: dataclasses.KW_ONLY
    low: float | int | Sequence[float | int] = 0.0
    high: float | int | Sequence[float | int] = 1.0

    def __post_init__(self):
        num = len(self.parts)
        object.__setattr__(self, "parts", tuple(self.parts))
        for end in ("low", "high"):
            bound = np.asarray(getattr(self, end), float)
            if bound.shape not in {(), (num,)}:
                raise DataError(
                    f"{self.name}: {end} must be one number or {num} numbers; got shape "
                    f"{bound.shape}"
                )
            each = tuple(np.broadcast_to(bound, num).tolist())
            object.__setattr__(self, end, each)
        if num < 2 or len(set(self.parts)) != num:
            raise DataError(
                f"{self.name} needs two or more parts with different names; got "
                f"{self.parts}"
            )
        feasible = sum(self._lows) < 1 < sum(self._highs)
        if not feasible or any(
            not 0 <= a < b <= 1 for a, b in zip(self._lows, self._highs, strict=True)
        ):
            raise DataError(
                f"{self.name}: bounds of parts must satisfy 0 <= low < high <= 1 and "
                f"allow a sum of one; got low = {self.low}, high = {self.high}"
            )

    @property
    def _lows(self) -> tuple[float, ...]:
        # `__post_init__` has made one bound for each part.
        return self.low  # pyright: ignore[reportReturnType]

    @property
    def _highs(self) -> tuple[float, ...]:
        return self.high  # pyright: ignore[reportReturnType]

    @property
    def unit(self):
        return ""

    @property
    def names(self):
        return tuple(self.parts)

    @property
    def columns(self):
        return tuple(self.parts[:1] if len(self.parts) == 2 else self.parts)

    @property
    def bounds(self):
        if len(self.parts) == 2:  # the bounds of the second part limit the first too
            (low, other_low), (high, other_high) = self._lows, self._highs
            return [max(low, 1 - other_high)], [min(high, 1 - other_low)]
        return list(self._lows), list(self._highs)

    @property
    def num_uniform(self):
        return len(self.parts)

    continuous = True

    def encode(self, point):
        values = [number(part, point[part]) for part in self.parts]
        if abs(sum(values) - 1) > ROUNDING * len(values):
            parts = dict(zip(self.parts, values, strict=True))
            raise DataError(
                f"parts of {self.name} must sum to one; {parts} sum to {sum(values):g}"
            )
        ends = zip(self.parts, values, self._lows, self._highs, strict=True)
        values = [inside(part, v, low, high, "") for part, v, low, high in ends]
        return values[:1] if len(values) == 2 else values

    def decode(self, row):
        values = [float(value) for value in row]
        values = [values[0], 1 - values[0]] if len(self.parts) == 2 else values
        values = np.clip(values, self._lows, self._highs).tolist()
        return dict(zip(self.parts, values, strict=True))

    def from_uniform(self, uniform):
        """Uniform over the simplex above the lower bounds; may exceed upper bounds."""
        # Normalised exponential variables are uniform on the simplex.
        exponential = -np.log(np.clip(uniform, 1e-12, 1.0))
        fraction = exponential / exponential.sum(1, keepdims=True)
        low = np.array(self._lows)
        parts = low + (1 - low.sum()) * fraction
        return parts[:, :1] if len(self.parts) == 2 else parts

    def neighbours(self, row):
        """None: the dimension is continuous."""
        return []

    def affine(self):
        if len(self.parts) == 2:
            return {self.parts[0]: ([1.0], 0.0), self.parts[1]: ([-1.0], 1.0)}
        rows = np.eye(len(self.parts)).tolist()
        return {part: (row, 0.0) for part, row in zip(self.parts, rows, strict=True)}
