"""What classifiers share: outcomes of 0 and 1, checked, and the Bernoulli law of them."""

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
    """Refuse targets that are no outcomes.

    Raises:
        DataError: a target is neither 0 nor 1, or has an error or a bound.
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
        raise DataError("outcomes of 0 and 1 have no noise_variance and no transform")


def class_rows(dataset: Dataset) -> tuple[Scaling, Rows]:
    """Standardised features beside outcomes as they are.

    Raises:
        DataError: a target is neither 0 nor 1, or has an error or a bound.
    """
    require_outcomes(dataset)
    scaling, _ = prepare(dataset, Constant())
    zero, one = jnp.zeros_like(scaling.y_mean), jnp.ones_like(scaling.y_scale)
    scaling = eqx.tree_at(lambda own: (own.y_mean, own.y_scale), scaling, (zero, one))
    return scaling, standardise(dataset, scaling)


def log_likelihood(
    log_odds: Float[Array, " n"], y: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Log probability of every outcome: y f - log(1 + eᶠ)."""
    return y * log_odds - jax.nn.softplus(log_odds)
