"""From records to a `FeatureTable`: what a model looks at of each cell."""

from battprob.features.capacity import capacity_at, capacity_rise
from battprob.features.delta_q import DeltaQStatistics, delta_q_statistics
from battprob.features.early_life import DELTA_Q_AND_FADE, DISCHARGE, early_life
from battprob.features.fade import FadeLine, fade_line
from battprob.features.table import FeatureTable

__all__ = [
    "DELTA_Q_AND_FADE",
    "DISCHARGE",
    "DeltaQStatistics",
    "FadeLine",
    "FeatureTable",
    "capacity_at",
    "capacity_rise",
    "delta_q_statistics",
    "early_life",
    "fade_line",
]
