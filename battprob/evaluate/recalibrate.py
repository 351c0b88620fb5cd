"""Recalibration of overconfident or underconfident predictions from held-out rows.

`VarianceScaling` scales the variance and returns a `Predictive`. `QuantileRecalibration` maps
the whole distribution function. `IsotonicRecalibration` maps probabilities of outcomes. Fit
them on rows that the model was not trained on, and evaluate the result on further rows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.evaluate import metrics
from battprob.evaluate.classification import checked_outcomes
from battprob.evaluate.scores import group_codes
from battprob.predictive import ClassPredictive, Predictive

_MIN_SIZE = 5
_ROUNDING = 1e-7


@dataclass(frozen=True)
class VarianceScaling:
    r"""Scales the variance of each prediction about its mean, on the model's scale.

    $$\tau^2 = \frac1G \sum_g \frac1{n_g} \sum_{i \in g} \frac{(z_i - \mu_i)^2}{\sigma_i^2}$$

    With this factor the squared standardised errors have mean one over groups. Aleatoric
    and epistemic variance are scaled by the same factor, since the errors do not show which
    of the two was wrong.

    Example:
        >>> y = np.array([-2.0, 2.0, -2.0, 2.0, 2.0])
        >>> scaled = VarianceScaling().fit(Predictive.gaussian(0 * y, 1.0), y)
        >>> float(scaled(Predictive.gaussian(7.0, 0.5, 0.5)).variance)
        4.0
    """

    def fit(
        self, pred: Predictive, y: ArrayLike, *, groups: ArrayLike | None = None
    ) -> "ScaledVariance":
        """Compute the factor.

        Args:
            pred: predictions of the calibration rows.
            y: their targets.
            groups: batch of each calibration row; None if the rows are independent.

        Raises:
            DataError: there are fewer than five independent rows or groups, a prediction
                has zero variance, or `y` cannot be scored.
        """
        y = metrics.checked_targets(pred, y)
        plain = without_transform(pred)
        variance = np.asarray(plain.variance)
        zero = np.argwhere(variance <= 0)
        if zero.size:
            raise DataError(
                f"the prediction at index {zero[0].tolist()} has zero variance; variance "
                "scaling cannot correct it. Remove it with `pred.take(...)`, or fit a "
                "model with noise"
            )
        error = np.asarray(pred.transform.inverse(y) - plain.mean)
        square = (error**2 / variance).ravel()
        weight, size = _weights(groups, len(square))
        return ScaledVariance(float(weight @ square), size)


class ScaledVariance(NamedTuple):
    """Multiplies variances by `factor`.

    The relative standard error of the factor is about sqrt(2 / effective_size).
    """

    factor: float
    effective_size: int

    def __call__(self, pred: Predictive) -> Predictive:
        """Return the predictive with its variance on the model's scale scaled."""
        mean = without_transform(pred).mean[None, None]
        return Predictive(
            mean + self.factor**0.5 * (pred.location - mean),
            self.factor * pred.noise_variance,
            self.factor * pred.function_variance,
            pred.log_weight,
            pred.transform,
            shared_function=pred.shared_function,
        )


@dataclass(frozen=True)
class QuantileRecalibration:
    """Replaces each predicted probability by its observed frequency in held-out rows.

    The map is the empirical distribution function of the PIT of the held-out rows, linear
    between its steps.

    Example:
        >>> y = np.linspace(-2, 2, 41)
        >>> pred = Predictive.gaussian(0 * y, 25.0)
        >>> recalibrated = QuantileRecalibration().fit(pred, y)
        >>> low, high = recalibrated.interval(pred, level=0.9)
        >>> 1.5 < float(high[0]) < 2.0
        True

    References:
        Kuleshov, Fenner and Ermon, Accurate uncertainties for deep learning using
        calibrated regression, ICML (2018), arXiv:1807.00263, algorithm 1.
    """

    def fit(
        self, pred: Predictive, y: ArrayLike, *, groups: ArrayLike | None = None
    ) -> "RecalibratedQuantiles":
        """Compute the map of probabilities.

        Args:
            pred: predictions of the calibration rows.
            y: their targets.
            groups: batch of each calibration row; None if the rows are independent.

        Raises:
            DataError: there are fewer than five independent rows or groups, or `y` cannot
                be scored.
        """
        predicted = np.asarray(metrics.pit(pred, y)).ravel()
        # Strictly inside (0, 1), so that both end points of the map stay distinct.
        predicted = np.clip(predicted, _ROUNDING, 1 - _ROUNDING)
        weight, size = _weights(groups, len(predicted))
        predicted, index = np.unique(predicted, return_inverse=True)
        weight = np.bincount(index, weight)
        observed = np.cumsum(weight) - 0.5 * weight
        predicted = np.concatenate([[0.0], predicted, [1.0]])
        observed = np.concatenate([[0.0], observed, [1.0]])
        return RecalibratedQuantiles(predicted, observed, size)


class RecalibratedQuantiles(NamedTuple):
    """Piecewise linear map from predicted to observed cumulative probabilities.

    Beyond the outermost of the `effective_size` rows or groups the tails are those of the
    model: intervals with a level above about 1 - 1 / effective_size are not calibrated.
    """

    predicted: Float[np.ndarray, " n"]
    observed: Float[np.ndarray, " n"]
    effective_size: int

    def cdf(self, pred: Predictive, y: ArrayLike) -> Float[np.ndarray, "..."]:
        """Recalibrated probability P(target <= y)."""
        return np.interp(np.asarray(pred.cdf(y)), self.predicted, self.observed)

    def quantile(self, pred: Predictive, p: ArrayLike) -> Float[Array, "..."]:
        """Recalibrated quantiles of probability `p`; shape of p, then that of `pred`."""
        return pred.quantile(np.interp(np.asarray(p), self.observed, self.predicted))

    def interval(self, pred: Predictive, level: float = 0.9):
        """Ends (low, high) of the recalibrated central interval of probability `level`."""
        metrics.require_level(level)
        low, high = self.quantile(
            pred, np.array([0.5 * (1 - level), 0.5 * (1 + level)])
        )
        return low, high


@dataclass(frozen=True)
class IsotonicRecalibration:
    """Replaces predicted probabilities by observed frequencies, with a monotone map.

    Example:
        >>> p = ClassPredictive([np.repeat([0.1, 0.9], 10)])
        >>> y = np.r_[np.zeros(8), 1, 1, np.ones(10)]
        >>> recalibrated = IsotonicRecalibration().fit(p, y)
        >>> recalibrated(ClassPredictive([[0.1]])).mean.round(3).tolist()
        [0.2]

    References:
        Zadrozny and Elkan, Transforming classifier scores into accurate multiclass
        probability estimates, KDD (2002), doi:10.1145/775047.775151.
    """

    def fit(
        self, p: ClassPredictive, y: ArrayLike, *, groups: ArrayLike | None = None
    ) -> "RecalibratedProbability":
        """Compute the map of probabilities.

        Args:
            p: probabilities of the calibration rows.
            y: their outcomes, 0 and 1.
            groups: batch of each calibration row; None if the rows are independent.

        Raises:
            DataError: there are fewer than five independent rows or groups, or `y`
                contains values other than 0 and 1.
        """
        from sklearn.isotonic import IsotonicRegression

        y, predicted = checked_outcomes(p, y).ravel(), np.asarray(p.mean).ravel()
        weight, size = _weights(groups, len(y))
        fitted = IsotonicRegression().fit(predicted, y, sample_weight=weight)
        return RecalibratedProbability(fitted.X_thresholds_, fitted.y_thresholds_, size)


class RecalibratedProbability(NamedTuple):
    """Piecewise linear map from predicted to observed probabilities of the outcome."""

    predicted: Float[np.ndarray, " n"]
    observed: Float[np.ndarray, " n"]
    effective_size: int

    def __call__(self, p: ClassPredictive) -> ClassPredictive:
        """Return the predictive with each draw of the probability mapped."""
        mapped = np.interp(np.asarray(p.probability), self.predicted, self.observed)
        return eqx.tree_at(
            lambda tree: tree.probability, p, mapped.astype(p.probability.dtype)
        )


def without_transform(pred: Predictive) -> Predictive:
    """Return the predictive of the target on the model's scale."""
    return Predictive(
        pred.location, pred.noise_variance, pred.function_variance, pred.log_weight
    )


def _weights(groups, num):
    """Weights with equal totals of all groups, and the number of groups."""
    codes = group_codes(groups, num)
    counts = np.bincount(codes)
    size = len(counts)
    if size < _MIN_SIZE:
        unit = "rows" if groups is None else "groups"
        raise DataError(
            f"recalibration needs {_MIN_SIZE} or more independent {unit}; got {size}, from "
            f"which the correction would be mostly noise. Hold out more {unit}"
        )
    return 1 / (size * counts[codes]), size
