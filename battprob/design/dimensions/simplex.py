"""Parts of a whole: a column each for themselves, of two parts one.

Log ratios would send a part that is zero to infinity.
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
        name: of the whole, for messages; the parts are the keys of a point.
        parts: their names.
        low, high: bounds of all parts, or of each.

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
            given = np.asarray(getattr(self, end), float)
            if given.shape not in {(), (num,)}:
                raise DataError(f"{self.name}: {end} needs one number, or {num}")
            each = tuple(np.broadcast_to(given, num).tolist())
            object.__setattr__(self, end, each)
        if num < 2 or len(set(self.parts)) != num:
            raise DataError(f"{self.name} needs two or more parts of different names")
        room = sum(self._lows) < 1 < sum(self._highs)
        if not room or any(
            not 0 <= a < b <= 1 for a, b in zip(self._lows, self._highs, strict=True)
        ):
            raise DataError(
                f"{self.name}: bounds of parts must lie in [0, 1], low below high, and "
                "leave room for a sum of one"
            )

    @property
    def _lows(self) -> tuple[float, ...]:
        return self.low  # pyright: ignore[reportReturnType] - one each since __post_init__

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
        if len(self.parts) == 2:  # what the other part leaves bounds this one too
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
            raise DataError(
                f"parts of {self.name} sum to one; {dict(zip(self.parts, values, strict=True))} "
                f"sum to {sum(values):g}"
            )
        ends = zip(self.parts, values, self._lows, self._highs, strict=True)
        values = [inside(part, v, low, high, "") for part, v, low, high in ends]
        return values[:1] if len(values) == 2 else values

    def decode(self, row):
        values = [float(value) for value in row]
        values = [values[0], 1 - values[0]] if len(self.parts) == 2 else values
        values = np.clip(values, self._lows, self._highs).tolist()
        return dict(zip(self.parts, values, strict=True))

    def spread(self, uniform):
        """Evenly over the simplex above the lower bounds; upper ones may be exceeded."""
        gaps = -np.log(np.clip(uniform, 1e-12, 1.0))
        share = gaps / gaps.sum(1, keepdims=True)
        low = np.array(self._lows)
        parts = low + (1 - low.sum()) * share
        return parts[:, :1] if len(self.parts) == 2 else parts

    def neighbours(self, row):
        """None: it varies continuously."""
        del row
        return []

    def affine(self):
        if len(self.parts) == 2:
            return {self.parts[0]: ([1.0], 0.0), self.parts[1]: ([-1.0], 1.0)}
        rows = np.eye(len(self.parts)).tolist()
        return {part: (row, 0.0) for part, row in zip(self.parts, rows, strict=True)}
