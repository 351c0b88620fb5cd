"""Kernels of coded categories: batches, protocols, instruments, electrolytes."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._parameters import log_parameter
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels._scale_prior import log_prior_of_scale
from battprob.kernels.base import AbstractKernel


class Categorical(AbstractKernel):
    r"""$s^2\,[x = x']$: an independent offset for every level of a coded category.

    For batches, protocols, instruments, electrolytes. Rows that agree in all the chosen
    columns have the same offset, drawn from N(0, s²). A level that training did not have
    gets the variance s², so that predictions for a new batch are wider.

    The product with another kernel is an independent function for every level. Added to a
    common one, `Matern52() + Categorical(["chemistry"]) * Matern52()` is coregionalisation
    (Bonilla, Chai and Williams, NIPS 20, 2007); the variances, which are learned, decide
    how similar the levels are.

    Args:
        features: names or indices of the columns that hold the codes (any numbers).
        variance: initial value of s².

    Prior: s ~ Exponential(3), as for stationary kernels: two or three levels contain
    little information about the standard deviation of all levels.
    """

    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, features: Sequence[str | int], variance: ArrayLike = 0.1):
        self.log_variance = log_parameter(variance, "variance")
        self.features = tuple(features)
        self.columns = None

    def bind(self, feature_names):
        return replace(self, columns=resolve_columns(self.features, feature_names))

    def log_prior(self):
        return log_prior_of_scale(self.log_variance)

    def gram(self, x1, x2):
        z1, z2 = (select_columns(x, self.columns) for x in (x1, x2))
        same = jnp.all(z1[:, None, :] == z2[None, :, :], axis=-1)
        return jnp.where(same, jnp.exp(self.log_variance), 0.0)

    def diagonal(self, x):
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])
