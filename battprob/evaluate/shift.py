"""Are new cells like those of training? One report: each feature, all together, targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from battprob._errors import DataError
from battprob._files.text import aligned
from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.evaluate.two_sample import (
    TwoSample,
    classifier_test,
    pit_test,
    pooled,
    two_sample_test,
)
from battprob.evaluate.uniformity import Uniformity
from battprob.predictive import Predictive


@dataclass(frozen=True, repr=False)
class Shift:
    """How new rows differ from those of training; printed, it is a table.

    Args:
        features: names of the features.
        standardised: (new mean - reference mean) / pooled standard deviation, of each.
        p_values: of each feature by itself (Mann and Whitney), times their number.
        tests: multivariate tests by name.
        uniformity: the test of the predictive on labelled new cells; None without any.
        level: error rate of `is_shifted`.
    """

    features: tuple[str, ...]
    standardised: Float[np.ndarray, " d"]
    p_values: Float[np.ndarray, " d"]
    tests: dict[str, TwoSample]
    uniformity: Uniformity | None
    level: float

    @property
    def p_value(self) -> float:
        """The least p-value of the multivariate tests (and of targets), times how many."""
        values = [test.p_value for test in self.tests.values()]
        values += [] if self.uniformity is None else [self.uniformity.p_value]
        return min(1.0, len(values) * min(values))

    @property
    def is_shifted(self) -> bool:
        """Whether chance is ruled out: said of unshifted rows in `level` of all cases."""
        return self.p_value <= self.level

    def __repr__(self) -> str:
        lines = [["feature", "shift (sd)", "p"]]
        columns = zip(self.features, self.standardised, self.p_values, strict=True)
        lines += [[name, f"{shift:+.2f}", f"{p:.3g}"] for name, shift, p in columns]
        lines += [
            [name, f"{test.statistic:.3f}", f"{test.p_value:.3g}"]
            for name, test in self.tests.items()
        ]
        if self.uniformity is not None:
            bias, spread, p = self.uniformity
            lines += [["targets: bias", f"{bias:+.2f}", f"{p:.3g}"]]
            lines += [["targets: spread", f"{spread:+.2f}", ""]]
        verdict = "shifted" if self.is_shifted else "no shift shown"
        end = f"{verdict} (p = {self.p_value:.3g}, error rate {self.level:g})"
        return "\n".join([*aligned(lines), end])


def detect_shift(
    reference: ArrayLike,
    new: ArrayLike,
    *,
    key: PRNGKey,
    features: Sequence[str] | None = None,
    pred: Predictive | None = None,
    y: ArrayLike | None = None,
    level: float = 0.05,
) -> Shift:
    """Compare new rows with those of training, and labelled ones with what was predicted.

    Args:
        reference: features of training rows [n d], one a cell.
        new: features of new rows [m d], one a cell.
        key: PRNG key.
        features: names, for the table.
        pred: predictions of new rows that are labelled, if there are any.
        y: their targets.
        level: how often unshifted rows are to be called shifted.

    Raises:
        DataError: see `two_sample_test`; or `pred` and `y` do not both come, or names are
            too many or too few.

    Example:
        >>> rows = np.arange(20.0)[:, None]
        >>> found = detect_shift(rows, rows + 30, key=jax.random.key(0))
        >>> found.is_shifted, found.standardised.round(1).tolist()
        (True, [5.1])
    """
    from scipy.stats import mannwhitneyu

    if (pred is None) != (y is None):
        raise DataError("pred and y belong together: give both, or neither")
    rows, num = pooled(reference, new)
    old, later = rows[:num], rows[num:]
    names = tuple(
        [f"x{j}" for j in range(rows.shape[1])] if features is None else features
    )
    if len(names) != rows.shape[1]:
        raise DataError(f"features must name {rows.shape[1]} columns; got {names}")
    spread = np.sqrt(0.5 * (old.var(0, ddof=1) + later.var(0, ddof=1)))
    p_values = np.asarray(mannwhitneyu(old, later, axis=0).pvalue)
    keys = jax.random.split(key, 4)
    return Shift(
        features=names,
        standardised=(later.mean(0) - old.mean(0)) / np.where(spread > 0, spread, 1.0),
        p_values=np.minimum(p_values * len(names), 1.0),
        tests={
            "energy": two_sample_test(old, later, "energy", key=keys[0]),
            "mmd": two_sample_test(old, later, "mmd", key=keys[1]),
            "classifier": classifier_test(old, later, key=keys[2]),
        },
        uniformity=None if pred is None else pit_test(pred, y, key=keys[3]),  # pyright: ignore[reportArgumentType]
        level=level,
    )
