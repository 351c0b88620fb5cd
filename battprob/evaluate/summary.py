"""`summary`: all scores of a set of predictions, with their standard errors."""

import numpy as np

from battprob._typing import ArrayLike, Float
from battprob.evaluate import metrics
from battprob.evaluate.classification import (
    checked_outcomes,
    class_columns,
    class_scores,
)
from battprob.evaluate.regression import regression_columns, regression_scores
from battprob.evaluate.scores import Scores, tabulated
from battprob.predictive import ClassPredictive, Predictive


def summary(
    pred: Predictive | ClassPredictive,
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    level: float = 0.9,
    unit: str = "",
) -> Scores:
    r"""Average the metrics of `battprob.evaluate` over all targets.

    | regression | meaning |
    |---|---|
    | `mae`, `rmse`, `mape` | error of the mean: absolute, root mean square, per cent |
    | `r2` | $1 - \sum (y-\mu)^2 / \sum (y-\bar y)^2$; NaN if all y are equal |
    | `median_ae`, `trimmed_mae` | absolute error: median, mean without the largest tenth |
    | `nlpd`, `crps`, `interval_score` | proper scores of the distribution |
    | `coverage`, `sharpness` | fraction of y inside the interval, and its mean width |
    | `calibration_error` | mean of abs(coverage - level) over levels 0.01, ..., 0.99; n calibrated, independent predictions have about $0.31/\sqrt n$ |

    | classification | meaning |
    |---|---|
    | `log_loss`, `brier` | proper scores of the probability |
    | `auroc`, `auprc` | ranking; NaN if all outcomes are equal |
    | `prevalence` | fraction of ones, the `auprc` of a random ranking |
    | `accuracy`, `majority_rate` | of "1 if p > 0.5", and of always predicting the more frequent outcome |
    | `precision`, `recall`, `f1` | of "1 if p > 0.5"; for thresholds from costs see `decide` |

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit; outcomes are 0 and 1.
        groups: batch of each target. Standard errors are then computed over batches.
        level: nominal coverage of the interval of the scores that need one.
        unit: unit of y, for the table.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform.
        ValueError: `level` is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> mean = np.array([500.0, 800.0, 900.0])
        >>> pred = Predictive.gaussian(mean, aleatoric=900.0, epistemic=1600.0)
        >>> summary(pred, np.array([530.0, 810.0, 850.0]), unit="cycles")["mae"]
        30.0
    """
    columns = row_columns(pred, y, level)
    return score_table(columns, groups, level, unit)


def row_columns(pred, y, level):
    """Columns from which `score_table` computes the scores, one entry per target."""
    if isinstance(pred, ClassPredictive):
        columns = class_columns(pred, y)
    else:
        columns = regression_columns(pred, y, level)
    return {name: np.asarray(column).ravel() for name, column in columns.items()}


def log_predictive_density(pred, y) -> Float[np.ndarray, "*b"]:
    """Log density of each target, or log probability of each outcome."""
    if isinstance(pred, ClassPredictive):
        return np.asarray(pred.log_prob(checked_outcomes(pred, y)))
    return -np.asarray(metrics.nlpd(pred, y))


def score_table(columns, groups, level, unit) -> Scores:
    """Scores of the rows in `columns`, which may come from several predictions."""
    if "probability" in columns:
        scores = class_scores(columns)
    else:
        scores = regression_scores(columns, level, unit)
    return tabulated(scores, columns["target"], groups)
