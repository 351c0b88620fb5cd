"""Tests whether features or targets of new cells have another distribution."""

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
    """Differences between new rows and training rows; its `repr` is a table.

    Args:
        features: names of the features.
        standardised: (new mean - reference mean) / pooled standard deviation per feature.
        p_values: Mann-Whitney test of each feature, times the number of features.
        tests: multivariate tests by name.
        uniformity: PIT test of labelled new cells; None without labels.
        level: false-positive rate of `is_shifted`.
    """

    features: tuple[str, ...]
    standardised: Float[np.ndarray, " d"]
    p_values: Float[np.ndarray, " d"]
    tests: dict[str, TwoSample]
    uniformity: Uniformity | None
    level: float

    @property
    def p_value(self) -> float:
        """Smallest p-value of the multivariate tests and the PIT test, times their number."""
        values = [test.p_value for test in self.tests.values()]
        values += [] if self.uniformity is None else [self.uniformity.p_value]
        return min(1.0, len(values) * min(values))

    @property
    def is_shifted(self) -> bool:
        """Whether the p-value is at most `level`."""
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
            bias, dispersion, p = self.uniformity
            lines += [["targets: bias", f"{bias:+.2f}", f"{p:.3g}"]]
            lines += [["targets: dispersion", f"{dispersion:+.2f}", ""]]
        verdict = "shifted" if self.is_shifted else "no significant shift"
        last = f"{verdict} (p = {self.p_value:.3g}, level {self.level:g})"
        return "\n".join([*aligned(lines), last])


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
    """Compare new rows with training rows, and labelled new rows with their predictions.

    Args:
        reference: features of training rows [n d], one row per cell.
        new: features of new rows [m d], one row per cell.
        key: PRNG key.
        features: names of the features, for the table.
        pred: predictions of the labelled new rows, if there are any.
        y: targets of the labelled new rows.
        level: false-positive rate.

    Raises:
        DataError: see `two_sample_test`; or only one of `pred` and `y` is given, or the
            number of names is wrong.

    Example:
        >>> rows = np.arange(20.0)[:, None]
        >>> shift = detect_shift(rows, rows + 30, key=jax.random.key(0))
        >>> shift.is_shifted, shift.standardised.round(1).tolist()
        (True, [5.1])
    """
    from scipy.stats import mannwhitneyu

    if (pred is None) != (y is None):
        raise DataError("pred and y belong together: pass both, or neither")
    rows, num = pooled(reference, new)
    first, second = rows[:num], rows[num:]
    names = tuple(
        [f"x{j}" for j in range(rows.shape[1])] if features is None else features
    )
    if len(names) != rows.shape[1]:
        raise DataError(
            f"features must have one name for each of {rows.shape[1]} columns; got {names}"
        )
    scale = np.sqrt(0.5 * (first.var(0, ddof=1) + second.var(0, ddof=1)))
    p_values = np.asarray(mannwhitneyu(first, second, axis=0).pvalue)
    keys = jax.random.split(key, 4)
    return Shift(
        features=names,
        standardised=(second.mean(0) - first.mean(0)) / np.where(scale > 0, scale, 1.0),
        p_values=np.minimum(p_values * len(names), 1.0),
        tests={
            "energy": two_sample_test(first, second, "energy", key=keys[0]),
            "mmd": two_sample_test(first, second, "mmd", key=keys[1]),
            "classifier": classifier_test(first, second, key=keys[2]),
        },
        uniformity=None if pred is None else pit_test(pred, y, key=keys[3]),  # pyright: ignore[reportArgumentType]
        level=level,
    )
