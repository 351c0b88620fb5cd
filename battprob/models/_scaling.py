"""Datasets as models use them: checked, standardised, padded and masked."""

import warnings
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError, PrecisionWarning
from battprob._typing import Array, Bool, Float
from battprob.dataset import Dataset
from battprob.noise.base import AbstractNoise
from battprob.noise.student import student_t_parts


class Rows(NamedTuple):
    """Rows of a dataset, standardised, padded and masked; `known` is the measured variance."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    known: Float[Array, " n"]
    mask: Bool[Array, " n"]


class Scaling(eqx.Module):
    """Mean and scale of features and (transformed) target over the training rows.

    A constant column has scale one, so that a new value of it is far from the data. A
    constant target (one row) is scaled by its own size.
    """

    x_mean: Float[Array, " d"]
    x_scale: Float[Array, " d"]
    y_mean: Float[Array, ""]
    y_scale: Float[Array, ""]

    def features(self, x: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Standardised features."""
        return (x - self.x_mean[None]) / self.x_scale[None]

    def rows(self, padded: Dataset) -> Rows:
        """A padded dataset standardised; masked targets are zero."""
        z = padded.transform.inverse(padded.y)
        y = jnp.where(padded.mask, (z - self.y_mean) / self.y_scale, 0.0)
        known = padded.noise_variance
        known = jnp.zeros_like(y) if known is None else known / self.y_scale**2
        return Rows(self.features(padded.x), y, known, padded.mask)


def prepare(
    dataset: Dataset, noise: AbstractNoise, *, row_parameters: bool = False
) -> tuple[Scaling, Rows]:
    """Check a dataset against a noise model, and standardise it.

    Args:
        dataset: with the fields that the model uses, and no others.
        noise: noise model of the model.
        row_parameters: whether the model has a parameter for every row, as censored
            labels and Student-t noise need.

    Raises:
        DataError: the noise model needs measured variances or parameters of rows.
    """
    if dataset.x.dtype == jnp.float32:
        warnings.warn(
            "fitting in float32: call battprob.enable_x64() first for float64",
            PrecisionWarning,
            stacklevel=3,
        )
    if noise.uses_known() and dataset.noise_variance is None:
        raise DataError("noise.Known() needs Dataset(noise_variance=...)")
    if student_t_parts(noise) and not row_parameters:
        raise DataError(
            "this model cannot take Student-t noise, which needs a parameter for every "
            "row: use BayesianLinear, or another noise model"
        )
    return _standardised(dataset.padded())


def standardise(
    dataset: Dataset, scaling: Scaling, *, row_parameters: bool = False
) -> Rows:
    """Rows of a dataset with the scaling of the training rows.

    Raises:
        DataError: labels are censored and the model has no `row_parameters`.
    """
    if not row_parameters and not has_exact_labels(dataset):
        raise DataError(
            "the new rows have censored or interval labels, which this posterior cannot "
            "be conditioned on; dropping them would bias it towards short lives"
        )
    return _rows(dataset.padded(), scaling)


@eqx.filter_jit
def standard_inputs(
    x: Float[Array, "m d"], known: Float[Array, " m"], scaling: Scaling
) -> tuple[Float[Array, "m d"], Float[Array, " m"]]:
    """Features and known variances of rows without targets, standardised."""
    return scaling.features(x), known / scaling.y_scale**2


def has_exact_labels(dataset: Dataset) -> bool:
    """Whether every target is a value, none a bound or an interval."""
    return dataset.y_upper is None and not np.any(np.asarray(dataset.censored))


@eqx.filter_jit
def _standardised(padded):
    x_mean, x_scale, still = _mean_and_scale(padded.x, padded.mask)
    x_scale = jnp.where(still, 1.0, x_scale)
    z = padded.transform.inverse(padded.y)
    y_mean, y_scale, still = (
        stat[0] for stat in _mean_and_scale(z[:, None], padded.mask)
    )
    y_scale = jnp.where(still, _own_size(y_mean, padded.transform), y_scale)
    scaling = Scaling(x_mean, x_scale, y_mean, y_scale)
    return scaling, scaling.rows(padded)


@eqx.filter_jit
def _rows(padded, scaling):
    return scaling.rows(padded)


def _mean_and_scale(values, mask):
    weight = mask.astype(values.dtype)[:, None]
    weight = weight / jnp.maximum(weight.sum(), 1)
    mean = (weight * values).sum(0)
    scale = jnp.sqrt((weight * (values - mean[None]) ** 2).sum(0))
    # Relative to its size a column that varies by rounding alone does not vary.
    still = scale <= 8 * jnp.finfo(values.dtype).eps * jnp.abs(mean)
    return mean, scale, still


def _own_size(z, transform):
    """Change of the model's z that doubles the target: |y| for Identity, 1 for Log.

    To first order; the one scale that a target which never varied still tells.
    """
    y = transform.forward(z)
    size = jnp.abs(y) * jnp.exp(transform.log_slope(y))
    return jnp.where(size > 0, size, 1.0)
