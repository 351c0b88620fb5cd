"""From bounded parameters to unconstrained ones, and their priors from dimension alone.

A spectrum has one natural resistance, twice the spread of Z around its mean, and one
natural time, the middle of its band. A parameter of dimension Ohm^a s^b has its prior at
typical × resistance^a × time^b, with a spread (on the log scale) of two e-folds of
resistance and half the band; exponents are on a logit scale of their bounds.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float
from battprob.eis.elements import Parameter
from battprob.eis.network import Network

_OHM_SPREAD = 2.0


class Prior(NamedTuple):
    """Independent Gaussians of the unconstrained parameters."""

    mean: Float[Array, " p"]
    sd: Float[Array, " p"]


def to_free(
    values: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Unconstrained coordinates: log, logit, or the value itself, as its bounds ask."""
    low, width, bounded, closed = _bounds(parameters, values)
    above = jnp.where(bounded, values - low, 1.0)
    left = jnp.where(closed, width - above, 1.0)
    return jnp.where(bounded, jnp.log(above / left), values)


def to_values(
    free: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Parameter values of unconstrained coordinates; strictly inside their bounds."""
    return _values_and_slopes(free, parameters)[0]


def slopes_of_values(
    free: Float[Array, " p"], parameters: tuple[Parameter, ...]
) -> Float[Array, " p"]:
    """d value / d free of every parameter."""
    return _values_and_slopes(free, parameters)[1]


def _values_and_slopes(free, parameters):
    """Of all parameters at once: the exponential of one vector is quick to compile."""
    low, width, bounded, closed = _bounds(parameters, free)
    size = jnp.exp(jnp.where(bounded, jnp.where(closed, -free, free), 0.0))
    share = 1 / (1 + size)
    values = jnp.where(closed, low + width * share, low + size)
    slopes = jnp.where(closed, width * share * (1 - share), size)
    return jnp.where(bounded, values, free), jnp.where(bounded, slopes, 1.0)


def _bounds(parameters, like):
    """Lower bounds, widths (1 where open), and which have a lower bound or both."""
    low, high = np.array([p.bounds for p in parameters]).T
    bounded, closed = np.isfinite(low), np.isfinite(high - low)
    width = np.where(closed, high - low, 1.0)
    low, width = (
        np.asarray(a, like.dtype) for a in (np.where(bounded, low, 0.0), width)
    )
    return (np.broadcast_to(a, like.shape) for a in (low, width, bounded, closed))


def inside(
    values: Float[Array, "*b p"], parameters: tuple[Parameter, ...]
) -> Float[Array, "*b p"]:
    """Values drawn a little way inside their bounds, where the coordinates are finite."""
    low, high = np.array([p.bounds for p in parameters]).T
    width = np.where(np.isfinite(high - low), high - low, 0.0)
    edges = (low + 1e-3 * width, high - 1e-3 * width)
    return jnp.clip(values, *(np.broadcast_to(edge, values.shape) for edge in edges))


def resistance_scale(impedance: Complex[Array, " f"]) -> Float[Array, ""]:
    """The spectrum's own resistance: twice the spread of Z around its mean."""
    away = impedance - impedance.mean()
    spread = jnp.sqrt(jnp.mean(away.real**2 + away.imag**2))
    return 2 * jnp.maximum(spread, 1e-6 * jnp.abs(impedance).max())


def prior(
    network: Network, omega: Float[Array, " f"], impedance: Complex[Array, " f"]
) -> Prior:
    """Default prior of the free parameters, for a spectrum of this size and band."""
    parameters = tuple(network.free_parameters.values())
    log_ohm = jnp.log(resistance_scale(impedance))
    low, high = jnp.log(omega.min()), jnp.log(omega.max())
    log_second, second_spread = -0.5 * (low + high), 0.5 * (high - low) + 1.0
    ohm, second, typical, spread = (
        np.array([getattr(p, name) for p in parameters])
        for name in ("ohm", "second", "typical", "spread")
    )
    centre = jnp.asarray(typical) * jnp.exp(ohm * log_ohm + second * log_second)
    variance = (ohm * _OHM_SPREAD) ** 2 + (second * second_spread) ** 2 + spread**2
    return Prior(to_free(inside(centre, parameters), parameters), jnp.sqrt(variance))
