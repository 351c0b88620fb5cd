"""Transformations between bounded parameters and unconstrained ones.

A parameter with a lower bound is transformed by the logarithm, one with two bounds by
the logit, and one without bounds is left as it is.
"""

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float
from battprob.eis.elements import Parameter


def to_unconstrained(
    values: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Unconstrained coordinates of parameter values strictly inside their bounds."""
    low, width, bounded, closed = _bounds(parameters, values)
    above = jnp.where(bounded, values - low, 1.0)
    below = jnp.where(closed, width - above, 1.0)
    return jnp.where(bounded, jnp.log(above / below), values)


def to_values(
    z: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Parameter values of unconstrained coordinates z, strictly inside the bounds."""
    return _values_and_derivatives(z, parameters)[0]


def derivatives_of_values(
    z: Float[Array, " p"], parameters: tuple[Parameter, ...]
) -> Float[Array, " p"]:
    """d value / dz of every parameter."""
    return _values_and_derivatives(z, parameters)[1]


def _values_and_derivatives(z, parameters):
    # One exponential of the whole vector compiles faster than one for each parameter.
    low, width, bounded, closed = _bounds(parameters, z)
    exponential = jnp.exp(jnp.where(bounded, jnp.where(closed, -z, z), 0.0))
    logistic = 1 / (1 + exponential)
    values = jnp.where(closed, low + width * logistic, low + exponential)
    derivatives = jnp.where(closed, width * logistic * (1 - logistic), exponential)
    return jnp.where(bounded, values, z), jnp.where(bounded, derivatives, 1.0)


def _bounds(parameters, like):
    """Lower bounds, widths (1 if infinite), whether the lower or both are finite."""
    low, high = np.array([p.bounds for p in parameters]).T
    bounded, closed = np.isfinite(low), np.isfinite(high - low)
    width = np.where(closed, high - low, 1.0)
    low, width = (
        np.asarray(a, like.dtype) for a in (np.where(bounded, low, 0.0), width)
    )
    return (np.broadcast_to(a, like.shape) for a in (low, width, bounded, closed))


def clip_inside(
    values: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Values moved to 0.1 % inside their bounds, where the coordinates are finite."""
    low, high = np.array([p.bounds for p in parameters]).T
    width = np.where(np.isfinite(high - low), high - low, 0.0)
    edges = (low + 1e-3 * width, high - 1e-3 * width)
    return jnp.clip(values, *(np.broadcast_to(edge, values.shape) for edge in edges))
