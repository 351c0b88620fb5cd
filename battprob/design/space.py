"""`Space`: the points that can be tested, and their columns in a model."""

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
from battprob.design._polytope import (
    Box,
    LinearSystem,
    Polytope,
    move_inside,
    polytope,
)
from battprob.design.dimensions import (
    Categorical,
    Dimension,
    LinearConstraint,
    Point,
    Real,
    Simplex,
    column_slices,
)


@dataclasses.dataclass(frozen=True)
class Space:
    """All points that can be tested: a product of dimensions, with constraints.

    Args:
        dimensions: dimensions; a point has the names of all of them.
        constraints: linear constraints on `Real` dimensions and parts of a `Simplex`.
        candidates: the only points that can be tested, as a table of columns or one
            dictionary for each point; None for all points of the space.
        repeats: whether a candidate may be tested again.

    Raises:
        DataError: names repeat, the constraints cannot be satisfied, or a candidate is
            outside of the space.

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
        _ = self.feasible  # raises if the constraints cannot be satisfied
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
        """The space of a table: each column of text is `Categorical`, others are `Real`.

        The bounds of a number are its smallest and largest value in the table.

        Args:
            candidates: table of columns, or one dictionary for each point.
            units: unit of each column that has one.
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
        return tuple(itertools.chain(*(dim.names for dim in self.dimensions)))

    @property
    def units(self) -> dict[str, str]:
        """Unit of each dimension that has one."""
        return {dim.name: dim.unit for dim in self.dimensions if dim.unit}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a row."""
        return tuple(itertools.chain(*(dim.columns for dim in self.dimensions)))

    @property
    def num_columns(self) -> int:
        """Number of columns of a row."""
        return len(self.columns)

    @functools.cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value of each column."""
        low, high = zip(*(dim.bounds for dim in self.dimensions), strict=True)
        return np.concatenate(low), np.concatenate(high)

    @functools.cached_property
    def continuous(self) -> np.ndarray:
        """Indices of the continuous columns."""
        flags = [[dim.continuous] * len(dim.columns) for dim in self.dimensions]
        return np.flatnonzero(np.concatenate(flags))

    @functools.cached_property
    def feasible(self) -> Box | Polytope:
        """Feasible set of the continuous columns, with its map from free vectors."""
        low, high = (end[self.continuous] for end in self.bounds)
        system = self._linear_system()
        if len(system.equal) == len(system.below) == 0:
            return Box(jnp.asarray(low), jnp.asarray(high - low))
        return polytope(low, high, system)

    @functools.cached_property
    def candidate_rows(self) -> np.ndarray | None:
        """Rows of the candidates [candidates, columns]; None without candidates."""
        if self.candidates is None:
            return None
        return self.encode(
            [dict(zip(self.names, row, strict=True)) for row in self.candidates]
        )

    def encode(self, points: Sequence[Point]) -> Float[np.ndarray, "n d"]:
        """Rows of points, the features of a model.

        Args:
            points: one dictionary for each point.

        Raises:
            DataError: a name is missing or unknown, or a value is outside of the space;
                the message gives the index of the point.
        """
        return np.array(
            [self._row(i, point) for i, point in enumerate(points)]
        ).reshape(len(points), self.num_columns)

    def decode(self, x: ArrayLike) -> list[dict[str, Any]]:
        """Points of rows, the inverse of `encode`."""
        return [
            {
                name: value
                for dim, columns in self._columns_of_each
                for name, value in dim.decode(row[columns]).items()
            }
            for row in np.asarray(x, float).reshape(-1, self.num_columns)
        ]

    def sample(self, num: int, *, key: PRNGKey) -> Float[np.ndarray, "num d"]:
        """Rows that cover the space evenly, from a scrambled Sobol sequence.

        From a list of candidates, `num` different ones (or all) in random order. With
        constraints, rows outside of them are moved inside, to a random depth.

        Args:
            num: number of rows.
            key: PRNG key.
        """
        rng = generator(key)
        if self.candidate_rows is not None:
            order = rng.permutation(len(self.candidate_rows))
            return self.candidate_rows[order[:num]]
        widths = [dim.num_uniform for dim in self.dimensions]
        uniform = _sobol(num, sum(widths), rng)
        parts = np.split(uniform, np.cumsum(widths)[:-1], axis=1)
        columns = [
            dim.from_uniform(u) for dim, u in zip(self.dimensions, parts, strict=True)
        ]
        return self._moved_inside(np.concatenate(columns, axis=1), rng)

    def near(
        self, x: Float[np.ndarray, "m d"], num: int, *, key: PRNGKey
    ) -> Float[np.ndarray, "num d"]:
        """Rows at random small distances from rows of `x`, in the continuous columns.

        Args:
            x: rows [m d].
            num: number of rows.
            key: PRNG key.
        """
        rng = generator(key)
        low, high = self.bounds
        rows = x[rng.integers(len(x), size=num)].copy()
        # Heavy tails: most rows are very near, a few far enough to leave a local maximum.
        steps = _NEAR * rng.standard_t(_DEGREES, size=rows.shape) * (high - low)
        columns = self.continuous
        moved = np.clip(rows + steps, low, high)
        rows[:, columns] = moved[:, columns]
        return self._moved_inside(rows, rng)

    def neighbours(self, row: Float[np.ndarray, " d"]) -> Float[np.ndarray, "m d"]:
        """Rows that differ in one category, or by one in one integer."""
        rows = []
        for dim, columns in self._columns_of_each:
            for other in dim.neighbours(row[columns]):
                rows.append(row.copy())
                rows[-1][columns] = other
        return np.array(rows).reshape(-1, self.num_columns)

    @functools.cached_property
    def _columns_of_each(self):
        return list(zip(self.dimensions, column_slices(self.dimensions), strict=True))

    def _row(self, index, point):
        if set(point) != set(self.names):
            raise DataError(
                f"point {index} must have the names {sorted(self.names)}; got "
                f"{sorted(point)}"
            )
        try:
            row = list(itertools.chain(*(dim.encode(point) for dim in self.dimensions)))
        except DataError as error:
            raise DataError(f"point {index}: {error}") from None
        for constraint in self.constraints:
            if violation := constraint.violation(point):
                raise DataError(f"point {index} violates a constraint: {violation}")
        return row

    def _listed(self, points):
        self.encode(points)  # validates them
        if len(points) == 0:
            raise DataError("candidates must have at least one point; got none")
        return tuple(tuple(_plain(point[n]) for n in self.names) for point in points)

    def _moved_inside(self, rows, rng):
        if isinstance(self.feasible, Polytope):
            inside = move_inside(self.feasible, rows[:, self.continuous], rng)
            rows[:, self.continuous] = inside
        return rows

    def _linear_system(self):
        """Constraints of the continuous columns, apart from their bounds."""
        position = {column: i for i, column in enumerate(self.continuous)}
        num = len(position)
        affine, equal, below = {}, [], []
        for dim, columns in self._columns_of_each:
            index = [position.get(i, -1) for i in range(columns.start, columns.stop)]
            for name, (weights, constant) in dim.affine().items():
                row = np.zeros(num)
                row[index] = weights
                affine[name] = (row, constant)
            if isinstance(dim, Simplex) and len(dim.parts) > 2:
                equal.append((sum(affine[part][0] for part in dim.parts), 1.0))
        for constraint in self.constraints:
            row, constant = _weighted_sum(constraint, affine)
            if constraint.equal_to is not None:
                equal.append((row, constraint.equal_to - constant))
            if constraint.at_most is not None:
                below.append((row, constraint.at_most - constant))
            if constraint.at_least is not None:
                below.append((-row, constant - constraint.at_least))
        return LinearSystem(*_stacked(equal, num), *_stacked(below, num))


def _weighted_sum(constraint, affine):
    """The sum of a constraint, as weights of the columns and a constant."""
    unknown = [name for name in constraint.names if name not in affine]
    if unknown:
        raise DataError(
            f"a constraint names {unknown[0]!r}, which it cannot use: constraints use "
            f"Real dimensions without log and parts of a Simplex, here {sorted(affine)}; "
            "for other restrictions pass the feasible points as candidates"
        )
    pairs = [
        (weight, affine[name])
        for name, weight in zip(constraint.names, constraint.weights, strict=True)
    ]
    row = sum(weight * columns for weight, (columns, _) in pairs)
    return row, sum(weight * constant for weight, (_, constant) in pairs)


def _stacked(rows, num):
    if not rows:
        return np.zeros((0, num)), np.zeros(0)
    left, right = zip(*rows, strict=True)
    return np.stack(left), np.array(right, float)


def _sobol(num, width, rng):
    from scipy.stats import qmc

    # Only a power of two of Sobol points is balanced: draw that many, use the first.
    power = max(num - 1, 1).bit_length()
    return qmc.Sobol(width, rng=rng).random_base2(power)[:num]


def _points(table):
    """One dictionary for each row of a table of any kind."""
    if isinstance(table, Sequence):
        return [dict(point) for point in table]
    names = list(table.columns) if hasattr(table, "columns") else list(table)
    columns = [np.asarray(table[name]).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value):
    """A Python number or text, which JSON stores exactly."""
    return value.item() if isinstance(value, np.generic) else value


def _require_names(space):
    names = space.names
    repeated = [name for name in names if names.count(name) > 1]
    if not names:
        raise DataError("a space needs at least one dimension; got none")
    if repeated:
        raise DataError(
            f"dimensions of a space need different names; {repeated[0]!r} repeats"
        )


_NEAR, _DEGREES = (
    0.03,
    3,
)  # scale relative to the range, degrees of freedom of Student's t
