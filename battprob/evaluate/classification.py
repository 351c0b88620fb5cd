"""Scores of predicted probabilities, each with the influence of every row on it."""

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool
from battprob.evaluate.scores import Score, mean_of, ratio_of
from battprob.predictive import ClassPredictive

_THRESHOLD = 0.5


def checked_outcomes(p: ClassPredictive, y: ArrayLike) -> Bool[np.ndarray, "*b"]:
    """Return `y` as a boolean array of the shape of `p`.

    Raises:
        DataError: `y` has another shape than `p`, or contains values other than 0 and 1.
    """
    y = np.asarray(y)
    if y.shape != p.shape:
        raise DataError(
            f"y must have one outcome for every prediction, shape {p.shape}; got {y.shape}"
        )
    bad = np.argwhere(~np.isin(y, (0, 1)))
    if bad.size:
        raise DataError(
            f"outcomes must be 0 or 1 (or False or True); y at index {bad[0].tolist()} is "
            f"{y[tuple(bad[0])]!r}. Remove unknown outcomes, and their predictions with "
            "`p.take(...)`"
        )
    return y.astype(bool)


def class_columns(p: ClassPredictive, y: ArrayLike) -> dict[str, np.ndarray]:
    """Columns from which `class_scores` computes the scores, one entry per row."""
    y = checked_outcomes(p, y)
    return {
        "target": y.astype(float),
        "probability": np.asarray(p.mean),
        "log_loss": -np.asarray(p.log_prob(y)),
    }


def class_scores(columns: dict[str, np.ndarray]) -> dict[str, Score]:
    """Scores of the outcomes in `columns`, which may come from several predictions."""
    y, p = columns["target"].astype(bool), columns["probability"]
    positive = p > _THRESHOLD
    majority = y.mean() >= 0.5
    return {
        "log_loss": mean_of(columns["log_loss"], "nats"),
        "brier": mean_of((p - y) ** 2),
        "auroc": _area_under_roc(y, p),
        "auprc": _average_precision(y, p),
        "prevalence": mean_of(y),
        "accuracy": mean_of(positive == y),
        "majority_rate": mean_of(y == majority),
        "precision": ratio_of(positive & y, positive),
        "recall": ratio_of(positive & y, y),
        "f1": ratio_of(2 * (positive & y), positive.astype(int) + y),
    }


def _area_under_roc(y, p):
    """Fraction of (positive, negative) pairs in the correct order, ties counted half.

    The influence of a row is the fraction of its own pairs in the correct order. Its
    standard error is that of DeLong et al. (1988, doi:10.2307/2531595), with groups that
    of Obuchowski (1997, doi:10.2307/2533958).
    """
    if y.all() or not y.any():
        return Score(np.nan, np.full(len(y), np.nan))
    correct = np.empty(len(y))
    correct[y] = _fraction_below(p[y], p[~y])
    correct[~y] = 1 - _fraction_below(p[~y], p[y])
    value = correct[y].mean()
    return Score(float(value), (correct - value) / np.where(y, y.mean(), 1 - y.mean()))


def _fraction_below(values, others):
    """Fraction of `others` below each value; equal ones are counted half."""
    others = np.sort(others)
    below = np.searchsorted(others, values, side="left")
    return 0.5 * (below + np.searchsorted(others, values, side="right")) / len(others)


def _average_precision(y, p):
    """Mean over the positives of the precision at their rank; ties have the lowest rank."""
    if not y.any():
        return Score(np.nan, np.full(len(y), np.nan))
    distinct, rank = np.unique(p, return_inverse=True)
    positives = np.bincount(rank, y, len(distinct))
    above = np.bincount(rank, minlength=len(distinct))[::-1].cumsum()[::-1]
    precision = positives[::-1].cumsum()[::-1] / above
    value = positives @ precision / y.sum()
    # A row enters the denominator of the precision, and if positive the numerator, at
    # every rank up to its own: derivatives of both are cumulative sums over the ranks.
    hits = np.cumsum(positives / above)[rank]
    counts = np.cumsum(positives * precision / above)[rank]
    influence = np.where(y, precision[rank] - value + hits, 0.0) - counts
    return Score(float(value), influence / y.mean())
