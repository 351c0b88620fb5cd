"""The default pipeline: cells, their first hundred cycles, and a posterior of their life.

    despike -> early_life -> chosen columns -> Dataset -> model

Columns and model were chosen on the 41 training cells of Severson et al. (2019) by
cross-validation over charging policies, never on test cells.
"""

from battprob.inference import Laplace
from battprob.kernels import Linear, Matern52
from battprob.models import AbstractModel, GaussianProcess

COLUMNS = (
    "delta_q_log10_minimum",
    "delta_q_log10_variance",
    "delta_q_log10_skewness",
    "first_capacity",
    "capacity_rise",
)


def model() -> AbstractModel:
    """A straight line and a smooth departure from it, on the logarithm of life.

    Far from the training cells the departure returns to the line, and its variance says
    so; hyper-parameters are drawn, since tens of cells leave them uncertain.
    """
    return GaussianProcess(kernel=Linear() + Matern52(), inference=Laplace())
