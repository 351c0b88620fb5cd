"""Default prior of a circuit's parameters, computed from their dimensions.

A spectrum has one characteristic resistance (twice the standard deviation of Z over
frequency) and one characteristic time (the centre of its band on the log scale). The
prior median of a parameter of dimension ohm^a s^b is typical × resistance^a × time^b.
On the log scale its standard deviation is two e-folds for each power of ohm, half the
band plus one for each power of second, and the parameter's own. Exponents have a prior
on the logit of their bounds.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float
from battprob.eis._unconstrained import clip_inside, to_unconstrained
from battprob.eis.network import Network

_OHM_SD = 2.0


class Prior(NamedTuple):
    """Independent Gaussian priors of the unconstrained parameters."""

    mean: Float[Array, " p"]
    sd: Float[Array, " p"]


def resistance_scale(impedance: Complex[Array, " f"]) -> Float[Array, ""]:
    """Characteristic resistance: twice the standard deviation of Z over frequency."""
    deviation = impedance - impedance.mean()
    sd = jnp.sqrt(jnp.mean(deviation.real**2 + deviation.imag**2))
    # A pure resistor has no range; its logarithm must stay finite.
    return 2 * jnp.maximum(sd, 1e-6 * jnp.abs(impedance).max())


def default_prior(
    network: Network, omega: Float[Array, " f"], impedance: Complex[Array, " f"]
) -> Prior:
    """Prior of the free parameters for a spectrum of this range and frequency band.

    Args:
        network: circuit with the parameters.
        omega: angular frequencies in rad/s.
        impedance: approximate impedance in ohm.
    """
    parameters = tuple(network.free_parameters.values())
    log_ohm = jnp.log(resistance_scale(impedance))
    low, high = jnp.log(omega.min()), jnp.log(omega.max())
    log_second, second_sd = -0.5 * (low + high), 0.5 * (high - low) + 1.0
    ohm, second, typical, own_sd = (
        np.array([getattr(p, name) for p in parameters])
        for name in ("ohm", "second", "typical", "prior_sd")
    )
    median = jnp.asarray(typical) * jnp.exp(ohm * log_ohm + second * log_second)
    variance = (ohm * _OHM_SD) ** 2 + (second * second_sd) ** 2 + own_sd**2
    mean = to_unconstrained(clip_inside(median, parameters), parameters)
    return Prior(mean, jnp.sqrt(variance))
