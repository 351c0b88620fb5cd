"""From records to a `FeatureTable`: what a model looks at of each cell."""

from battprob.features.capacity import capacity_at, capacity_rise
from battprob.features.compositions import (
    closure,
    clr,
    clr_inverse,
    ilr,
    ilr_inverse,
    replace_zeros,
)
from battprob.features.delta_q import DeltaQStatistics, delta_q_statistics
from battprob.features.early_life import DELTA_Q_AND_FADE, DISCHARGE, early_life
from battprob.features.fade import FadeLine, fade_line
from battprob.features.files import FileFeatures, features_of_files
from battprob.features.impedance import Bode, bode, bode_table, nyquist, nyquist_table
from battprob.features.preparation import (
    Chain,
    Log10,
    PrincipalComponents,
    Standardise,
)
from battprob.features.propagation import (
    Moments,
    derive,
    first_order,
    monte_carlo,
    predict_first_order,
    predict_monte_carlo,
)
from battprob.features.static import category, composition, continuous, lattice
from battprob.features.table import FeatureTable

__all__ = [
    "DELTA_Q_AND_FADE",
    "DISCHARGE",
    "Bode",
    "Chain",
    "DeltaQStatistics",
    "FadeLine",
    "FeatureTable",
    "FileFeatures",
    "Log10",
    "Moments",
    "PrincipalComponents",
    "Standardise",
    "bode",
    "bode_table",
    "capacity_at",
    "capacity_rise",
    "category",
    "closure",
    "clr",
    "clr_inverse",
    "composition",
    "continuous",
    "delta_q_statistics",
    "derive",
    "early_life",
    "fade_line",
    "features_of_files",
    "first_order",
    "ilr",
    "ilr_inverse",
    "lattice",
    "monte_carlo",
    "nyquist",
    "nyquist_table",
    "predict_first_order",
    "predict_monte_carlo",
    "replace_zeros",
]
