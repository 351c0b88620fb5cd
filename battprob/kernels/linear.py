"""The kernel of linear functions."""

import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._parameters import log_parameter
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels.base import AbstractKernel


class Linear(AbstractKernel):
    r"""$s^2\, x^\top x'$: linear functions that are zero at the mean of the features.

    Args:
        variance: initial value of d s², for d features.
        features: names or column indices of the features used; default all.

    Prior: log s² ~ N(-log d, 1.5²), so that all slopes together have unit variance.
    """

    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        variance: ArrayLike = 1.0,
        *,
        features: Sequence[str | int] | None = None,
    ):
        self.log_variance = log_parameter(variance, "variance")
        self.features = None if features is None else tuple(features)
        self.columns = None

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        start = np.asarray(self.log_variance) - math.log(len(columns))
        return replace(self, columns=columns, log_variance=jnp.asarray(start))

    def log_prior(self):
        num_columns = 1 if self.columns is None else len(self.columns)
        return norm.logpdf(self.log_variance, -math.log(num_columns), 1.5)

    def gram(self, x1, x2):
        z1, z2 = (select_columns(x, self.columns) for x in (x1, x2))
        return jnp.exp(self.log_variance) * (z1 @ z2.T)

    def diagonal(self, x):
        square = jnp.sum(select_columns(x, self.columns) ** 2, axis=1)
        return jnp.exp(self.log_variance) * square
