"""A `Predictive` for a curve whose errors at neighbouring grid points are correlated.

A `Predictive` over a grid has marginal variances only, but the position of a peak
depends on the correlation of the errors at neighbouring voltages. The draws of the
`Predictive` carry this correlation. They are constructed without random numbers, from
the variances of the error e(v) and of its derivative e'(v):

    d_s(v) = √2 σ(v) cos(k_j φ(v) + 2π s/3),   s = 0, 1, 2,    φ' = √(Var e' - σ'²) / σ.

The phase φ counts correlation lengths; with it, (e, e') has the correct covariance at
every voltage. The spectrum of the error of the derivative of a smoothing spline is k² /
(1 + k⁶). The frequencies k_j are its quantiles (tan πp/2)^⅓, with which the correlation
decreases with distance.
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, Float
from battprob.predictive import Predictive

_NUM_FREQUENCIES = 2
# Fraction of the variance in the draws. The rest is the variance of each draw, which
# smooths the mixture of few draws to a distribution close to a Gaussian.
_DRAW_FRACTION = 0.25


def curve_predictive(
    grid: Float[Array, " v"],
    mean: Float[Array, "*b v"],
    variance: Float[Array, "*b v"],
    cross: Float[Array, "*b v"],
    slope_variance: Float[Array, "*b v"],
) -> Predictive:
    """Predictive distribution of a curve, with correlated draws.

    Args:
        grid: grid of the curve.
        mean: mean of the curve.
        variance: variance of its error.
        cross: covariance of the error and the derivative of the error.
        slope_variance: variance of the derivative of the error.
    """
    positive = variance > 0
    sd = jnp.sqrt(jnp.where(positive, variance, 1.0))
    # σ' = cross / σ, because (σ²)' = 2 Cov(e, e').
    rate_squared = slope_variance - (cross / sd) ** 2
    rate = jnp.where(positive, safe_sqrt(rate_squared) / sd, 0.0)
    midpoint_rate = 0.5 * (rate[..., 1:] + rate[..., :-1])
    steps = midpoint_rate * jnp.broadcast_to(jnp.diff(grid), midpoint_rate.shape)
    phase = jnp.cumsum(jnp.pad(steps, [(0, 0)] * (steps.ndim - 1) + [(1, 0)]), -1)
    probability = (np.arange(_NUM_FREQUENCIES) + 0.5) / _NUM_FREQUENCIES
    frequency = np.tan(0.5 * np.pi * probability) ** (1 / 3)
    # With mean square one the draws have the correct variance of the derivative.
    frequency /= np.sqrt(np.mean(frequency**2))
    amplitude = jnp.where(positive, sd, 0.0) * np.sqrt(2 * _DRAW_FRACTION)
    shifts = 2 * np.pi / 3 * np.arange(3)
    location = jnp.stack(
        [
            mean + amplitude * jnp.cos(float(k) * phase + float(shift))
            for k in frequency
            for shift in shifts
        ]
    )
    # The barrier prevents XLA from evaluating the constant weights at compile time.
    zero = jax.lax.optimization_barrier(jnp.zeros_like(mean)[None, None])
    remaining = ((1 - _DRAW_FRACTION) * variance)[None, None]
    return Predictive(location[:, None], zero, remaining, zero)
