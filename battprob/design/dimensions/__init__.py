"""Dimensions of a space: numbers, integers, categories, parts of a whole.

A dimension has one or more *names* (keys of a point such as `{"c1": 5.2, "salt": "LiFSI"}`)
and one or more *columns* (numbers in the rows that a model is fitted to). Kernels use
distances between columns. Therefore each category has a column of its own (all are
equally far from each other), and parts of a whole are used as they are.

Each kind of dimension has the same attributes:

- `names`, `columns` and `unit`;
- `bounds` of its columns, and whether they are `continuous`;
- `encode(point)`, the values of its columns, and `decode(row)`, the inverse;
- `from_uniform(u)`, columns from `num_uniform` uniform random numbers;
- `neighbours(row)`, values of its columns one step away; none if it is continuous;
- `affine()`, the names that are affine functions of its columns, for constraints.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from battprob.design.dimensions._values import Point
from battprob.design.dimensions.categorical import Categorical
from battprob.design.dimensions.constraint import LinearConstraint
from battprob.design.dimensions.numeric import Integer, Real
from battprob.design.dimensions.simplex import Simplex

__all__ = [
    "Categorical",
    "Dimension",
    "Integer",
    "LinearConstraint",
    "Point",
    "Real",
    "Simplex",
    "column_slices",
]

Dimension = Real | Integer | Categorical | Simplex


def column_slices(dimensions: Sequence[Dimension]) -> list[slice]:
    """The columns of each dimension in a row."""
    ends = np.cumsum([0, *(len(dimension.columns) for dimension in dimensions)])
    return [slice(*map(int, pair)) for pair in itertools.pairwise(ends)]
