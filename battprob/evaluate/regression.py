"""Scores of predicted numbers, each with the influence of every row on it."""

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, ArrayLike, Float
from battprob.evaluate import metrics
from battprob.evaluate._chunks import in_chunks
from battprob.evaluate.scores import Score, mean_of
from battprob.predictive import Predictive

_TRIMMED = 0.1
_LEVELS = np.arange(1, 100) / 100


def regression_columns(
    pred: Predictive, y: ArrayLike, level: float
) -> dict[str, Float[Array, "*b"]]:
    """Columns from which `regression_scores` computes the scores, one entry per target."""
    metrics.require_level(level)
    y = metrics.checked_targets(pred, y)
    return {"target": y} | in_chunks(_columns, pred, (y,), (jnp.asarray(level),))


def regression_scores(
    columns: dict[str, np.ndarray], level: float, unit: str
) -> dict[str, Score]:
    """Scores of the targets in `columns`, which may come from several predictions."""
    c = columns
    error = np.abs(c["target"] - c["mean"])
    with np.errstate(divide="ignore", invalid="ignore"):
        percentage = 100 * error / np.abs(c["target"])
    width = c["high"] - c["low"]
    outside = np.maximum(c["low"] - c["target"], 0) + np.maximum(
        c["target"] - c["high"], 0
    )
    central = np.abs(2 * c["pit"] - 1)
    return {
        "mae": mean_of(error, unit),
        "rmse": _root_mean(error**2, unit),
        "mape": mean_of(percentage, "%"),
        "r2": _coefficient_of_determination(c["target"], error**2),
        "median_ae": _median(error, unit),
        "trimmed_mae": _trimmed(error, unit),
        "nlpd": mean_of(c["nlpd"], "nats"),
        "crps": mean_of(c["crps"], unit),
        "interval_score": mean_of(width + 2 / (1 - level) * outside, unit),
        "coverage": mean_of(outside == 0, f"nominal {level:g}"),
        "sharpness": mean_of(width, unit),
        "calibration_error": _calibration_error(central),
    }


def _columns(pred, y, level):
    low, high = metrics.quantile_pair(pred, level)
    return {
        "mean": pred.mean,
        "low": low,
        "high": high,
        "nlpd": -pred.log_prob(y),
        "crps": pred.crps(y),
        "pit": pred.cdf(y),
    }


def _root_mean(square, unit):
    mean = square.mean()
    root = np.sqrt(mean)
    influence = (square - mean) / (2 * root) if root > 0 else 0 * square
    return Score(float(root), influence, unit)


def _coefficient_of_determination(y, square):
    deviation = (y - y.mean()) ** 2
    variance, mean = deviation.mean(), square.mean()
    if variance == 0:
        return Score(np.nan, np.full(len(y), np.nan))
    influence = (mean * deviation / variance - square) / variance
    return Score(float(1 - mean / variance), influence)


def _median(error, unit):
    """Median error. Its influence is that of the distribution function over the density.

    The density at the median is estimated as in Woodruff, J. Am. Stat. Assoc. 47 (1952)
    635, from the quantiles one standard error below and above.
    """
    value = np.median(error)
    # Standard error of the fraction of independent rows below their median.
    half = min(0.5 / np.sqrt(len(error)), 0.5)
    low, high = np.quantile(error, [0.5 - half, 0.5 + half])
    below = np.where(error == value, 0.5, error < value)
    return Score(float(value), (below.mean() - below) * (high - low) / (2 * half), unit)


def _trimmed(error, unit):
    """Mean without the largest tenth, so that a few outliers do not determine it."""
    num = len(error) - int(_TRIMMED * len(error))
    ordered = np.sort(error)
    value, fraction = ordered[:num].mean(), num / len(error)
    winsorised = np.minimum(error, ordered[num - 1])
    return Score(float(value), (winsorised - winsorised.mean()) / fraction, unit)


def _calibration_error(central):
    """Mean of |coverage - level| over the levels.

    Args:
        central: probability of the smallest central interval that contains each target.
    """
    coverage = np.searchsorted(np.sort(central), _LEVELS, side="right") / len(central)
    difference = coverage - _LEVELS
    sign = np.sign(difference)
    # A row counts as covered at all levels from `central` on, so its influence is the sum
    # of the signs at these levels.
    tail = np.append(np.cumsum(sign[::-1])[::-1], 0.0)
    column = tail[np.searchsorted(_LEVELS, central)] / len(_LEVELS)
    return Score(float(np.abs(difference).mean()), column - column.mean())
