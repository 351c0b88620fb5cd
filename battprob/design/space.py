"""`Space`: what may be tested, and its columns as models see them."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._random import generator
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.design._polytope import Box, Linear, Polytope, drawn_inside, polytope
from battprob.design.dimensions import (
    Categorical,
    Dimension,
    LinearConstraint,
    Point,
    Real,
    Simplex,
    own_columns,
)


@dataclasses.dataclass(frozen=True)
class Space:
    """The product of its dimensions, less what constraints or a list of candidates exclude.

    Args:
        dimensions: of which a point has all names.
        constraints: linear ones, on `Real` dimensions and parts of a `Simplex`.
        candidates: the points that can be tested, where these are a list; any table of
            columns, or one dictionary a point. None: all points of the space.
        repeats: whether a candidate may be tested again.

    Raises:
        DataError: names repeat, a constraint cannot be met, or a candidate lies outside.

    Example:
        >>> space = Space(Real("c1", 3.6, 8.0), Categorical("additive", ["VC", "FEC"]))
        >>> space.encode([{"c1": 5.0, "additive": "FEC"}]).tolist()
        [[5.0, 1.0]]
    """

    dimensions: tuple[Dimension, ...]
    constraints: tuple[LinearConstraint, ...]
    candidates: tuple[tuple[Any, ...], ...] | None
    repeats: bool

    def __init__(
        self,
        *dimensions: Dimension,
        constraints: Sequence[LinearConstraint] = (),
        candidates: Any = None,
        repeats: bool = True,
    ):
        object.__setattr__(self, "dimensions", dimensions)
        object.__setattr__(self, "constraints", tuple(constraints))
        object.__setattr__(self, "candidates", None)
        object.__setattr__(self, "repeats", repeats)
        _require_names(self)
        _ = self.shape  # refuses what cannot be met
        if candidates is not None:
            rows = self._listed(_points(candidates))
            object.__setattr__(self, "candidates", rows)

    @classmethod
    def from_candidates(
        cls,
        candidates: Any,
        *,
        units: Mapping[str, str] | None = None,
        repeats: bool = True,
    ) -> "Space":
        """The space of a table: numbers between their least and largest, and categories.

        Args:
            candidates: a table of columns, or one dictionary a point.
            units: of the columns that have one.
            repeats: whether a candidate may be tested again.

        Example:
            >>> Space.from_candidates({"rate": [1, 2], "salt": ["a", "b"]}).columns
            ('rate', 'salt=b')
        """
        points = _points(candidates)
        units = {} if units is None else units
        dimensions = []
        for name in points[0]:
            values = [point[name] for point in points]
            if any(isinstance(value, str) for value in values):
                dimensions.append(Categorical(name, sorted(set(map(str, values)))))
            else:
                unit = units.get(name, "")
                dimensions.append(Real(name, min(values), max(values), unit=unit))
        return cls(*dimensions, candidates=points, repeats=repeats)

    @property
    def names(self) -> tuple[str, ...]:
        """Keys of a point."""
        return tuple(itertools.chain(*(own.names for own in self.dimensions)))

    @property
    def units(self) -> dict[str, str]:
        """Unit of every name that has one."""
        return {own.name: own.unit for own in self.dimensions if own.unit}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the model's columns."""
        return tuple(itertools.chain(*(own.columns for own in self.dimensions)))

    @property
    def num_columns(self) -> int:
        """How many columns a model sees."""
        return len(self.columns)

    @functools.cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of every column."""
        low, high = zip(*(own.bounds for own in self.dimensions), strict=True)
        return np.concatenate(low), np.concatenate(high)

    @functools.cached_property
    def continuous(self) -> np.ndarray:
        """Positions of the columns that vary continuously."""
        flags = [[own.continuous] * len(own.columns) for own in self.dimensions]
        return np.flatnonzero(np.concatenate(flags))

    @functools.cached_property
    def shape(self) -> Box | Polytope:
        """The continuous columns as the image of unconstrained vectors."""
        low, high = (end[self.continuous] for end in self.bounds)
        linear = self._linear()
        if len(linear.equal) == len(linear.below) == 0:
            return Box(jnp.asarray(low), jnp.asarray(high - low))
        return polytope(low, high, linear)

    @functools.cached_property
    def candidate_rows(self) -> np.ndarray | None:
        """The listed candidates, encoded [candidates, columns]; None without a list."""
        if self.candidates is None:
            return None
        return self.encode(
            [dict(zip(self.names, row, strict=True)) for row in self.candidates]
        )

    def encode(self, points: Sequence[Point]) -> Float[np.ndarray, "n d"]:
        """Rows for a model.

        Raises:
            DataError: a name is missing or unknown, or a value is outside the space; the
                message says which point, counting from 0.
        """
        return np.array(
            [self._row(i, point) for i, point in enumerate(points)]
        ).reshape(len(points), self.num_columns)

    def decode(self, x: ArrayLike) -> list[dict[str, Any]]:
        """Points of rows."""
        return [
            {
                name: value
                for own, columns in self._columns_of_each
                for name, value in own.decode(row[columns]).items()
            }
            for row in np.asarray(x, float).reshape(-1, self.num_columns)
        ]

    def sample(self, num: int, *, key: PRNGKey) -> Float[np.ndarray, "num d"]:
        """Rows spread evenly over the space: a scrambled Sobol sequence.

        Of candidates, `num` different ones (or all) in random order. Where constraints cut
        the space, what would fall outside is drawn inwards to a random depth.
        """
        rng = generator(key)
        if self.candidate_rows is not None:
            order = rng.permutation(len(self.candidate_rows))
            return self.candidate_rows[order[:num]]
        widths = [own.num_uniform for own in self.dimensions]
        uniform = _sobol(num, sum(widths), rng)
        parts = np.split(uniform, np.cumsum(widths)[:-1], axis=1)
        return self._inside(
            np.concatenate(
                [own.spread(u) for own, u in zip(self.dimensions, parts, strict=True)],
                axis=1,
            ),
            rng,
        )

    def near(
        self, x: Float[np.ndarray, "m d"], num: int, *, key: PRNGKey
    ) -> Float[np.ndarray, "num d"]:
        """Rows scattered around those of `x`, continuous columns by a few per cent."""
        rng = generator(key)
        low, high = self.bounds
        rows = x[rng.integers(len(x), size=num)].copy()
        moves = _NEAR * rng.standard_t(_TAILS, size=rows.shape) * (high - low)
        columns = self.continuous
        moved = np.clip(rows + moves, low, high)
        rows[:, columns] = moved[:, columns]
        return self._inside(rows, rng)

    def neighbours(self, row: Float[np.ndarray, " d"]) -> Float[np.ndarray, "m d"]:
        """Rows that differ in one category, or by one in one whole number."""
        rows = []
        for own, columns in self._columns_of_each:
            for other in own.neighbours(row[columns]):
                rows.append(row.copy())
                rows[-1][columns] = other
        return np.array(rows).reshape(-1, self.num_columns)

    @functools.cached_property
    def _columns_of_each(self):
        return list(zip(self.dimensions, own_columns(self.dimensions), strict=True))

    def _row(self, place, point):
        if set(point) != set(self.names):
            raise DataError(
                f"point {place} has the names {sorted(point)}; expected {sorted(self.names)}"
            )
        try:
            row = list(itertools.chain(*(own.encode(point) for own in self.dimensions)))
        except DataError as error:
            raise DataError(f"point {place}: {error}") from None
        broken = [text for own in self.constraints if (text := own.broken_by(point))]
        if broken:
            raise DataError(f"point {place} breaks a constraint: {broken[0]}")
        return row

    def _listed(self, points):
        self.encode(points)
        if len(points) == 0:
            raise DataError("candidates must not be empty")
        return tuple(tuple(_plain(point[n]) for n in self.names) for point in points)

    def _inside(self, rows, rng):
        if isinstance(self.shape, Polytope):
            inside = drawn_inside(self.shape, rows[:, self.continuous], rng)
            rows[:, self.continuous] = inside
        return rows

    def _linear(self):
        """All that is said of continuous columns beyond their bounds."""
        position = {column: i for i, column in enumerate(self.continuous)}
        num = len(position)
        where, equal, below = {}, [], []
        for own, columns in self._columns_of_each:
            place = [position.get(i, -1) for i in range(columns.start, columns.stop)]
            for name, (weights, constant) in own.affine().items():
                row = np.zeros(num)
                row[place] = weights
                where[name] = (row, constant)
            if isinstance(own, Simplex) and len(own.parts) > 2:
                equal.append((sum(where[part][0] for part in own.parts), 1.0))
        for constraint in self.constraints:
            row, constant = _summed(constraint, where)
            if constraint.equal_to is not None:
                equal.append((row, constraint.equal_to - constant))
            if constraint.at_most is not None:
                below.append((row, constraint.at_most - constant))
            if constraint.at_least is not None:
                below.append((-row, constant - constraint.at_least))
        return Linear(*_stacked(equal, num), *_stacked(below, num))


def _summed(constraint, where):
    """A constraint's weighted sum as weights of the columns, and a constant."""
    unknown = [name for name in constraint.names if name not in where]
    if unknown:
        raise DataError(
            f"a constraint names {unknown[0]!r}: constraints are on numbers (Real, without "
            f"log) and parts, here {sorted(where)}; for others list the candidates"
        )
    pairs = [
        (weight, where[name])
        for name, weight in zip(constraint.names, constraint.weights, strict=True)
    ]
    row = sum(weight * own for weight, (own, _) in pairs)
    return row, sum(weight * constant for weight, (_, constant) in pairs)


def _stacked(rows, num):
    if not rows:
        return np.zeros((0, num)), np.zeros(0)
    left, right = zip(*rows, strict=True)
    return np.stack(left), np.array(right, float)


def _sobol(num, width, rng):
    from scipy.stats import qmc

    # Balanced in powers of two: more are made than are asked for.
    power = max(num - 1, 1).bit_length()
    return qmc.Sobol(width, rng=rng).random_base2(power)[:num]


def _points(table):
    """One dictionary a row of any table."""
    if isinstance(table, Sequence):
        return [dict(point) for point in table]
    names = list(table.columns) if hasattr(table, "columns") else list(table)
    columns = [np.asarray(table[name]).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value):
    """Python's own number or text, so that it reads back the same from JSON."""
    return value.item() if isinstance(value, np.generic) else value


def _require_names(space):
    names = space.names
    repeated = [name for name in names if names.count(name) > 1]
    if not names or repeated:
        raise DataError(
            f"a space needs dimensions of different names; {repeated[:1]} repeats"
            if repeated
            else "a space needs at least one dimension"
        )


_NEAR, _TAILS = 0.03, 3  # scale as a share of the range, degrees of freedom
