"""Is a prediction right, and does it know how far it may be wrong?"""

from battprob.evaluate._stacking_weights import stacking_weights
from battprob.evaluate.adapt import (
    DeploymentBias,
    ImportanceWeights,
    ProtocolWeights,
    deployment_bias,
    importance_weights,
    protocol_weights,
)
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
from battprob.evaluate.out_of_distribution import Detector, Oddity, OutOfDistribution
from battprob.evaluate.recalibrate import (
    IsotonicRecalibration,
    QuantileRecalibration,
    VarianceScaling,
)
from battprob.evaluate.report import Report, report
from battprob.evaluate.scores import Comparison, Scores, compare
from battprob.evaluate.selection import BestOf
from battprob.evaluate.shift import Shift, detect_shift
from battprob.evaluate.splits import StratifiedByTarget, TimeOrdered
from battprob.evaluate.stacking import Stack, StackedPosterior, stack
from battprob.evaluate.summary import summary
from battprob.evaluate.two_sample import (
    TwoSample,
    classifier_test,
    pit_test,
    two_sample_test,
)
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
    "DeploymentBias",
    "Detector",
    "Fold",
    "ImportanceWeights",
    "IsotonicRecalibration",
    "Leakage",
    "MondrianInterval",
    "Oddity",
    "OutOfDistribution",
    "PrecisionRecall",
    "ProtocolWeights",
    "QuantileRecalibration",
    "Reliability",
    "Report",
    "Roc",
    "Scores",
    "Shift",
    "Stack",
    "StackedPosterior",
    "StratifiedByTarget",
    "TimeOrdered",
    "TwoSample",
    "Uniformity",
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
