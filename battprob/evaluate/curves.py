"""Curves of predicted probabilities: ranking, calibration, and areas under them.

scikit-learn's, on the mean of a `ClassPredictive`, with its handling of ties and weights.
"""

from typing import NamedTuple

import numpy as np

from battprob._typing import ArrayLike, Float
from battprob.evaluate.classification import outcomes
from battprob.predictive import ClassPredictive


class Roc(NamedTuple):
    """Rates of false and true alarms at falling thresholds, and the area below."""

    false_positive_rate: Float[np.ndarray, " t"]
    true_positive_rate: Float[np.ndarray, " t"]
    threshold: Float[np.ndarray, " t"]
    area: float


class PrecisionRecall(NamedTuple):
    """Precision and recall at rising thresholds, average precision, and a guess's."""

    precision: Float[np.ndarray, " t"]
    recall: Float[np.ndarray, " t"]
    threshold: Float[np.ndarray, " u"]
    average: float
    prevalence: float


class Reliability(NamedTuple):
    """Calibration without bins: blocks of rows, what was said, what came true.

    `miscalibration - discrimination + uncertainty` is the Brier score, exactly.
    """

    predicted: Float[np.ndarray, " t"]
    observed: Float[np.ndarray, " t"]
    rows: Float[np.ndarray, " t"]
    miscalibration: float
    discrimination: float
    uncertainty: float


def roc(p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """Receiver operating characteristic.

    Args:
        p: probabilities.
        y: outcomes, 0 and 1.
        weights: of the rows, where the test set is not a fair sample.

    Raises:
        DataError: `y` has another shape than `p` or holds more than 0 and 1.

    Example:
        >>> roc(ClassPredictive([[0.1, 0.4, 0.35, 0.8]]), [0, 0, 1, 1]).area
        0.75
    """
    from sklearn import metrics as sk

    y, said = outcomes(p, y), np.asarray(p.mean)
    false, true, threshold = sk.roc_curve(y, said, sample_weight=weights)
    area = sk.roc_auc_score(y, said, sample_weight=weights)
    return Roc(false, true, threshold, float(area))


def precision_recall(
    p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None
) -> PrecisionRecall:
    """Precision against recall, honest where failures are rare.

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

    y, said = outcomes(p, y), np.asarray(p.mean)
    precision, recall, threshold = sk.precision_recall_curve(
        y, said, sample_weight=weights
    )
    average = sk.average_precision_score(y, said, sample_weight=weights)
    prevalence = np.average(y, weights=weights)
    return PrecisionRecall(
        precision, recall, threshold, float(average), float(prevalence)
    )


def reliability(
    p: ClassPredictive, y: ArrayLike, weights: ArrayLike | None = None
) -> Reliability:
    """What came true where each probability was said, and the Brier score in three parts.

    Rows are pooled by isotonic regression, so that nobody chooses bins, and the parts add
    up: miscalibration (what monotone recalibration would save), discrimination (what the
    ranking is worth) and uncertainty (the variance of the outcomes).

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

    y, said = outcomes(p, y).astype(float), np.asarray(p.mean)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, float)
    fitted = IsotonicRegression().fit_transform(said, y, sample_weight=w)
    base = np.average(y, weights=w)

    def brier(forecast):
        return float(np.average((forecast - y) ** 2, weights=w))

    observed, block = np.unique(fitted, return_inverse=True)
    count = np.bincount(block, w)
    return Reliability(
        predicted=np.bincount(block, w * said) / count,
        observed=observed,
        rows=count,
        miscalibration=brier(said) - brier(fitted),
        discrimination=brier(base) - brier(fitted),
        uncertainty=float(base * (1 - base)),
    )
