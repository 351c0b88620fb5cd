"""`summary`: every score of a set of predictions at once, with its standard error."""

import numpy as np

from battprob._typing import ArrayLike
from battprob.evaluate.classification import class_columns, class_scores
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

    | of numbers | meaning |
    |---|---|
    | `mae`, `rmse`, `mape` | error of the mean: absolute, root mean square, per cent |
    | `r2` | $1 - \sum (y-\mu)^2 / \sum (y-\bar y)^2$; NaN if all y are equal |
    | `median_ae`, `trimmed_mae` | absolute error: median, mean without the largest tenth |
    | `nlpd`, `crps`, `interval_score` | proper scores of the distribution |
    | `coverage`, `sharpness` | share of y inside the interval, and its mean width |
    | `calibration_error` | mean of abs(coverage - level) over levels 0.01, ..., 0.99; n calibrated, independent predictions have about $0.31/\sqrt n$ |

    | of outcomes | meaning |
    |---|---|
    | `log_loss`, `brier` | proper scores of the probability |
    | `auroc`, `auprc` | ranking; NaN if all outcomes are alike |
    | `prevalence` | share of ones: the `auprc` of a guess |
    | `accuracy`, `majority_rate` | of "1 if p > 0.5", and of always the commoner outcome |
    | `precision`, `recall`, `f1` | of "1 if p > 0.5"; thresholds by cost: `decide` |

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit; outcomes are 0 and 1.
        groups: batch of each target. Standard errors then count batches, not cells.
        level: probability of the interval of the scores that need one.
        unit: unit of y, for the table.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform.
        ValueError: `level` is not a probability.

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
    """The columns that `score_table` averages, one entry a target."""
    if isinstance(pred, ClassPredictive):
        columns = class_columns(pred, y)
    else:
        columns = regression_columns(pred, y, level)
    return {name: np.asarray(column).ravel() for name, column in columns.items()}


def score_table(columns, groups, level, unit) -> Scores:
    """Scores of rows that may come from several predictions."""
    if "probability" in columns:
        scores = class_scores(columns)
    else:
        scores = regression_scores(columns, level, unit)
    return tabulated(scores, columns["target"], groups)
