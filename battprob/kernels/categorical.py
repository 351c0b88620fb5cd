"""Kernels of coded categories: batches, protocols, instruments, electrolytes."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp

from battprob._columns import pick, resolve_columns
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels._scale import log_parameter, log_prior_of_scale
from battprob.kernels.base import AbstractKernel


class Categorical(AbstractKernel):
    r"""$s^2\,[x = x']$: an offset of its own for every level of a coded category.

    For batches, protocols, instruments, electrolytes: rows that agree in all the chosen
    columns share an offset, drawn from N(0, s²); a level not seen in training has the
    variance s² of any, so that a new batch gets honestly wider intervals.

    Times another kernel it is a function of its own for every level; with a shared one,
    `Matern52() + Categorical(["chemistry"]) * Matern52()` is coregionalisation (Bonilla,
    Chai and Williams, NIPS 20, 2007) with levels as alike as the data say.

    Args:
        features: names or positions of the columns that hold the codes, any numbers.
        variance: where the search for s² starts.

    Prior: s ~ Exponential(3), as for stationary kernels: two or three levels hardly tell
    the spread of all.
    """

    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, features: Sequence[str | int], variance: ArrayLike = 0.1):
        self.log_variance = log_parameter(variance)
        self.features = tuple(features)
        self.columns = None

    def bind(self, feature_names):
        return replace(self, columns=resolve_columns(self.features, feature_names))

    def log_prior(self):
        return log_prior_of_scale(self.log_variance)

    def gram(self, x1, x2):
        z1, z2 = (pick(x, self.columns) for x in (x1, x2))
        same = jnp.all(z1[:, None, :] == z2[None, :, :], axis=-1)
        return jnp.where(same, jnp.exp(self.log_variance), 0.0)

    def diagonal(self, x):
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])
