"""Splitters with the interface of scikit-learn that scikit-learn does not contain.

From scikit-learn use `GroupKFold` and `LeaveOneGroupOut` to hold out whole batches, and
`KFold` and `ShuffleSplit` to hold out rows. For nested cross-validation use
`cross_validate(BestOf({...}), dataset)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike


@dataclass(frozen=True)
class StratifiedByTarget:
    """Folds with equal proportions of short and long lives, of whole groups if given.

    Args:
        num_folds: number of folds.
        num_strata: number of quantile classes of the target; every fold contains the same
            proportion of each.

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
        """Yield the (train, test) rows of each fold."""
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        y = np.asarray(y)
        edges = np.quantile(y, np.arange(1, self.num_strata) / self.num_strata)
        stratum = np.searchsorted(edges, y, side="right")
        if groups is None:
            return StratifiedKFold(self.num_folds).split(x, stratum)
        return StratifiedGroupKFold(self.num_folds).split(x, stratum, groups)


@dataclass(frozen=True)
class TimeOrdered:
    """Folds in order of time; each is predicted from the rows measured before it.

    Args:
        time: time of measurement of each row, as numbers or dates.
        num_folds: number of folds; the earliest rows are used for training only.

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
        y: Any = None,
        groups: Any = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the (train, test) rows of each fold.

        Raises:
            DataError: `time` has not one entry per row.
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
