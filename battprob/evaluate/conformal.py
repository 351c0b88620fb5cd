"""Conformal prediction intervals, valid whatever the model.

A conformal calibrator scales the half-widths of a model's intervals by one factor, which
it computes from predictions of held-out rows. If a new row is exchangeable with the held-out
rows, the scaled interval contains its target with the stated probability (on average over
data sets), even if the model is wrong.

Cells of one batch are not exchangeable with cells of another batch, but the batches are. With
`groups` every held-out batch has the same total weight, whatever its number of cells. The
coverage then holds for a cell of a *new* batch, and the minimum number of rows for a level
becomes a minimum number of batches.
"""

import math
from dataclasses import dataclass

import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.evaluate import metrics
from battprob.evaluate.scores import group_codes
from battprob.predictive import Predictive


@dataclass(frozen=True)
class ConformalInterval:
    """Split-conformal prediction intervals, for exchangeable rows or groups.

    Args:
        level: nominal coverage of the interval.

    Example:
        >>> y = np.linspace(-3, 3, 61)
        >>> pred = Predictive.gaussian(0 * y, 1.0)
        >>> calibrated = ConformalInterval(level=0.9).fit(pred, y)
        >>> low, high = calibrated.interval(pred)
        >>> round(float(high[0]), 2), calibrated.effective_size
        (2.8, 61)

    References:
        Romano, Patterson and Candès, Conformalized quantile regression, NeurIPS (2019),
        but the half-widths are multiplied by a factor instead of increased by a constant;
        weights for groups: Lee, Barber and Willett, arXiv:2306.06342 (2023), a variant of
        Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118, 2491 (2023),
        doi:10.1080/01621459.2022.2060112, without random subsampling.
    """

    level: float = 0.9

    def fit(
        self, pred: Predictive, y: ArrayLike, *, groups: ArrayLike | None = None
    ) -> "CalibratedInterval":
        """Compute the factor from predictions of rows that were not used for training.

        Args:
            pred: predictions of the calibration rows.
            y: their targets.
            groups: batch of each calibration row; None if the rows are exchangeable.

        Raises:
            DataError: there are too few rows (or groups) for the level, or `y` cannot
                be scored.
        """
        metrics.require_level(self.level)
        y = np.asarray(metrics.checked_targets(pred, y)).ravel()
        codes = group_codes(groups, len(y))
        weight, size = exchangeable_weights(
            codes, self.level, unit="rows" if groups is None else "groups"
        )
        scores = nonconformity_scores(pred, y, self.level)
        factor = weighted_quantile(scores, weight, self.level)
        return CalibratedInterval(self.level, factor, size)


@dataclass(frozen=True)
class CalibratedInterval:
    """Intervals of a model whose half-widths about the median are scaled by one factor.

    Args:
        level: nominal coverage of the interval.
        factor: factor of both half-widths, on the model's scale; 1 if the model was
            calibrated.
        effective_size: number of exchangeable rows or groups used for calibration. The
            coverage of new rows varies between calibration sets, with a standard deviation
            of about sqrt(level (1 - level) / effective_size).
    """

    level: float
    factor: float
    effective_size: int

    def interval(
        self, pred: Predictive
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
        """Ends (low, high) of the calibrated interval of every target."""
        low, median, high = on_model_scale(pred, self.level)
        forward = pred.transform.forward
        return (
            forward(median - self.factor * (median - low)),
            forward(median + self.factor * (high - median)),
        )


@dataclass(frozen=True)
class MondrianInterval:
    """Conformal intervals with the stated coverage within each class of rows.

    Args:
        level: nominal coverage of the interval in every class.

    Example:
        >>> y = np.linspace(-3, 3, 40) * np.repeat([1.0, 5.0], 20)
        >>> pred = Predictive.gaussian(0 * y, 1.0)
        >>> classes = np.repeat(["25 °C", "45 °C"], 20)
        >>> calibrated = MondrianInterval(level=0.8).fit(pred, y, classes=classes)
        >>> low, high = calibrated.interval(pred.take(slice(2)), ["25 °C", "45 °C"])
        >>> bool(high[1] > 4 * high[0])
        True

    References:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005),
        section 4.5, doi:10.1007/b106715.
    """

    level: float = 0.9

    def fit(
        self,
        pred: Predictive,
        y: ArrayLike,
        *,
        classes: ArrayLike,
        groups: ArrayLike | None = None,
    ) -> "CalibratedByClass":
        """Compute one factor per class.

        Args:
            pred: predictions of the calibration rows.
            y: their targets.
            classes: class of each calibration row (protocol, chemistry, predicted
                outcome).
            groups: batch of each calibration row; None if the rows are exchangeable.

        Raises:
            DataError: a class has too few rows (or groups) for the level; a note on the
                error names the class.
        """
        y, classes = np.asarray(y), np.asarray(classes)
        if classes.shape != y.shape:
            raise DataError(
                f"classes must have one name for each of the {y.size} targets; got "
                f"{classes.shape}"
            )
        groups = None if groups is None else np.asarray(groups)
        by_class = {}
        for name in np.unique(classes).tolist():
            rows = np.flatnonzero(classes == name)
            class_groups = None if groups is None else groups[rows]
            try:
                by_class[name] = ConformalInterval(self.level).fit(
                    pred.take(rows), y[rows], groups=class_groups
                )
            except DataError as error:
                error.add_note(f"in class {name!r}")
                raise
        return CalibratedByClass(by_class)


@dataclass(frozen=True)
class CalibratedByClass:
    """One `CalibratedInterval` per class.

    Args:
        by_class: calibrated interval by name of the class.
    """

    by_class: dict

    def interval(
        self, pred: Predictive, classes: ArrayLike
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Ends (low, high) of the interval of every target, calibrated for its class.

        Raises:
            DataError: a class has no calibration rows.
        """
        classes = np.asarray(classes)
        unknown = set(np.unique(classes).tolist()) - set(self.by_class)
        if unknown:
            raise DataError(
                f"class {min(unknown)!r} has no calibration rows; calibrated classes are "
                f"{sorted(self.by_class)}"
            )
        ends = np.empty((2, *pred.shape))
        for name, calibrated in self.by_class.items():
            rows = np.flatnonzero(classes == name)
            if rows.size:
                ends[:, rows] = calibrated.interval(pred.take(rows))
        return ends[0], ends[1]


def on_model_scale(pred: Predictive, level: float):
    """Low end, median and high end of the model's interval before its transform."""
    p = np.array([0.5 * (1 - level), 0.5, 0.5 * (1 + level)])
    return pred.transform.inverse(pred.quantile(p))


def exchangeable_weights(codes, level: float, *, unit: str):
    """Weight of each row in the conformal quantile, and the number of groups.

    With a new group there are G + 1 exchangeable groups. Each of the G observed groups has
    weight 1 / (G + 1), divided equally among its rows. The remaining weight belongs to the
    new group, whose score may be arbitrarily large.

    Args:
        codes: group of each row, counted from 0.
        level: nominal coverage.
        unit: what the groups are ("rows" or "groups"), for the error message.

    Raises:
        DataError: there are too few groups for the level.
    """
    counts = np.bincount(codes)
    size = len(counts)
    # The tolerance makes 0.9 / (1 - 0.9) = 9.000000000000002 need 9 groups, not 10.
    needed = math.ceil(level / (1 - level) - 1e-9)
    if size < needed:
        raise DataError(
            f"level {level:g} needs {needed} or more calibration {unit}; got {size}, with "
            f"which the interval would be infinite. Hold out more {unit}, or use a level "
            f"up to {size / (size + 1):.2f}"
        )
    return 1 / ((size + 1) * counts[codes]), size


def weighted_quantile(values, weight, level: float) -> float:
    """Smallest value at which the cumulative weight reaches `level`."""
    order = np.argsort(values)
    # The tolerance absorbs the rounding of a sum of equal weights.
    reached = np.cumsum(weight[order]) >= level - 1e-9
    return float(values[order][np.argmax(reached)])


def nonconformity_scores(pred, y, level):
    """Distance of each target from the median in units of the half-width on its side."""
    low, median, high = (np.asarray(a).ravel() for a in on_model_scale(pred, level))
    z = np.asarray(pred.transform.inverse(y.reshape(pred.shape))).ravel()
    half_width = np.where(z < median, median - low, high - median)
    tiny = np.finfo(half_width.dtype).tiny
    return np.abs(z - median) / np.maximum(half_width, tiny)
