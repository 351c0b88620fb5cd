"""Figures of predictions; most functions draw on an `Axes` and return it.

The plotted numbers are those of `Predictive` and `battprob.evaluate`.
"""

try:
    import matplotlib  # noqa: F401 - for the error message below
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'battprob.plots needs matplotlib: pip install "battprob[plots]"'
    ) from error

from battprob.plots.classification import precision_recall, reliability_curve, roc
from battprob.plots.comparison import model_scores, write_report
from battprob.plots.curves import delta_q
from battprob.plots.decisions import cost_curve
from battprob.plots.design import closed_loop, regret
from battprob.plots.ica import incremental_capacity
from battprob.plots.predictions import parity, variance_split
from battprob.plots.process import process, standard_deviations
from battprob.plots.protocols import (
    components,
    deployment_bias,
    shift,
    variance_stack,
)
from battprob.plots.reliability import calibration, pit_histogram
from battprob.plots.smoothing import window_risk
from battprob.plots.spectra import (
    bode,
    consistency,
    corner,
    nyquist,
    relaxation_times,
    relevance,
    spectrum_residuals,
)
from battprob.plots.trajectory import trajectory

__all__ = [
    "bode",
    "calibration",
    "closed_loop",
    "components",
    "consistency",
    "corner",
    "cost_curve",
    "delta_q",
    "deployment_bias",
    "incremental_capacity",
    "model_scores",
    "nyquist",
    "parity",
    "pit_histogram",
    "precision_recall",
    "process",
    "regret",
    "relaxation_times",
    "relevance",
    "reliability_curve",
    "roc",
    "shift",
    "spectrum_residuals",
    "standard_deviations",
    "trajectory",
    "variance_split",
    "variance_stack",
    "window_risk",
    "write_report",
]
