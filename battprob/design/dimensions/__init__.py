"""What an experiment may vary: numbers, whole numbers, categories, parts of a whole.

A dimension has one or more *names* (keys of a point such as `{"c1": 5.2, "salt": "LiFSI"}`)
and one or more *columns* (numbers that a model sees). Distances between columns are what a
kernel goes by, so categories get a column each (equally far from each other) and parts of
a whole stand for themselves.

Every kind says the same of itself: its `names`, `columns` and `unit`; the `bounds` of its
columns, and whether they are `continuous`; how values of a point are `encode`d as columns
and `decode`d; which columns `num_uniform` uniform numbers `spread` to; which rows are
`neighbours` where it varies by steps; and, for constraints, which names are `affine` in
its columns.
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
    "own_columns",
]

Dimension = Real | Integer | Categorical | Simplex


def own_columns(dimensions: Sequence[Dimension]) -> list[slice]:
    """Where each dimension's columns stand in a row."""
    ends = np.cumsum([0, *(len(dimension.columns) for dimension in dimensions)])
    return [slice(*map(int, pair)) for pair in itertools.pairwise(ends)]
