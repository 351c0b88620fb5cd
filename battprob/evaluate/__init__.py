"""Is a prediction right, and does it know how far it may be wrong?"""

from battprob.evaluate.crossval import CrossValidation, Fold, cross_validate
from battprob.evaluate.metrics import (
    absolute_error,
    covered,
    crps,
    interval_score,
    interval_width,
    nlpd,
    percentage_error,
    pit,
    squared_error,
)
from battprob.evaluate.scores import Scores, summary

__all__ = [
    "CrossValidation",
    "Fold",
    "Scores",
    "absolute_error",
    "covered",
    "cross_validate",
    "crps",
    "interval_score",
    "interval_width",
    "nlpd",
    "percentage_error",
    "pit",
    "squared_error",
    "summary",
]
