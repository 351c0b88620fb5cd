"""A dataset as models see it: checked against a noise head, standardised, padded, masked."""

import warnings
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError, PrecisionWarning
from battprob._typing import Array, Bool, Float
from battprob.dataset import Dataset
from battprob.noise.base import AbstractNoise
from battprob.noise.student import students


class Rows(NamedTuple):
    """A dataset as models see it: standardised, padded, masked."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    known: Float[Array, " n"]
    mask: Bool[Array, " n"]


class Scaling(eqx.Module):
    """Mean and scale of features and (transformed) target, taken from training rows.

    A column that never varies keeps scale one: a new value of it is then far away. A
    target that never varies (one row) is scaled by its own size.
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
    """Check a dataset against a noise head, and standardise it.

    Raises:
        DataError: measured variances are missing, or given and not used; or labels are
            censored, or noise is Student-t, and the model has no `row_parameters`.
    """
    if dataset.x.dtype == jnp.float32:
        warnings.warn(
            "fitting in float32: call battprob.enable_x64() first for float64",
            PrecisionWarning,
            stacklevel=3,
        )
    if noise.uses_known() and dataset.noise_variance is None:
        raise DataError("noise.Known() needs Dataset(noise_variance=...)")
    if dataset.noise_variance is not None and not noise.uses_known():
        raise DataError(
            "the dataset has noise_variance but the noise head does not use it: add "
            "noise.Known() + to the head, or leave noise_variance out"
        )
    if not row_parameters:
        _require_exact_labels(dataset)
        if students(noise):
            raise DataError(
                "this model cannot take Student-t noise, which needs a parameter of every "
                "row: use BayesianLinear, or another head"
            )
    return _standardised(dataset.padded())


def standardise(
    dataset: Dataset, scaling: Scaling, *, row_parameters: bool = False
) -> Rows:
    """Rows of a dataset on a scaling found before.

    Raises:
        DataError: labels are censored and the model has no `row_parameters`.
    """
    if not row_parameters:
        _require_exact_labels(dataset)
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


def _require_exact_labels(dataset):
    if not has_exact_labels(dataset):
        raise DataError(
            "the dataset has censored or interval labels, which this model cannot take "
            "in; dropping them would bias the fit towards short lives"
        )


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
