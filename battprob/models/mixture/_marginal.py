r"""Likelihood with the protocols of all rows summed out, for sampling.

    log p(y, w, θ) = Σ_i log Σ_k p(u_i = k | x_i) N(y_i; φ_k(x_i)ᵀ w_k, σ²_k(x_i)) + log p(w, θ)

for experts that are linear in weights w ~ N(0, I). The density is the same for every order
of the free protocols (those without a labelled row), so that samplers could exchange them.
Therefore their intercepts, the means of their functions over the training rows, are
constrained to increase. After sampling, a protocol is drawn for each row of each draw.
Given these the weights are Gaussian, and predictions use this Gaussian, not the drawn
weights, which has a smaller Monte Carlo error.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._typing import Array, Float, PRNGKey
from battprob.models.mixture._bound import with_labels
from battprob.models.mixture._experts import noise_variance
from battprob.models.mixture._parameters import (
    MixtureData,
    MixtureParameters,
    log_prior,
)
from battprob.models.mixture.gates import log_probabilities
from battprob.priors.base import standard_normal

# Smallest difference of initial intercepts, in standard deviations of the target: the
# logarithm of a difference of zero is infinite.
_SMALLEST_GAP = 0.05


class MarginalParameters(eqx.Module):
    """Hyper-parameters and weights, unconstrained.

    Args:
        mixture: hyper-parameters.
        intercepts: intercept weight of each protocol; for the free protocols after the
            first one, the logarithm of its difference from the previous one.
        slopes: slope weights.
        free: indices of the free protocols.
    """

    mixture: MixtureParameters
    intercepts: Float[Array, " k"]
    slopes: Float[Array, "k d"]
    free: tuple[int, ...] = eqx.field(static=True)

    def weights(self) -> tuple[Float[Array, "k r"], Float[Array, ""]]:
        """All weights, with increasing free intercepts, and the log Jacobian."""
        free = jnp.asarray(self.free, int)
        first, log_gaps = self.intercepts[free[:1]], self.intercepts[free[1:]]
        ordered = jnp.cumsum(jnp.concatenate([first, jnp.exp(log_gaps)]))
        intercepts = self.intercepts.at[free].set(ordered)
        weights = jnp.concatenate([intercepts[:, None], self.slopes], axis=1)
        return weights, jnp.sum(log_gaps)


@eqx.filter_jit
def initial_marginal(
    mixture: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
    free: tuple[int, ...],
) -> MarginalParameters:
    """Initial values for sampling: the posterior means of the weights after EM."""
    rows = mixture.expert.centred(data.rows)
    weights = mixture.map_experts(
        lambda expert, responsibility: expert.solve(rows, responsibility)[0],
        responsibilities,
    )
    intercepts, index = weights[:, 0], jnp.asarray(free, int)
    gaps = jnp.maximum(jnp.diff(intercepts[index]), _SMALLEST_GAP)
    intercepts = intercepts.at[index[1:]].set(jnp.log(gaps))
    return MarginalParameters(mixture, intercepts, weights[:, 1:], free)


def log_joint(parameters: MarginalParameters, data: MixtureData) -> Float[Array, ""]:
    """log p(y, w, θ) for ordered free protocols."""
    weights, log_jacobian = parameters.weights()
    log_density = logsumexp(_log_terms(parameters, weights, data), axis=0)
    log_likelihood = jnp.sum(jnp.where(data.rows.mask, log_density, 0.0))
    prior = log_prior(parameters.mixture) + standard_normal(weights)
    # The ordered region has 1/(number of permutations) of the prior mass.
    log_permutations = math.lgamma(len(parameters.free) + 1)
    return log_likelihood + prior + log_jacobian + log_permutations


@eqx.filter_jit
def draw_responsibilities(
    draws: MarginalParameters, data: MixtureData, key: PRNGKey
) -> Float[Array, "s k n"]:
    """Responsibilities of 0 and 1: a protocol for each row, drawn given each draw."""

    def one_draw(arguments):
        parameters, key = arguments
        weights, _ = parameters.weights()
        terms = _log_terms(parameters, weights, data)
        protocol = jax.random.categorical(key, terms, axis=0)
        drawn = jax.nn.one_hot(protocol, len(terms), axis=0, dtype=terms.dtype)
        return with_labels(drawn, data)

    num_draws = len(draws.intercepts)
    return jax.lax.map(one_draw, (draws, jax.random.split(key, num_draws)))


def _log_terms(parameters, weights, data):
    """Log joint density of the protocol and the target of every row, -inf if excluded."""
    _, labels, active = data
    rows = parameters.mixture.expert.centred(data.rows)

    def log_density(expert, weights):
        variance = noise_variance(expert, rows)
        square = (rows.y - expert.columns(rows.x) @ weights) ** 2 / variance
        return -0.5 * (square + jnp.log(2 * jnp.pi * variance))

    density = parameters.mixture.map_experts(log_density, weights)
    log_gate = log_probabilities(parameters.mixture.gate, active, rows.x)
    protocols = jnp.arange(len(density), dtype=labels.dtype)[:, None]
    excluded = (labels[None] >= 0) & (labels[None] != protocols)
    return jnp.where(excluded, -jnp.inf, log_gate + density)
