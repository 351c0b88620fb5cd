"""Mending predictions that are too sure or too timid, from held-out rows.

`VarianceScaling` keeps the shape and answers a `Predictive`; `QuantileRecalibration` bends
the whole distribution function; `IsotonicRecalibration` does so for probabilities. Find
them on rows that the model was not fitted to, and judge them on others again.
"""

from typing import NamedTuple

import equinox as eqx
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.evaluate import metrics
from battprob.evaluate.classification import outcomes
from battprob.evaluate.scores import group_codes
from battprob.predictive import ClassPredictive, Predictive

_LEAST = 5
_ROUNDING = 1e-7


class VarianceScaling(NamedTuple):
    r"""Stretch every distribution about its mean, on the model's scale.

    $$\tau^2 = \frac1G \sum_g \frac1{n_g} \sum_{i \in g} \frac{(z_i - \mu_i)^2}{\sigma_i^2}$$

    makes squared errors in units of the variance average one over groups. Aleatoric and
    epistemic variance are scaled alike: the rows do not tell which was wrong.

    Args:
        groups: batch of each calibration row; None if rows are independent.

    Example:
        >>> y = np.array([-2.0, 2.0, -2.0, 2.0, 2.0])
        >>> scaled = VarianceScaling().fit(Predictive.gaussian(0 * y, 1.0), y)
        >>> float(scaled(Predictive.gaussian(7.0, 0.5, 0.5)).variance)
        4.0
    """

    groups: ArrayLike | None = None

    def fit(self, pred: Predictive, y: ArrayLike) -> "ScaledVariance":
        """Find the factor.

        Raises:
            DataError: fewer than five independent rows or groups, a prediction without
                variance, or `y` cannot be scored.
        """
        y = metrics.targets(pred, y)
        plain = without_transform(pred)
        variance = np.asarray(plain.variance)
        if np.any(variance <= 0):
            raise DataError("a prediction has no variance, which no factor can mend")
        error = np.asarray(pred.transform.inverse(y) - plain.mean)
        square = (error**2 / variance).ravel()
        weight, size = _weights(self.groups, len(square))
        return ScaledVariance(float(weight @ square), size)


class ScaledVariance(NamedTuple):
    """Variances multiplied by `factor`, known to about sqrt(2 / effective_size) of it."""

    factor: float
    effective_size: int

    def __call__(self, pred: Predictive) -> Predictive:
        """The predictive with its variance scaled about its mean (of the model's scale)."""
        mean = without_transform(pred).mean[None, None]
        return Predictive(
            mean + self.factor**0.5 * (pred.location - mean),
            self.factor * pred.noise_variance,
            self.factor * pred.function_variance,
            pred.log_weight,
            pred.transform,
            shared_function=pred.shared_function,
        )


class QuantileRecalibration(NamedTuple):
    """Say of each probability how often targets really were below its quantile.

    The distribution of the PIT of held-out rows, straight between its steps, replaces the
    probabilities that the model states.

    Args:
        groups: batch of each calibration row; None if rows are independent.

    Example:
        >>> y = np.linspace(-2, 2, 41)
        >>> said = Predictive.gaussian(0 * y, 25.0)
        >>> recalibrated = QuantileRecalibration().fit(said, y)
        >>> low, high = recalibrated.interval(said, level=0.9)
        >>> 1.5 < float(high[0]) < 2.0
        True

    References:
        Kuleshov, Fenner and Ermon, Accurate uncertainties for deep learning using
        calibrated regression, ICML (2018), arXiv:1807.00263, algorithm 1.
    """

    groups: ArrayLike | None = None

    def fit(self, pred: Predictive, y: ArrayLike) -> "RecalibratedQuantiles":
        """Find the map of probabilities.

        Raises:
            DataError: fewer than five independent rows or groups, or `y` cannot be
                scored.
        """
        said = np.asarray(metrics.pit(pred, y)).ravel()
        said = np.clip(said, _ROUNDING, 1 - _ROUNDING)  # room for both ends
        weight, size = _weights(self.groups, len(said))
        said, which = np.unique(said, return_inverse=True)
        weight = np.bincount(which, weight)
        observed = np.cumsum(weight) - 0.5 * weight
        said = np.concatenate([[0.0], said, [1.0]])
        observed = np.concatenate([[0.0], observed, [1.0]])
        return RecalibratedQuantiles(said, observed, size)


class RecalibratedQuantiles(NamedTuple):
    """Probabilities said, and those observed below them; linear between.

    Beyond the outermost of `effective_size` rows or groups the tails are the model's:
    levels above about 1 - 1 / effective_size are not calibrated.
    """

    said: Float[np.ndarray, " n"]
    observed: Float[np.ndarray, " n"]
    effective_size: int

    def cdf(self, pred: Predictive, y: ArrayLike) -> Float[np.ndarray, "..."]:
        """P(target <= y), recalibrated."""
        return np.interp(np.asarray(pred.cdf(y)), self.said, self.observed)

    def quantile(self, pred: Predictive, p: ArrayLike) -> Float[Array, "..."]:
        """Targets below which probability `p` lies; shape of p, then that of `pred`."""
        return pred.quantile(np.interp(np.asarray(p), self.observed, self.said))

    def interval(self, pred: Predictive, level: float = 0.9):
        """Central interval that holds probability `level`: (low, high)."""
        metrics.require_level(level)
        low, high = self.quantile(
            pred, np.array([0.5 * (1 - level), 0.5 * (1 + level)])
        )
        return low, high


class IsotonicRecalibration(NamedTuple):
    """Say of each probability how often the outcome really came true, never less for more.

    Args:
        groups: batch of each calibration row; None if rows are independent.

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

    groups: ArrayLike | None = None

    def fit(self, p: ClassPredictive, y: ArrayLike) -> "RecalibratedProbability":
        """Find the map of probabilities.

        Raises:
            DataError: fewer than five independent rows or groups, or `y` holds more
                than 0 and 1.
        """
        from sklearn.isotonic import IsotonicRegression

        y, said = outcomes(p, y).ravel(), np.asarray(p.mean).ravel()
        weight, size = _weights(self.groups, len(y))
        fitted = IsotonicRegression().fit(said, y, sample_weight=weight)
        return RecalibratedProbability(fitted.X_thresholds_, fitted.y_thresholds_, size)


class RecalibratedProbability(NamedTuple):
    """Probabilities said and observed; each draw goes through the map, linear between."""

    said: Float[np.ndarray, " n"]
    observed: Float[np.ndarray, " n"]
    effective_size: int

    def __call__(self, p: ClassPredictive) -> ClassPredictive:
        """The predictive with every draw of its probability mapped."""
        mapped = np.interp(np.asarray(p.probability), self.said, self.observed)
        return eqx.tree_at(
            lambda tree: tree.probability, p, mapped.astype(p.probability.dtype)
        )


def without_transform(pred: Predictive) -> Predictive:
    """The predictive of the target on the model's scale."""
    return Predictive(
        pred.location, pred.noise_variance, pred.function_variance, pred.log_weight
    )


def _weights(groups, num):
    """Weights that count every group once, and how many groups there are."""
    codes = group_codes(groups, num)
    counts = np.bincount(codes)
    size = len(counts)
    if size < _LEAST:
        what = "rows" if groups is None else "groups"
        raise DataError(
            f"recalibration from {size} independent {what} would follow their chance; it "
            f"needs {_LEAST} or more"
        )
    return 1 / (size * counts[codes]), size
