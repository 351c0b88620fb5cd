"""Log joint density of the hyper-parameters and the data, with f integrated out."""

import equinox as eqx
import jax.numpy as jnp

from battprob.models._gaussian import log_density
from battprob.models._replicates import pool
from battprob.models.process._latent_noise import integrate_weights
from battprob.noise.latent import split

# Largest last change of log σ² in Newton's method for weights of the noise: during
# optimisation, for sampling and derivatives, and for the solution that is stored.
_SEARCH_TOLERANCE, _TOLERANCE, FINAL_TOLERANCE = 1e-3, 1e-4, 1e-6


def _gram(kernel, distinct):
    """Covariance of f at the distinct rows; zero for padding."""
    both = distinct.mask[:, None] & distinct.mask[None, :]
    return jnp.where(both, kernel.gram(distinct.x, distinct.x), 0.0)


def integrate_noise(parameters, data, tolerance):
    """The noise with its weights integrated out, pooled targets and their covariance."""
    kernel, noise = parameters
    rows, distinct, latent = data
    gram = _gram(kernel, distinct)
    noise = eqx.combine(noise, latent)
    integrated = integrate_weights(gram, noise, rows, distinct, tolerance=tolerance)
    pooled = pool(rows, integrated.variance, distinct)
    return integrated, pooled, gram + jnp.diag(pooled.variance)


def log_joint(parameters, data, tolerance=_TOLERANCE):
    """Log density of the targets, of the kernel and of the parameters of the noise."""
    return _density(parameters, data, tolerance)[0]


def warm_started_log_joint(parameters, data):
    """Variant of `log_joint` for optimisers: (log density, data for the next call).

    The returned data hold the last weights of the noise, where Newton's method starts in
    the next call.
    """
    density, noise = _density(parameters, data, _SEARCH_TOLERANCE)
    rows, distinct, latent = data
    return density, (rows, distinct, eqx.combine(split(noise)[1], latent))


def _density(parameters, data, tolerance):
    """The log joint density, and the noise model with its weights at their mean."""
    integrated, pooled, covariance = integrate_noise(parameters, data, tolerance)
    evidence = log_density(pooled.y, covariance) + pooled.log_factor
    prior = parameters[0].log_prior() + integrated.noise.log_prior()
    return evidence + integrated.correction + prior, integrated.noise
