"""Kernel of an unknown constant mean."""

import jax.numpy as jnp

from battprob._parameters import fixed_field, positive
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels.base import AbstractKernel


class ConstantMean(AbstractKernel):
    r"""$c^2$: the function has an unknown constant mean, $N(0, c^2)$ a priori.

    Add it to another kernel to integrate the constant out (Rasmussen and Williams 2006,
    section 2.7). Without it the mean of the function is taken to be the mean of the
    training targets. That is right for rows spread evenly. It is wrong for rows that were
    chosen for their high targets, as in a campaign: the mean of the targets then
    overestimates the mean of the function.

    Args:
        prior_std: c, in standard deviations of the target.

    Raises:
        ValueError: `prior_std` is not above 0, or not finite.

    Example:
        >>> from battprob.kernels import Matern52
        >>> kernel = Matern52() + ConstantMean()
    """

    prior_std: Float[Array, ""] = fixed_field()

    def __init__(self, prior_std: ArrayLike = 1.0):
        self.prior_std = positive("prior_std of ConstantMean", prior_std)

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return jnp.zeros(())

    def gram(self, x1, x2):
        return jnp.broadcast_to(self.prior_std**2, (len(x1), len(x2)))

    def diagonal(self, x):
        return jnp.broadcast_to(self.prior_std**2, x.shape[:1])
