"""Labels of 0 and 1 for classifiers: validation, scaling and the Bernoulli likelihood."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.models._scaling import Rows, Scaling, prepare, standardise
from battprob.noise import Constant
from battprob.transforms import Identity


def require_outcomes(dataset: Dataset) -> None:
    """Raise an error if the targets are not labels of two classes.

    Raises:
        DataError: a target is neither 0 nor 1, or the dataset has a noise variance or a
            transform.
    """
    y = np.asarray(dataset.y)
    bad = np.flatnonzero((y != 0) & (y != 1) & np.asarray(dataset.mask))
    if len(bad):
        raise DataError(
            f"a classifier's target is 0 or 1; row {bad[0]} of {dataset.target_name!r} is "
            f"{y[bad[0]]:g}: compare with a threshold first, as in life < 550"
        )
    if dataset.noise_variance is not None or not isinstance(
        dataset.transform, Identity
    ):
        raise DataError(
            "a classifier takes targets of 0 and 1 without noise_variance or transform: "
            "make the Dataset without them"
        )


def class_rows(dataset: Dataset) -> tuple[Scaling, Rows]:
    """Rows with standardised features and unscaled targets.

    Raises:
        DataError: as `require_outcomes`.
    """
    require_outcomes(dataset)
    scaling, _ = prepare(dataset, Constant())
    zero, one = jnp.zeros_like(scaling.y_mean), jnp.ones_like(scaling.y_scale)
    scaling = eqx.tree_at(
        lambda scaling: (scaling.y_mean, scaling.y_scale), scaling, (zero, one)
    )
    return scaling, standardise(dataset, scaling)


def log_likelihood(
    log_odds: Float[Array, " n"], y: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Log probability of each target: y f - log(1 + eᶠ) for log-odds f."""
    # softplus does not overflow where exp(f) would.
    return y * log_odds - jax.nn.softplus(log_odds)
