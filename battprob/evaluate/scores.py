"""`Scores`: named scores with standard errors, and tests for their differences.

Errors of rows of one batch are correlated, so a test set of 42 cells in 3 batches contains
less information than 42 independent cells. Each score is therefore stored with the
*influence* of each row: the derivative of the score with respect to the weight of the row.
The influence of a group is the sum over its rows, and the standard error is the limit of a
bootstrap over groups,

    se² = G/(G-1) Σ_g (Σ_{i in g} influence_i / n)²

in closed form (the infinitesimal jackknife). It has no resampling noise and needs no seed,
and two models scored on the same rows can be compared row by row.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Float, Int

_SIGNIFICANT = 0.05


class Score(NamedTuple):
    """A score and the influence of each row on it (times n; the sum is zero)."""

    value: float
    influence: Float[np.ndarray, " n"]
    unit: str = ""


def mean_of(column: ArrayLike, unit: str = "") -> Score:
    """Mean of a column."""
    column = np.asarray(column, float)
    value = column.mean()
    if not np.isfinite(value):
        return Score(float(value), np.full(len(column), np.nan), unit)
    return Score(float(value), column - value, unit)


def ratio_of(numerator: ArrayLike, denominator: ArrayLike, unit: str = "") -> Score:
    """Ratio of the sums of two columns; NaN if the denominator is zero."""
    above, below = np.asarray(numerator, float), np.asarray(denominator, float)
    if below.sum() == 0:
        return Score(np.nan, np.full(len(below), np.nan), unit)
    value = above.sum() / below.sum()
    return Score(float(value), (above - value * below) / below.mean(), unit)


@dataclass(frozen=True, repr=False)
class Scores:
    """Named scores with units and standard errors; its `repr` is a table.

    Args:
        values: score by name.
        units: unit by name.
        errors: standard error by name; NaN if all rows belong to one group.
        targets: observed targets.
        groups: code of the group of each target.
        influence: influence of each group by name of the score.

    Example:
        >>> Scores({"mae": 31.0}, {"mae": "cycles"}, {"mae": 4.0})
        mae                      31 ± 4         cycles
    """

    values: dict[str, float]
    units: dict[str, str]
    errors: dict[str, float]
    targets: Float[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0))
    groups: Int[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, int))
    influence: dict[str, Float[np.ndarray, " g"]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __repr__(self) -> str:
        return "\n".join(
            f"{name:<18}{value:>9.4g} ± {_short(self.errors[name]):<9} "
            f"{self.units[name]}".rstrip()
            for name, value in self.values.items()
        )

    def to_dict(self) -> dict[str, float]:
        """Scores by name, for a row of a table or a JSON file."""
        return dict(self.values)

    @property
    def num_groups(self) -> int:
        """Number of groups of the standard errors (of rows, if there are no groups)."""
        return int(self.groups.max(initial=-1)) + 1


def tabulated(
    scores: dict[str, Score], targets: ArrayLike, groups: ArrayLike | None
) -> Scores:
    """Table of scores of the same rows, with standard errors over groups.

    Raises:
        DataError: `groups` has not one entry per target.
    """
    targets = np.asarray(targets, float).ravel()
    groups = group_codes(groups, len(targets))
    influence = {
        name: np.bincount(groups, score.influence) / len(targets)
        for name, score in scores.items()
    }
    return Scores(
        values={name: score.value for name, score in scores.items()},
        units={name: score.unit for name, score in scores.items()},
        errors={name: standard_error(sums) for name, sums in influence.items()},
        targets=targets,
        groups=groups,
        influence=influence,
    )


def standard_error(group_sums: Float[np.ndarray, " g"]) -> float:
    """Standard error of a sum over independent groups; NaN for a single group."""
    num = len(group_sums)
    if num < 2:
        return float("nan")
    return float(np.sqrt(num / (num - 1) * np.sum(group_sums**2)))


def group_codes(groups: ArrayLike | None, num: int) -> Int[np.ndarray, " n"]:
    """Group of each row as a code from 0; without groups every row is its own group.

    Raises:
        DataError: `groups` has not one entry per row.
    """
    if groups is None:
        return np.arange(num)
    groups = np.asarray(groups).ravel()
    if groups.shape != (num,):
        raise DataError(
            f"groups must have one name for each of the {num} targets; got {groups.shape}"
        )
    return np.unique(groups, return_inverse=True)[1]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Differences of two sets of scores of the same targets; its `repr` is a table.

    Args:
        first, second: the compared scores.
        differences: first minus second, by name.
        errors: standard error of each difference, from paired rows summed over groups.
        p_values: two-sided p-value of each difference, from Student's t distribution with
            (number of groups - 1) degrees of freedom.
    """

    first: Scores
    second: Scores
    differences: dict[str, float]
    errors: dict[str, float]
    p_values: dict[str, float]

    def __repr__(self) -> str:
        title = f"{'':<18}{'first':>9}{'second':>10}   {'difference':<22}{'p':<8}significant"
        return "\n".join([title, *map(self._line, self.differences)])

    def _line(self, name):
        p = self.p_values[name]
        verdict = "yes" if p < _SIGNIFICANT else "no"
        difference = f"{self.differences[name]:.3g} ± {_short(self.errors[name])}"
        return (
            f"{name:<18}{self.first[name]:>9.4g}{self.second[name]:>10.4g}   "
            f"{difference:<22}{p:<8.2g}{verdict}"
        )


def compare(first: Scores, second: Scores) -> Comparison:
    """Test whether the scores of two models on the same targets differ.

    Rows are paired, so that a cell which is difficult for both models does not contribute
    to the difference, and summed over groups. Of many scores one in twenty has p < 0.05 by
    chance; choose the score to test before looking at the results.

    Args:
        first, second: `summary(...)` of two models, or `.scores` of two
            cross-validations, on the same targets with the same groups.

    Raises:
        DataError: the targets or groups differ.

    Example:
        >>> import numpy as np
        >>> from battprob import Predictive
        >>> from battprob.evaluate import summary
        >>> y = np.linspace(-1, 1, 8)
        >>> better = summary(Predictive.gaussian(y + 0.1 * y**2, 0.1), y)
        >>> worse = summary(Predictive.gaussian(y + 0.5, 0.1), y)
        >>> compare(better, worse).p_values["mae"] < 0.05
        True
    """
    from scipy.special import stdtr

    if not _paired(first, second):
        raise DataError(
            "compare needs scores of the same targets in the same order and groups; "
            "compute both by summary(pred, y, groups=...) with the same y and groups"
        )
    names = [name for name in first.values if name in second.values]
    differences, errors, p_values = {}, {}, {}
    for name in names:
        error = standard_error(first.influence[name] - second.influence[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = np.subtract(first[name], second[name])
            ratio = np.abs(difference) / error if difference else 0.0
        errors[name] = error
        p_values[name] = float(2 * stdtr(max(first.num_groups - 1, 1), -ratio))
        differences[name] = float(difference)
    return Comparison(first, second, differences, errors, p_values)


def _paired(first, second):
    return np.array_equal(first.targets, second.targets) and np.array_equal(
        first.groups, second.groups
    )


def _short(error):
    return "?" if np.isnan(error) else f"{error:.2g}"
