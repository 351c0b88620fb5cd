"""Intervals that hold by exchangeability, whatever the model believed.

Predictions of held-out rows say by which factor the model's own intervals must be
stretched to have held. If the next row is exchangeable with those, the stretched interval
holds with the stated probability, on average over data sets, however wrong the model is.

Cells of one batch are not exchangeable with cells of the next; batches are. With `groups`
every held-out batch counts once, not once a cell, so that the promise is for a cell of a
*new* batch (and needs as many batches as it would otherwise need cells).
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
    """Split conformal intervals, of rows or of whole groups.

    Args:
        level: probability that the interval is to hold.
        groups: batch of each calibration row; None if rows are exchangeable.

    Example:
        >>> y = np.linspace(-3, 3, 61)
        >>> said = Predictive.gaussian(0 * y, 1.0)
        >>> calibrated = ConformalInterval(level=0.9).fit(said, y)
        >>> low, high = calibrated.interval(said)
        >>> round(float(high[0]), 2), calibrated.effective_size
        (2.8, 61)

    References:
        Romano, Patterson and Candès, Conformalized quantile regression, NeurIPS (2019),
        here with widths stretched rather than widened; for groups the weights of Lee,
        Barber and Willett, arXiv:2306.06342 (2023), a variant of Dunn, Wasserman and
        Ramdas, J. Am. Stat. Assoc. 118, 2491 (2023),
        doi:10.1080/01621459.2022.2060112, which needs no random subsampling.
    """

    level: float = 0.9
    groups: ArrayLike | None = None

    def fit(self, pred: Predictive, y: ArrayLike) -> "CalibratedInterval":
        """Find the stretch from predictions of rows that the model was not fitted to.

        Args:
            pred: predictions of the calibration rows.
            y: their targets.

        Raises:
            DataError: there are too few rows (or groups) for the level, or `y` cannot
                be scored.
        """
        metrics.require_level(self.level)
        y = np.asarray(metrics.targets(pred, y)).ravel()
        codes = group_codes(self.groups, len(y))
        weight, size = exchangeable_weights(codes, self.level, self.groups is not None)
        stretch = weighted_quantile(stretches(pred, y, self.level), weight, self.level)
        return CalibratedInterval(self.level, stretch, size)


@dataclass(frozen=True)
class CalibratedInterval:
    """Intervals of a model stretched about its median.

    Args:
        level: probability that the interval is to hold.
        stretch: factor of both half-widths, on the model's scale; 1 if it was calibrated.
        effective_size: exchangeable rows or groups it was found from. Given these, the
            coverage of further rows is itself spread, by about
            sqrt(level (1 - level) / effective_size).
    """

    level: float
    stretch: float
    effective_size: int

    def interval(
        self, pred: Predictive
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
        """(low, high) of every target."""
        low, middle, high = on_model_scale(pred, self.level)
        forward = pred.transform.forward
        return (
            forward(middle - self.stretch * (middle - low)),
            forward(middle + self.stretch * (high - middle)),
        )


@dataclass(frozen=True)
class MondrianInterval:
    """Conformal intervals that hold within each class of rows, not just on average.

    Args:
        level: probability that the interval is to hold, in every class.
        classes: class of each calibration row (protocol, chemistry, predicted outcome).
        groups: batch of each calibration row; None if rows are exchangeable.

    Example:
        >>> y = np.linspace(-3, 3, 40) * np.repeat([1.0, 5.0], 20)
        >>> said = Predictive.gaussian(0 * y, 1.0)
        >>> classes = np.repeat(["cool", "hot"], 20)
        >>> calibrated = MondrianInterval(0.8, classes).fit(said, y)
        >>> low, high = calibrated.interval(said.take(slice(2)), ["cool", "hot"])
        >>> bool(high[1] > 4 * high[0])
        True

    References:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005),
        section 4.5, doi:10.1007/b106715.
    """

    level: float
    classes: ArrayLike
    groups: ArrayLike | None = None

    def fit(self, pred: Predictive, y: ArrayLike) -> "CalibratedByClass":
        """Find one stretch a class.

        Raises:
            DataError: a class has too few rows (or groups) for the level.
        """
        y, classes = np.asarray(y), np.asarray(self.classes)
        if classes.shape != y.shape:
            raise DataError(
                f"classes must have one name for each of the {y.size} targets; got "
                f"{classes.shape}"
            )
        groups = None if self.groups is None else np.asarray(self.groups)
        found = {}
        for name in np.unique(classes).tolist():
            rows = np.flatnonzero(classes == name)
            own = ConformalInterval(
                self.level, None if groups is None else groups[rows]
            )
            try:
                found[name] = own.fit(pred.take(rows), y[rows])
            except DataError as error:
                error.add_note(f"in class {name!r}")
                raise
        return CalibratedByClass(found)


@dataclass(frozen=True)
class CalibratedByClass:
    """A `CalibratedInterval` for every class."""

    by_class: dict

    def interval(
        self, pred: Predictive, classes: ArrayLike
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """(low, high) of every target, by its class.

        Raises:
            DataError: a class was not among the calibration rows.
        """
        classes = np.asarray(classes)
        unknown = set(np.unique(classes).tolist()) - set(self.by_class)
        if unknown:
            raise DataError(
                f"class {min(unknown)!r} has no calibration rows; known are "
                f"{sorted(self.by_class)}"
            )
        ends = np.empty((2, *pred.shape))
        for name, calibrated in self.by_class.items():
            rows = np.flatnonzero(classes == name)
            if rows.size:
                ends[:, rows] = calibrated.interval(pred.take(rows))
        return ends[0], ends[1]


def on_model_scale(pred: Predictive, level: float):
    """Low end, median and high end of the model's own interval, before its transform."""
    p = np.array([0.5 * (1 - level), 0.5, 0.5 * (1 + level)])
    return pred.transform.inverse(pred.quantile(p))


def exchangeable_weights(codes, level: float, grouped: bool):  # noqa: FBT001
    """Weight of each row in the quantile, and how many groups there are.

    A new group is one more among G: each known one has 1/(G+1), shared by its rows, and
    what is left is the new one's, which may lie anywhere.

    Raises:
        DataError: there are too few groups for the level.
    """
    counts = np.bincount(codes)
    size = len(counts)
    needed = math.ceil(level / (1 - level) - 1e-9)
    if size < needed:
        what = "groups" if grouped else "rows"
        raise DataError(
            f"level {level:g} needs {needed} calibration {what} or more, and there are "
            f"{size}: with so few the interval would be infinite. Hold out more {what}, "
            f"or ask for a level up to {size / (size + 1):.2f}"
        )
    return 1 / ((size + 1) * counts[codes]), size


def weighted_quantile(values, weight, level: float) -> float:
    """The least value up to which the weights add to `level`."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) >= level - 1e-9
    return float(values[order][np.argmax(reached)])


def stretches(pred, y, level):
    """Factor by which each row's interval must be stretched to reach its target."""
    low, middle, high = (np.asarray(a).ravel() for a in on_model_scale(pred, level))
    z = np.asarray(pred.transform.inverse(y.reshape(pred.shape))).ravel()
    half = np.where(z < middle, middle - low, high - middle)
    tiny = np.finfo(half.dtype).tiny
    return np.abs(z - middle) / np.maximum(half, tiny)
