"""A level that is not known."""

import math

import equinox as eqx
import jax.numpy as jnp

from battprob.kernels.base import AbstractKernel


class Level(AbstractKernel):
    r"""$c^2$: one unknown constant, $N(0, c^2)$ about the mean of the data.

    Added to another kernel it integrates out a constant mean (Rasmussen and Williams
    2006, section 2.7). The mean of the data stands for it where rows are spread evenly;
    where they were sought out, as good ones are in a campaign, it lies far too high, and
    all that has not been tested looks good.

    Args:
        spread: c, in standard deviations of the target.

    Raises:
        ValueError: `spread` is not above 0, or not finite.

    Example:
        >>> from battprob.kernels import Matern52
        >>> kernel = Matern52() + Level()
    """

    spread: float = eqx.field(default=1.0, static=True)

    def __check_init__(self):
        if not (self.spread > 0 and math.isfinite(self.spread)):
            raise ValueError(
                "spread of Level must be above 0 and finite, in standard deviations of the "
                f"target; got {self.spread}"
            )

    def bind(self, feature_names):
        del feature_names
        return self

    def log_prior(self):
        return jnp.zeros(())

    def gram(self, x1, x2):
        return jnp.full((len(x1), len(x2)), self.spread**2, x1.dtype)

    def diagonal(self, x):
        return jnp.full(len(x), self.spread**2, x.dtype)
