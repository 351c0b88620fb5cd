"""Positive parameters on their logarithm, and the prior that all scales share."""

import math

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, ArrayLike, Float

_SCALE_RATE = 3.0  # -log P(s > 1)


def log_prior_of_scale(log_variance: Float[Array, ""]) -> Float[Array, ""]:
    """Log density of log s² for s ~ Exponential(3)."""
    scale = jnp.exp(0.5 * log_variance)
    log_exponential = math.log(_SCALE_RATE) - _SCALE_RATE * scale
    return log_exponential + 0.5 * log_variance - math.log(2)  # ds / d log s² = s / 2


def log_parameter(value: ArrayLike) -> Array:
    """Logarithm of a positive setting, as an array so that changing it retraces nothing."""
    return jnp.asarray(np.log(value), jnp.result_type(float))
