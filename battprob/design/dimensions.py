"""What an experiment may vary: numbers, whole numbers, categories, parts of a whole.

A dimension has one or more *names* (keys of a point such as `{"c1": 5.2, "salt": "LiFSI"}`)
and one or more *columns* (numbers that a model sees). Distances between columns are what a
kernel goes by, so categories get a column each (equally far from each other) and parts of
a whole stand for themselves, where log ratios would send a part that is zero to infinity.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from battprob._errors import DataError

Point = Mapping[str, Any]

_ROUNDING = 1e-6  # of a range: what a value loses when it is printed and typed again


@dataclasses.dataclass(frozen=True)
class Real:
    """A number between two bounds.

    Args:
        name: key of a point and column of the model.
        low, high: bounds, both allowed.
        unit: for tables.
        log: vary the logarithm evenly (concentrations, currents over decades).

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
        _require_bounds(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise DataError(f"{self.name} varies by its logarithm: low must be above 0")

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
        value = _number(self.name, point[self.name])
        value = _inside(self.name, value, self.low, self.high, self.unit)
        return [math.log10(value) if self.log else value]

    def decode(self, row):
        value = 10.0 ** float(row[0]) if self.log else float(row[0])
        return {self.name: min(max(value, float(self.low)), float(self.high))}

    def spread(self, uniform):
        low, high = (ends[0] for ends in self.bounds)
        return low + (high - low) * uniform

    def neighbours(self, row):
        """None: it varies continuously."""
        del row
        return []

    def affine(self):
        """Value of each name as (weights of the columns, constant)."""
        return {} if self.log else {self.name: ([1.0], 0.0)}


@dataclasses.dataclass(frozen=True)
class Integer:
    """A whole number between two bounds, both allowed."""

    name: str
    low: int
    high: int
    _: dataclasses.KW_ONLY
    unit: str = ""

    def __post_init__(self):
        _require_bounds(self.name, self.low, self.high)
        if self.low != int(self.low) or self.high != int(self.high):
            raise DataError(f"{self.name} needs whole numbers as bounds")

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
        value = _number(self.name, point[self.name])
        if value != round(value):
            raise DataError(f"{self.name} is a whole number; got {value:g}")
        return [_inside(self.name, value, self.low, self.high, self.unit)]

    def decode(self, row):
        return {self.name: int(np.clip(round(float(row[0])), self.low, self.high))}

    def spread(self, uniform):
        return np.floor(self.low + (self.high - self.low + 1) * uniform * _BELOW_ONE)

    def affine(self):
        return {}

    def neighbours(self, row):
        """Rows of this dimension one step away."""
        value = round(float(row[0]))
        return [
            [float(v)] for v in (value - 1, value + 1) if self.low <= v <= self.high
        ]


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
        places = np.floor(len(self.levels) * uniform[:, 0] * _BELOW_ONE).astype(int)
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
        values = [_number(part, point[part]) for part in self.parts]
        if abs(sum(values) - 1) > _ROUNDING * len(values):
            raise DataError(
                f"parts of {self.name} sum to one; {dict(zip(self.parts, values, strict=True))} "
                f"sum to {sum(values):g}"
            )
        ends = zip(self.parts, values, self._lows, self._highs, strict=True)
        values = [_inside(part, v, low, high, "") for part, v, low, high in ends]
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


@dataclasses.dataclass(frozen=True)
class LinearConstraint:
    """Bounds on a weighted sum of numbers or parts, or its exact value.

    Args:
        weights: of each name in the sum.
        at_least, at_most: bounds; None is none.
        equal_to: the value, instead of bounds.

    Example:
        >>> LinearConstraint({"c1": 1.0, "c2": 1.0}, at_most=12.0).names
        ('c1', 'c2')
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    at_least: float | int | None
    at_most: float | int | None
    equal_to: float | int | None

    def __init__(
        self,
        weights: Mapping[str, float | int],
        *,
        at_least: float | int | None = None,
        at_most: float | int | None = None,
        equal_to: float | int | None = None,
    ):
        bounds = at_least is not None or at_most is not None
        if bounds == (equal_to is not None):
            raise DataError(
                "a constraint has at_least or at_most (or both), or equal_to"
            )
        for name, value in (
            ("names", tuple(weights)),
            ("weights", tuple(float(w) for w in weights.values())),
            ("at_least", at_least),
            ("at_most", at_most),
            ("equal_to", equal_to),
        ):
            object.__setattr__(self, name, value)

    def broken_by(self, point: Point) -> str | None:
        """What is wrong with a point, or None."""
        total = sum(w * point[n] for n, w in zip(self.names, self.weights, strict=True))
        size = _ROUNDING * sum(
            abs(w * point[n]) for n, w in zip(self.names, self.weights, strict=True)
        )
        text = " + ".join(
            f"{w:g} {n}" for n, w in zip(self.names, self.weights, strict=True)
        )
        if self.equal_to is not None and abs(total - self.equal_to) > size:
            return f"{text} is {total:g}, not {self.equal_to:g}"
        if self.at_least is not None and total < self.at_least - size:
            return f"{text} is {total:g}, below {self.at_least:g}"
        if self.at_most is not None and total > self.at_most + size:
            return f"{text} is {total:g}, above {self.at_most:g}"
        return None


Dimension = Real | Integer | Categorical | Simplex

_BELOW_ONE = 1 - 1e-12  # a uniform number may be one after rounding


def own_columns(dimensions: Sequence[Dimension]) -> list[slice]:
    """Where each dimension's columns stand in a row."""
    ends = np.cumsum([0, *(len(dimension.columns) for dimension in dimensions)])
    return [slice(*map(int, pair)) for pair in itertools.pairwise(ends)]


def _number(name, value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be a number; got {value!r}") from None
    if not math.isfinite(number):
        raise DataError(f"{name} is not finite")
    return number


def _inside(name, value, low, high, unit):
    """The value, put back onto a bound that rounding alone took it over."""
    slack = _ROUNDING * (high - low)
    if not low - slack <= value <= high + slack:
        raise DataError(
            f"{name} is {value:g}, outside of {low:g} to {high:g}"
            + (f" {unit}" if unit else "")
        )
    return float(min(max(value, low), high))


def _require_bounds(name, low, high):
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(
            f"{name} needs finite bounds, low below high; got {low}, {high}"
        )
