"""Curves of predicted probabilities: ROC, precision-recall and reliability.

Computed by scikit-learn from the mean of a `ClassPredictive`, including its treatment of
ties and sample weights.
"""

from typing import NamedTuple

import numpy as np

from battprob._typing import ArrayLike, Float
from battprob.evaluate.classification import checked_outcomes
from battprob.predictive import ClassPredictive


class Roc(NamedTuple):
    """False and true positive rates at decreasing thresholds, and the area below."""

    false_positive_rate: Float[np.ndarray, " t"]
    true_positive_rate: Float[np.ndarray, " t"]
    threshold: Float[np.ndarray, " t"]
    area: float


class PrecisionRecall(NamedTuple):
    """Precision and recall at increasing thresholds, and the average precision.

    `prevalence` is the fraction of positives, the precision of a random ranking.
    """

    precision: Float[np.ndarray, " t"]
    recall: Float[np.ndarray, " t"]
    threshold: Float[np.ndarray, " u"]
    average: float
    prevalence: float


class Reliability(NamedTuple):
    """Predicted probabilities and observed frequencies in blocks of rows.

    `rows` is the number (or total weight) of the rows in each block. The Brier score is
    exactly `miscalibration - discrimination + uncertainty`.
    """

    predicted: Float[np.ndarray, " t"]
    observed: Float[np.ndarray, " t"]
    rows: Float[np.ndarray, " t"]
    miscalibration: float
    discrimination: float
    uncertainty: float


def roc(p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """Receiver operating characteristic curve, and the area below it.

    Args:
        p: probabilities.
        y: outcomes, 0 and 1.
        weights: weights of the rows, for a test set that is not a random sample.

    Raises:
        DataError: `y` has another shape than `p` or contains values other than 0 and 1.

    Example:
        >>> roc(ClassPredictive([[0.1, 0.4, 0.35, 0.8]]), [0, 0, 1, 1]).area
        0.75
    """
    from sklearn import metrics as sk

    y, predicted = checked_outcomes(p, y), np.asarray(p.mean)
    false, true, threshold = sk.roc_curve(y, predicted, sample_weight=weights)
    area = sk.roc_auc_score(y, predicted, sample_weight=weights)
    return Roc(false, true, threshold, float(area))


def precision_recall(
    p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None
) -> PrecisionRecall:
    """Precision-recall curve, more informative than the ROC where failures are rare.

    Args:
        p, y, weights: see `roc`.

    Raises:
        DataError: see `roc`.

    Example:
        >>> curve = precision_recall(ClassPredictive([[0.1, 0.2, 0.9]]), [0, 1, 1])
        >>> curve.average, round(curve.prevalence, 3)
        (1.0, 0.667)
    """
    from sklearn import metrics as sk

    y, predicted = checked_outcomes(p, y), np.asarray(p.mean)
    precision, recall, threshold = sk.precision_recall_curve(
        y, predicted, sample_weight=weights
    )
    average = sk.average_precision_score(y, predicted, sample_weight=weights)
    prevalence = np.average(y, weights=weights)
    return PrecisionRecall(
        precision, recall, threshold, float(average), float(prevalence)
    )


def reliability(
    p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None
) -> Reliability:
    """Reliability diagram by isotonic regression, and the Brier score in three parts.

    Isotonic regression pools the rows into blocks, so there are no bins to choose. The
    parts are miscalibration (the reduction of the score by monotone recalibration),
    discrimination (the value of the ranking) and uncertainty (the variance of the
    outcomes).

    Args:
        p, y, weights: see `roc`.

    Raises:
        DataError: see `roc`.

    Example:
        >>> curve = reliability(ClassPredictive([[0.3, 0.3, 0.9, 0.9]]), [0, 1, 1, 1])
        >>> curve.observed.tolist(), round(curve.miscalibration, 3)
        ([0.5, 1.0], 0.025)

    References:
        Dimitriadis, Gneiting and Jordan, Stable reliability diagrams for probabilistic
        classifiers, PNAS 118, e2016191118 (2021), doi:10.1073/pnas.2016191118.
    """
    from sklearn.isotonic import IsotonicRegression

    y, predicted = checked_outcomes(p, y).astype(float), np.asarray(p.mean)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    recalibrated = IsotonicRegression().fit_transform(predicted, y, sample_weight=w)
    base_rate = np.average(y, weights=w)

    def brier(forecast):
        return float(np.average((forecast - y) ** 2, weights=w))

    observed, block = np.unique(recalibrated, return_inverse=True)
    count = np.bincount(block, w)
    return Reliability(
        predicted=np.bincount(block, w * predicted) / count,
        observed=observed,
        rows=count,
        miscalibration=brier(predicted) - brier(recalibrated),
        discrimination=brier(base_rate) - brier(recalibrated),
        uncertainty=float(base_rate * (1 - base_rate)),
    )
