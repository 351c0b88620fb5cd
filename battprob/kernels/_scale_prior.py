"""The prior of the standard deviation s of a function, shared by several kernels."""

import math

import jax.numpy as jnp

from battprob._typing import Array, Float

_RATE = 3.0  # of the exponential distribution: P(s > 1) = e⁻³ = 0.05


def log_prior_of_scale(log_variance: Float[Array, ""]) -> Float[Array, ""]:
    """Log density of log s² for s ~ Exponential(3)."""
    scale = jnp.exp(0.5 * log_variance)
    log_exponential = math.log(_RATE) - _RATE * scale
    return log_exponential + 0.5 * log_variance - math.log(2)  # ds / d log s² = s / 2
