"""Scores, calibration, cross-validation, decisions and tests for distribution shift.

Most functions take a `Predictive` or a `ClassPredictive` and the observed targets. The types
of their results are defined in the submodules, for example `battprob.evaluate.curves.Roc`.
"""

from battprob.evaluate._stacking_weights import stacking_weights
from battprob.evaluate.adapt import (
    deployment_bias,
    importance_weights,
    protocol_weights,
)
from battprob.evaluate.conformal import ConformalInterval, MondrianInterval
from battprob.evaluate.cross_conformal import cross_conformal
from battprob.evaluate.crossval import cross_validate
from battprob.evaluate.curves import precision_recall, reliability, roc
from battprob.evaluate.decide import (
    cost_curve,
    decide,
    decide_within_budget,
    value_of_measurement,
)
from battprob.evaluate.failure import probability_below
from battprob.evaluate.leakage import leakage
from battprob.evaluate.metrics import (
    absolute_error,
    covered,
    crps,
    interval_score,
    interval_width,
    nlpd,
    percentage_error,
    pinball,
    pit,
    squared_error,
)
from battprob.evaluate.out_of_distribution import OutOfDistribution
from battprob.evaluate.recalibrate import (
    IsotonicRecalibration,
    QuantileRecalibration,
    VarianceScaling,
)
from battprob.evaluate.report import report
from battprob.evaluate.scores import compare
from battprob.evaluate.selection import BestOf
from battprob.evaluate.shift import detect_shift
from battprob.evaluate.splits import StratifiedByTarget, TimeOrdered
from battprob.evaluate.stacking import Stack, stack
from battprob.evaluate.summary import summary
from battprob.evaluate.two_sample import classifier_test, pit_test, two_sample_test
from battprob.evaluate.uniformity import coverage_curve, pit_uniformity

__all__ = [
    "BestOf",
    "ConformalInterval",
    "IsotonicRecalibration",
    "MondrianInterval",
    "OutOfDistribution",
    "QuantileRecalibration",
    "Stack",
    "StratifiedByTarget",
    "TimeOrdered",
    "VarianceScaling",
    "absolute_error",
    "classifier_test",
    "compare",
    "cost_curve",
    "coverage_curve",
    "covered",
    "cross_conformal",
    "cross_validate",
    "crps",
    "decide",
    "decide_within_budget",
    "deployment_bias",
    "detect_shift",
    "importance_weights",
    "interval_score",
    "interval_width",
    "leakage",
    "nlpd",
    "percentage_error",
    "pinball",
    "pit",
    "pit_test",
    "pit_uniformity",
    "precision_recall",
    "probability_below",
    "protocol_weights",
    "reliability",
    "report",
    "roc",
    "squared_error",
    "stack",
    "stacking_weights",
    "summary",
    "two_sample_test",
    "value_of_measurement",
]
