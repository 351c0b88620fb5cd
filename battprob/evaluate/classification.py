"""Scores of predicted probabilities, each with the influence of every row on it."""

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool
from battprob.evaluate.scores import Score, mean_of, ratio_of
from battprob.predictive import ClassPredictive

_THRESHOLD = 0.5


def outcomes(p: ClassPredictive, y: ArrayLike) -> Bool[np.ndarray, "*b"]:
    """`y` as flags that `p` can be scored against.

    Raises:
        DataError: `y` has another shape than `p`, or holds more than 0 and 1.
    """
    y = np.asarray(y)
    if y.shape != p.shape:
        raise DataError(
            f"y must have one outcome for every prediction, shape {p.shape}; got {y.shape}"
        )
    bad = np.argwhere(~np.isin(y, (0, 1)))
    if bad.size:
        raise DataError(
            f"outcomes are 0 and 1 (or False and True); y at index {bad[0].tolist()} is "
            f"{y[tuple(bad[0])]!r}. Leave unknown outcomes out with `p.take(...)`"
        )
    return y.astype(bool)


def class_columns(p: ClassPredictive, y: ArrayLike) -> dict[str, np.ndarray]:
    """What the scores are made of, one entry a row."""
    y = outcomes(p, y)
    return {
        "target": y.astype(float),
        "probability": np.asarray(p.mean),
        "log_loss": -np.asarray(p.log_prob(y)),
    }


def class_scores(columns: dict[str, np.ndarray]) -> dict[str, Score]:
    """Scores of the outcomes in `columns`, which may come from several predictions."""
    y, p = columns["target"].astype(bool), columns["probability"]
    called = p > _THRESHOLD
    common = y.mean() >= 0.5
    return {
        "log_loss": mean_of(columns["log_loss"], "nats"),
        "brier": mean_of((p - y) ** 2),
        "auroc": _area_under_roc(y, p),
        "auprc": _average_precision(y, p),
        "prevalence": mean_of(y),
        "accuracy": mean_of(called == y),
        "majority_rate": mean_of(y == common),
        "precision": ratio_of(called & y, called),
        "recall": ratio_of(called & y, y),
        "f1": ratio_of(2 * (called & y), called.astype(int) + y),
    }


def _area_under_roc(y, p):
    """Share of pairs ranked rightly; a row's influence is its share of such pairs.

    The standard error of DeLong et al. (1988, doi:10.2307/2531595), over groups that of
    Obuchowski (1997, doi:10.2307/2533958).
    """
    if y.all() or not y.any():
        return Score(np.nan, np.full(len(y), np.nan))
    right = np.empty(len(y))
    right[y] = _share_below(p[y], p[~y])
    right[~y] = 1 - _share_below(p[~y], p[y])
    value = right[y].mean()
    return Score(float(value), (right - value) / np.where(y, y.mean(), 1 - y.mean()))


def _share_below(values, others):
    """Share of `others` below each value, those equal to it counted half."""
    others = np.sort(others)
    below = np.searchsorted(others, values, side="left")
    return 0.5 * (below + np.searchsorted(others, values, side="right")) / len(others)


def _average_precision(y, p):
    """Precision at the rank of each positive, averaged; ties share the lowest rank."""
    if not y.any():
        return Score(np.nan, np.full(len(y), np.nan))
    distinct, rank = np.unique(p, return_inverse=True)
    positives = np.bincount(rank, y, len(distinct))
    above = np.bincount(rank, minlength=len(distinct))[::-1].cumsum()[::-1]
    precision = positives[::-1].cumsum()[::-1] / above
    value = positives @ precision / y.sum()
    # A row adds to the count, and to the hits if positive, at every rank below its own.
    hits = np.cumsum(positives / above)[rank]
    counts = np.cumsum(positives * precision / above)[rank]
    influence = np.where(y, precision[rank] - value + hits, 0.0) - counts
    return Score(float(value), influence / y.mean())
