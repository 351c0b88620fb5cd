"""Log joint density of a process's hyper-parameters and data, noise integrated out."""

import equinox as eqx
import jax.numpy as jnp

from battprob.models._gaussian import log_density
from battprob.models._replicates import pool
from battprob.models.process._latent_noise import integrate
from battprob.noise.latent import split

# Of the log of learned noise: for a search, sampling, and what is kept.
_SEARCH_TOLERANCE, _TOLERANCE, FINAL_TOLERANCE = 1e-3, 1e-4, 1e-6


def _gram(kernel, sites):
    """Covariance of f at the sites; where there is none, f is zero."""
    both = sites.mask[:, None] & sites.mask[None, :]
    return jnp.where(both, kernel.gram(sites.x, sites.x), 0.0)


def integrated(parameters, data, tolerance):
    """Noise with weights integrated out, targets pooled by site, their covariance."""
    kernel, noise = parameters
    rows, sites, latent = data
    gram = _gram(kernel, sites)
    noise = eqx.combine(noise, latent)
    found = integrate(gram, noise, rows, sites, tolerance=tolerance)
    pooled = pool(rows, found.variance, sites)
    return found, pooled, gram + jnp.diag(pooled.variance)


def log_joint(parameters, data, tolerance=_TOLERANCE):
    """The density that is explored: of kernel and head (parameters), and the targets."""
    return _density(parameters, data, tolerance)[0]


def searched(parameters, data):
    """The same for a search, and data whose noise is next solved for from what it is."""
    density, noise = _density(parameters, data, _SEARCH_TOLERANCE)
    rows, sites, latent = data
    return density, (rows, sites, eqx.combine(split(noise)[1], latent))


def _density(parameters, data, tolerance):
    """The log joint density, and the noise with its weights at their mean."""
    found, pooled, covariance = integrated(parameters, data, tolerance)
    evidence = log_density(pooled.y, covariance) + pooled.log_rest
    prior = parameters[0].log_prior() + found.noise.log_prior()
    return evidence + found.correction + prior, found.noise
