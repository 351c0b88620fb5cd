"""Curves whose error is known jointly: a few quadrature nodes of a random function.

A `Predictive` over a grid has marginal variances; the position of a peak needs to know how
errors at neighbouring voltages go together. That is what its draws are for. Here they are
made without chance, from the variances of the error e(v) and of its slope alone:

    d_s(v) = √2 σ(v) cos(k_j φ(v) + 2π s/3),   s = 0, 1, 2,    φ' = √(Var e' - σ'²) / σ.

φ counts correlation lengths, so that (e, e') has the right covariance at every voltage
exactly. The spectrum of a smoothing spline's error in the slope is k² / (1 + k⁶); the
frequencies k_j are its quantiles (tan πp/2)^⅓, which let correlations fade with distance.
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, Float
from battprob.predictive import Predictive

_FREQUENCIES = 2
_SHARE = (
    0.25  # of the variance in the nodes; the rest smooths the mixture to a Gaussian
)


def function_nodes(
    grid: Float[Array, " v"],
    mean: Float[Array, "*b v"],
    variance: Float[Array, "*b v"],
    cross: Float[Array, "*b v"],
    slope_variance: Float[Array, "*b v"],
) -> Predictive:
    """A function's posterior, from its mean, its error's variance, the error's slope's
    variance and their covariance `cross`.
    """
    known = variance > 0
    sd = jnp.sqrt(jnp.where(known, variance, 1.0))
    turning = slope_variance - (cross / sd) ** 2
    rate = jnp.where(known, safe_sqrt(turning) / sd, 0.0)
    between = 0.5 * (rate[..., 1:] + rate[..., :-1])
    steps = between * jnp.broadcast_to(jnp.diff(grid), between.shape)
    phase = jnp.cumsum(jnp.pad(steps, [(0, 0)] * (steps.ndim - 1) + [(1, 0)]), -1)
    middle = (np.arange(_FREQUENCIES) + 0.5) / _FREQUENCIES
    frequency = np.tan(0.5 * np.pi * middle) ** (1 / 3)
    frequency /= np.sqrt(np.mean(frequency**2))
    amplitude = jnp.where(known, sd, 0.0) * np.sqrt(2 * _SHARE)
    thirds = 2 * np.pi / 3 * np.arange(3)
    location = jnp.stack(
        [
            mean + amplitude * jnp.cos(float(k) * phase + float(third))
            for k in frequency
            for third in thirds
        ]
    )
    # Behind a barrier, or the compiler works out the weights while it compiles.
    zero = jax.lax.optimization_barrier(jnp.zeros_like(mean)[None, None])
    rest = ((1 - _SHARE) * variance)[None, None]
    return Predictive(location[:, None], zero, rest, zero)
