"""Features of cells: from records and curves to a `FeatureTable`, with their errors."""

from battprob.features.capacity import (
    capacity_at,
    capacity_rise,
    coulombic_efficiency,
)
from battprob.features.compositions import (
    closure,
    clr,
    clr_inverse,
    ilr,
    ilr_inverse,
    replace_zeros,
)
from battprob.features.delta_q import delta_q_statistics
from battprob.features.early_life import DELTA_Q_AND_FADE, DISCHARGE, early_life
from battprob.features.fade import fade_curvature, fade_line
from battprob.features.files import features_of_files
from battprob.features.ica import differential_capacity, differential_voltage
from battprob.features.impedance import (
    bode,
    bode_table,
    nyquist,
    nyquist_table,
    relaxation_table,
)
from battprob.features.knee import bacon_watts_knee
from battprob.features.peaks import ica_peaks
from battprob.features.propagation import (
    derive,
    first_order,
    fit_first_order,
    monte_carlo,
    predict_first_order,
    predict_monte_carlo,
)
from battprob.features.resample import capacity_on_grid
from battprob.features.savgol import savgol
from battprob.features.signals import (
    decimate,
    despike_signal,
    difference_noise,
    nyquist_rate,
    quantisation_variance,
)
from battprob.features.static import category, composition, continuous, lattice
from battprob.features.table import FeatureTable
from battprob.features.window import window_risk

__all__ = [
    "DELTA_Q_AND_FADE",
    "DISCHARGE",
    "FeatureTable",
    "bacon_watts_knee",
    "bode",
    "bode_table",
    "capacity_at",
    "capacity_on_grid",
    "capacity_rise",
    "category",
    "closure",
    "clr",
    "clr_inverse",
    "composition",
    "continuous",
    "coulombic_efficiency",
    "decimate",
    "delta_q_statistics",
    "derive",
    "despike_signal",
    "difference_noise",
    "differential_capacity",
    "differential_voltage",
    "early_life",
    "fade_curvature",
    "fade_line",
    "features_of_files",
    "first_order",
    "fit_first_order",
    "ica_peaks",
    "ilr",
    "ilr_inverse",
    "lattice",
    "monte_carlo",
    "nyquist",
    "nyquist_rate",
    "nyquist_table",
    "predict_first_order",
    "predict_monte_carlo",
    "quantisation_variance",
    "relaxation_table",
    "replace_zeros",
    "savgol",
    "window_risk",
]
