"""Noise heads with a few parameters."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._parameters import as_array, fixed_field, positive
from battprob._typing import Array, ArrayLike, Float
from battprob.noise.base import AbstractNoise

PRIOR_MEAN, PRIOR_STD = -2.0, 2.0
"""Mean and standard deviation of log σ² a priori, for a target of unit variance."""


class Constant(AbstractNoise):
    """Homoscedastic noise: the same σ² for all rows.

    Args:
        prior_mean, prior_std: mean and standard deviation of log σ² a priori (normal), for
            a target of unit variance.

    Raises:
        ValueError: `prior_std` is not above 0, or not finite.
    """

    log_variance: Float[Array, ""]
    prior_mean: Float[Array, ""] = fixed_field()
    prior_std: Float[Array, ""] = fixed_field()

    def __init__(
        self, *, prior_mean: ArrayLike = PRIOR_MEAN, prior_std: ArrayLike = PRIOR_STD
    ):
        self.prior_mean = as_array(prior_mean)
        self.prior_std = positive("prior_std of Constant", prior_std)
        self.log_variance = self.prior_mean

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return norm.logpdf(self.log_variance, self.prior_mean, self.prior_std)

    def variance(self, x, known):
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])

    def uses_known(self):
        return False


class LogLinear(AbstractNoise):
    r"""$\log\sigma^2(x) = a + w^\top x$ in the chosen features.

    Features are clipped at three standard deviations from their mean. A slope learned
    inside the data contains no information about the noise far outside, where its
    exponential would be very large or very small.

    Args:
        features: names or column indices of the features that the noise depends on;
            default all. With tens of rows, choose one or two.
        prior_mean, prior_std: mean and standard deviation of a a priori (normal), for a
            target of unit variance.

    Prior: each w_j ~ N(0, 1/d) for d features, so that the noise variance changes by a
    factor of about e over the data unless they show a larger change.

    Raises:
        ValueError: `prior_std` is not above 0, or not finite.
    """

    intercept: Float[Array, ""]
    slopes: Float[Array, "..."]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)
    prior_mean: Float[Array, ""] = fixed_field()
    prior_std: Float[Array, ""] = fixed_field()

    def __init__(
        self,
        features: Sequence[str | int] | None = None,
        *,
        prior_mean: ArrayLike = PRIOR_MEAN,
        prior_std: ArrayLike = PRIOR_STD,
    ):
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.prior_mean = as_array(prior_mean)
        self.prior_std = positive("prior_std of LogLinear", prior_std)
        self.intercept = self.prior_mean
        self.slopes = as_array(0.0)

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        slopes = jnp.asarray(np.zeros(len(columns)), self.slopes.dtype)
        return replace(self, columns=columns, slopes=slopes)

    def log_prior(self):
        slope_std = 1 / max(self.slopes.size, 1) ** 0.5
        intercept = norm.logpdf(self.intercept, self.prior_mean, self.prior_std)
        return intercept + jnp.sum(norm.logpdf(self.slopes, 0.0, slope_std))

    def variance(self, x, known):
        z = jnp.clip(select_columns(x, self.columns), -_MAX_DISTANCE, _MAX_DISTANCE)
        return jnp.exp(self.intercept + z @ self.slopes)

    def uses_known(self):
        return False


class Known(AbstractNoise):
    """Measured variance of every label: from replicates, or the error of an estimate.

    A new row whose label will be measured in the same way gets the variance given in
    `predict(x, noise_variance=...)`; without it the prediction is for a label free of this
    error.
    """

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return jnp.zeros(())

    def variance(self, x, known):
        return known

    def uses_known(self):
        return True


_MAX_DISTANCE = 3.0  # in standard deviations of a feature
