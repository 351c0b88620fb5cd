"""Modes of the posterior of a DRT, and a Gaussian around each of them.

There is one mode for every pair of `ROUGHNESS`; the search for it starts at the one
before. The variance over frequency is computed at the fitted spectrum as for circuits
(`_marginal`) and then fixed. So are the precisions of single frequencies if the
likelihood allows outliers.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float
from battprob.eis._default_prior import Prior, resistance_scale
from battprob.eis._drt_prior import (
    ROUGHNESS,
    RotatedSpectrum,
    TauGrid,
    gamma,
    line_coefficients,
    log_gamma_map,
    slope_change_scale,
)
from battprob.eis._levenberg import Objective, levenberg
from battprob.eis._marginal import marginal, narrowed, regression
from battprob.eis.likelihood import AbstractLikelihood, StudentT
from battprob.eis.variance import AbstractVariance, logit_bounds, relative_variance

# The search begins with equal roughness (p = 0) and changes to p = 0.75 gradually,
# because s_i depends on the γ that is fitted.
_FIRST_ROUGHNESS = np.array([[0.0, 0.5], [0.75, 2.0], [0.75, 2.0]])
_FIRST_STEPS = (40, 15, 10)
_STEPS = 8
_USUAL_GAMMA = 0.1  # in units of the characteristic resistance


class Modes(NamedTuple):
    """A Gaussian for each of b roughness pairs, and nodes of the noise logits.

    Attributes:
        z: modes in standard normal coordinates.
        covariance: covariances of z.
        scale: standard deviations s_i of the slope changes.
        log_weight: log evidence of each pair.
        variance_scale: s² of each pair.
        logits: nodes of η.
        relative_variance: h at the nodes, without the precision of single frequencies.
        precision: precision of each frequency.
        log_gamma_scale: typical log γ.
    """

    z: Float[Array, "b p"]
    covariance: Float[Array, "b p p"]
    scale: Float[Array, "b m"]
    log_weight: Float[Array, " b"]
    variance_scale: Float[Array, " b"]
    logits: Float[Array, "k q"]
    relative_variance: Float[Array, "k r"]
    precision: Float[Array, " f"]
    log_gamma_scale: Float[Array, ""]


class RotatedVariance(AbstractVariance):
    """A noise model along rotated axes, with a precision for each frequency."""

    noise: AbstractVariance
    rotation: Complex[Array, " f"]
    precision: Float[Array, " f"]

    def terms(self, mean, frequency_hz):
        terms = self.noise.terms(mean / self.rotation, frequency_hz)
        weight = self.precision ** (-1 / self.power())
        return terms * jnp.broadcast_to(weight, terms.shape)

    def power(self):
        return self.noise.power()

    def prior_degrees_of_freedom(self):
        return self.noise.prior_degrees_of_freedom()


def modes(
    grid: TauGrid,
    spectrum: RotatedSpectrum,
    noise: AbstractVariance,
    likelihood: AbstractLikelihood,
    frequency_hz: Float[Array, " f"],
    impedance: Complex[Array, " f"],
) -> Modes:
    """Fit one spectrum, frequencies ascending."""
    log_gamma_scale = jnp.log(_USUAL_GAMMA * resistance_scale(impedance))
    count = grid.knot.size + len(spectrum.series_terms) + 3
    dtype = spectrum.target.dtype
    prior = Prior(jnp.zeros(count, dtype), jnp.ones(count, dtype))

    def objective(scale, weight):
        model = partial(_predicted, grid, spectrum, log_gamma_scale, scale)
        return Objective(model, spectrum.target, weight, prior)

    rotated = impedance * spectrum.rotation
    first = _first_fits(
        objective, prior.mean, grid, spectrum, noise, likelihood, frequency_hz, rotated
    )

    def refit(state, roughness):
        z, scale = _rescaled(grid, state[0], state[1], roughness)
        weighted = objective(scale, first.weight)
        z = levenberg(weighted, z, _STEPS).z
        mean, covariance, variance_scale, _, evidence = _gaussian(weighted, z, noise)
        fields = mean, variance_scale * covariance, scale, evidence, variance_scale
        return (z, scale), fields

    roughness = jnp.asarray(ROUGHNESS, dtype)
    _, fields = jax.lax.scan(refit, (first.z, first.scale), roughness)
    h = first.relative_variance.reshape(len(first.logits), -1)
    return Modes(*fields, first.logits, h, first.precision, log_gamma_scale)


class _FirstFits(NamedTuple):
    """Result of the first fits, and the noise model estimated from them."""

    z: Float[Array, " p"]
    scale: Float[Array, " m"]
    weight: Float[Array, " r"]
    precision: Float[Array, " f"]
    logits: Float[Array, "k q"]
    relative_variance: Float[Array, "k 2 f"]


def _first_fits(objective, z, grid, spectrum, noise, likelihood, frequency_hz, rotated):
    """Fit with increasing roughness; each fitted spectrum gives a new noise model."""
    equal = RotatedVariance(noise, spectrum.rotation, jnp.ones_like(frequency_hz))
    box = logit_bounds(equal, rotated, frequency_hz)
    middle = relative_variance(equal, 0.5 * (box[0] + box[1]), rotated, frequency_hz)

    def fit(state, inputs):
        z, scale, weight, inner, precision = state
        roughness, steps = inputs
        z, scale = _rescaled(grid, z, scale, roughness)
        minimum = levenberg(objective(scale, weight), z, steps)
        weighted = RotatedVariance(noise, spectrum.rotation, precision)
        marginals, mean = marginal(
            objective(scale, weight), minimum.z, frequency_hz, weighted, inner
        )
        logits, narrower = narrowed(marginals, inner)
        h = relative_variance(equal, logits, mean, frequency_hz)
        variance_scale = marginals.variance_scale[jnp.argmax(marginals.log_weight)]
        square = (rotated.real - mean.real) ** 2, (rotated.imag - mean.imag) ** 2
        distance = jnp.sum(jnp.stack(square) / h, axis=0) / variance_scale
        precision = expected_precision(likelihood, distance)
        weight = (precision[None] / h).ravel()
        return (minimum.z, scale, weight, narrower, precision), (marginals.logits, mean)

    scale = jnp.full_like(grid.knot, _FIRST_ROUGHNESS[0, 1])
    start = (z, scale, 1 / middle.ravel(), box, equal.precision)
    inputs = jnp.asarray(_FIRST_ROUGHNESS, z.dtype), jnp.array(_FIRST_STEPS)
    (z, scale, weight, _, precision), (logits, mean) = jax.lax.scan(fit, start, inputs)
    logits, mean = logits[-1], mean[-1]
    h = jax.vmap(lambda eta: relative_variance(equal, eta, mean, frequency_hz))(logits)
    return _FirstFits(z, scale, weight, precision, logits, h)


def expected_precision(
    likelihood: AbstractLikelihood, distance: Float[Array, "*b f"]
) -> Float[Array, "*b f"]:
    """Posterior mean precision of frequencies; one for Gaussian errors.

    A Student-t error is Gaussian with a gamma-distributed precision.

    Args:
        likelihood: distribution of the errors.
        distance: squared residuals of Re and Im in units of the variance, summed.
    """
    if not isinstance(likelihood, StudentT):
        return jnp.ones_like(distance)
    return (likelihood.degrees_of_freedom + 2) / (
        likelihood.degrees_of_freedom + distance
    )


def _predicted(grid, spectrum, log_gamma_scale, scale, z):
    """Rotated (Re, Im) [r] at coordinates z, and its derivatives [p r]."""
    f = log_gamma_map(grid.at_node, grid.node_offset, scale)
    series = len(spectrum.series_terms)
    of_gamma, of_series = z[:-series], z[-series:]
    density = gamma(f.matrix @ of_gamma + f.constant, log_gamma_scale)
    weighted = density[:, None] * spectrum.kernel
    mean = weighted.sum(0) + of_series @ spectrum.series_terms
    return mean, jnp.concatenate([f.matrix.T @ weighted, spectrum.series_terms])


def _rescaled(grid, z, scale, roughness):
    """The same f in coordinates of another roughness, with s_i computed from this f."""
    count = grid.knot.size
    f = log_gamma_map(grid.at_knot, grid.knot - grid.centre, scale)
    log_gamma = f.matrix @ z[: count + 3] + f.constant
    new = slope_change_scale(log_gamma, roughness)
    changes = line_coefficients(z[: count + 3], scale)[:count]
    return z.at[:count].set(changes / new), new


def _gaussian(objective, z, noise):
    mean, gradient = objective.model(z)
    residual = objective.target - mean
    weighted = gradient * objective.weight[None]
    return regression(
        objective,
        z,
        weighted @ gradient.T,
        weighted @ residual,
        jnp.sum(objective.weight * residual**2),
        -jnp.sum(jnp.log(objective.weight)),
        noise.prior_degrees_of_freedom(),
    )
