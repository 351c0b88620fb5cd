"""Splits that scikit-learn does not have; each is used as one of its splitters.

It has the others: `GroupKFold` and `LeaveOneGroupOut` hold out whole batches,
`ShuffleSplit` and `KFold` rows. Nested: `cross_validate(BestOf({...}), dataset)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike


@dataclass(frozen=True)
class StratifiedByTarget:
    """Folds with as many short lives as long ones, whole groups where there are groups.

    Args:
        num_folds: number of folds.
        num_strata: quantile classes of the target that every fold is given its share of.

    Example:
        >>> y = np.arange(12.0)
        >>> [test.tolist() for _, test in StratifiedByTarget(3, 2).split(y, y)]
        [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    """

    num_folds: int = 5
    num_strata: int = 4

    def split(
        self, x: Any, y: ArrayLike, groups: ArrayLike | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(train, test) rows of every fold."""
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        y = np.asarray(y)
        inner = np.quantile(y, np.arange(1, self.num_strata) / self.num_strata)
        stratum = np.searchsorted(inner, y, side="right")
        if groups is None:
            return StratifiedKFold(self.num_folds).split(x, stratum)
        return StratifiedGroupKFold(self.num_folds).split(x, stratum, groups)


@dataclass(frozen=True)
class TimeOrdered:
    """Each fold is predicted from rows measured before it, as it will be in use.

    Args:
        time: when each row was measured: numbers or dates, in the order of the rows.
        num_folds: number of folds; the earliest rows are only ever learned from.

    Example:
        >>> splits = TimeOrdered(time=[3.0, 1.0, 2.0, 4.0], num_folds=3)
        >>> [(train.tolist(), test.tolist()) for train, test in splits.split(np.ones(4))]
        [([1], [2]), ([1, 2], [0]), ([1, 2, 0], [3])]
    """

    time: ArrayLike
    num_folds: int = 5

    def split(
        self,
        x: Any,
        y: Any = None,  # noqa: ARG002 - the arguments of every splitter
        groups: Any = None,  # noqa: ARG002
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(train, test) rows of every fold.

        Raises:
            DataError: there is not one time a row.
        """
        from sklearn.model_selection import TimeSeriesSplit

        time = np.asarray(self.time)
        if time.shape != (len(x),):
            raise DataError(
                f"time must have one entry for each of {len(x)} rows; got {time.shape}"
            )
        order = np.argsort(time, kind="stable")
        for train, test in TimeSeriesSplit(self.num_folds).split(order):
            yield order[train], order[test]
