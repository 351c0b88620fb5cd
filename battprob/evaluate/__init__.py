"""Is a prediction right, and does it know how far it may be wrong?"""

from battprob._stacking import stacking_weights
from battprob.evaluate.conformal import (
    CalibratedByClass,
    CalibratedInterval,
    ConformalInterval,
    MondrianInterval,
)
from battprob.evaluate.cross_conformal import CrossConformal, cross_conformal
from battprob.evaluate.crossval import CrossValidation, Fold, cross_validate
from battprob.evaluate.curves import (
    PrecisionRecall,
    Reliability,
    Roc,
    precision_recall,
    reliability,
    roc,
)
from battprob.evaluate.decide import (
    CostCurve,
    Decision,
    cost_curve,
    decide,
    decide_within_budget,
    value_of_measurement,
)
from battprob.evaluate.failure import probability_below
from battprob.evaluate.leakage import Leakage, leakage
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
from battprob.evaluate.recalibrate import (
    IsotonicRecalibration,
    QuantileRecalibration,
    VarianceScaling,
)
from battprob.evaluate.report import Report, report
from battprob.evaluate.scores import Comparison, Scores, compare
from battprob.evaluate.selection import BestOf
from battprob.evaluate.splits import StratifiedByTarget, TimeOrdered
from battprob.evaluate.summary import summary
from battprob.evaluate.uniformity import (
    CoverageCurve,
    Uniformity,
    coverage_curve,
    pit_uniformity,
)

__all__ = [
    "BestOf",
    "CalibratedByClass",
    "CalibratedInterval",
    "Comparison",
    "ConformalInterval",
    "CostCurve",
    "CoverageCurve",
    "CrossConformal",
    "CrossValidation",
    "Decision",
    "Fold",
    "IsotonicRecalibration",
    "Leakage",
    "MondrianInterval",
    "PrecisionRecall",
    "QuantileRecalibration",
    "Reliability",
    "Report",
    "Roc",
    "Scores",
    "StratifiedByTarget",
    "TimeOrdered",
    "Uniformity",
    "VarianceScaling",
    "absolute_error",
    "compare",
    "cost_curve",
    "coverage_curve",
    "covered",
    "cross_conformal",
    "cross_validate",
    "crps",
    "decide",
    "decide_within_budget",
    "interval_score",
    "interval_width",
    "leakage",
    "nlpd",
    "percentage_error",
    "pinball",
    "pit",
    "pit_uniformity",
    "precision_recall",
    "probability_below",
    "reliability",
    "report",
    "roc",
    "squared_error",
    "stacking_weights",
    "summary",
    "value_of_measurement",
]
