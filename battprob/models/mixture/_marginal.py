r"""The protocols of all rows summed out: a density of weights and hyper-parameters alone.

    log p(y, w, θ) = Σ_i log Σ_k p(u_i = k | x_i) N(y_i; φ_k(x_i)ᵀ w_k, σ²_k(x_i)) + log p(w, θ)

for experts that are linear in weights w ~ N(0, I). Protocols without a known row could
trade places; they are kept in order of their intercepts, which are the means of their
functions over the training rows. Of every draw a protocol is then drawn for each row, given
which the weights are Gaussian again: predictions use that law and not the drawn weights.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._typing import Array, Float, PRNGKey
from battprob.models.mixture._bound import (
    MixtureData,
    MixtureParameters,
    log_prior,
    pinned,
)
from battprob.models.mixture._experts import noise_variance
from battprob.models.mixture.gates import log_probabilities
from battprob.priors.base import standard_normal


class SummedParameters(eqx.Module):
    """Weights beside hyper-parameters; intercepts of `free` protocols as log differences."""

    mixture: MixtureParameters
    intercepts: Float[Array, " k"]
    slopes: Float[Array, "k d"]
    free: tuple[int, ...] = eqx.field(static=True)

    def weights(self) -> tuple[Float[Array, "k r"], Float[Array, ""]]:
        """All weights, free intercepts in increasing order, and the log Jacobian."""
        place = jnp.asarray(self.free, int)
        first, gaps = self.intercepts[place[:1]], self.intercepts[place[1:]]
        ordered = jnp.cumsum(jnp.concatenate([first, jnp.exp(gaps)]))
        intercepts = self.intercepts.at[place].set(ordered)
        weights = jnp.concatenate([intercepts[:, None], self.slopes], axis=1)
        return weights, jnp.sum(gaps)


@eqx.filter_jit
def start(
    mixture: MixtureParameters,
    data: MixtureData,
    share: Float[Array, "k n"],
    free: tuple[int, ...],
) -> SummedParameters:
    """The weights that shares found by the evidence bound teach."""
    rows = mixture.expert.centred(data.rows)
    weights = mixture.each(lambda expert, own: expert.solve(rows, own)[0], share)
    intercepts, place = weights[:, 0], jnp.asarray(free, int)
    gaps = jnp.log(jnp.maximum(jnp.diff(intercepts[place]), _LEAST_GAP))
    intercepts = intercepts.at[place[1:]].set(gaps)
    return SummedParameters(mixture, intercepts, weights[:, 1:], free)


def log_joint(parameters: SummedParameters, data: MixtureData) -> Float[Array, ""]:
    """log p(y, w, θ), protocols in order."""
    weights, log_jacobian = parameters.weights()
    density = logsumexp(_log_terms(parameters, weights, data), axis=0)
    likelihood = jnp.sum(jnp.where(data.rows.mask, density, 0.0))
    prior = log_prior(parameters.mixture) + standard_normal(weights)
    permutations = math.lgamma(len(parameters.free) + 1)
    return likelihood + prior + log_jacobian + permutations


@eqx.filter_jit
def drawn_shares(
    draws: SummedParameters, data: MixtureData, key: PRNGKey
) -> Float[Array, "s k n"]:
    """A protocol for every row under each draw, as shares of 0 and 1."""

    def one(own):
        parameters, key = own
        weights, _ = parameters.weights()
        terms = _log_terms(parameters, weights, data)
        drawn = jax.random.categorical(key, terms, axis=0)
        return pinned(
            jax.nn.one_hot(drawn, len(terms), axis=0, dtype=terms.dtype), data
        )

    num = len(draws.intercepts)
    return jax.lax.map(one, (draws, jax.random.split(key, num)))


def _log_terms(parameters, weights, data):
    """Log of every protocol's part of the density of every row."""
    _, labels, active = data
    rows = parameters.mixture.expert.centred(data.rows)

    def one(expert, weights):
        variance = noise_variance(expert, rows)
        square = (rows.y - expert.columns(rows.x) @ weights) ** 2 / variance
        return -0.5 * (square + jnp.log(2 * jnp.pi * variance))

    fit = parameters.mixture.each(one, weights)
    log_gate = log_probabilities(parameters.mixture.gate, active, rows.x)
    numbers = jnp.arange(len(fit), dtype=labels.dtype)[:, None]
    other = (labels[None] >= 0) & (labels[None] != numbers)
    return jnp.where(other, -jnp.inf, log_gate + fit)


_LEAST_GAP = 0.05  # of the target's standard deviation, between starting intercepts
