"""Uncertainty of the noise level around fitted hyper-parameters.

The parameters θ of a noise head get Laplace's posterior N(θ̂, (F + P)⁻¹), with F the
expected information of the Gaussian marginal likelihood and P the prior's curvature:

    F_ij = ½ tr(K⁻¹ D_i K⁻¹ D_j) = ½ d_iᵀ (K⁻¹ ∘ K⁻¹) d_j,    D_i = diag(d_i) = ∂K/∂θ_i

(Rasmussen and Williams 2006, eq. 5.9 differentiated once more, in expectation): given
the inverse it costs n². The kernel's parameters are held at their mode. log σ²(x) is
then Gaussian to first order in θ (exactly, for `Constant` and `LogLinear`), and a few
Gauss-Hermite nodes of it stand on the draws axis of the answer. Weights that were
integrated out (`LatentGP`) are parameters like any, with the prior N(0, I).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._numerics.linear_algebra import cholesky_inverse, safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float
from battprob.models._replicates import Sites, pool
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import split

# Three nodes give E[σ²] to 1 % up to a factor e of uncertainty; more would reach for noise
# levels that nobody believes, whose exponentials then rule the mean of a lognormal target.
NUM_NODES = 3


def head_covariance(
    noise: AbstractNoise,
    rows: Rows,
    sites: Sites,
    variance: Float[Array, " n"],
    factor: Float[Array, "u u"],
    *,
    parameters_too: bool,
) -> Float[Array, "q q"]:
    """Posterior covariance of the head's parameters and weights, in `ravel_pytree` order.

    Args:
        noise: the head at its mode.
        rows: training rows.
        sites: where they are.
        variance: noise variance of each.
        factor: of the covariance K of the pooled targets.
        parameters_too: False where draws already spread the parameters; those get none.
    """
    flat, _, head = flat_head(noise)
    relative = relative_slope(head, flat, rows.x, rows.known)[1]
    relative = jnp.where(rows.mask[:, None], relative, 0.0)
    precision = jnp.where(rows.mask, 1 / variance, 0.0)
    # With B the posterior covariance of f at the sites, replicates i and j of any have
    # K⁻¹_ij = δ_ij/σ²_i - B/(σ²_i σ²_j).
    pooled = pool(rows, variance, sites).variance
    inverse = cholesky_inverse(factor)
    function = jnp.diag(pooled) - pooled[:, None] * inverse * pooled[None, :]
    own = 1 - 2 * precision * jnp.diagonal(function)[sites.of_row]
    summed = sites.total(precision[:, None] * relative)
    information = relative.T @ (own[:, None] * relative)
    information = 0.5 * (information + summed.T @ function**2 @ summed)
    return covariance_of(noise, information, parameters_too=parameters_too)


def covariance_of(
    noise: AbstractNoise, information: Float[Array, "q q"], *, parameters_too: bool
) -> Float[Array, "q q"]:
    """Covariance of a head's parameters and weights given the information F of the data."""
    is_weight = flat_head(noise)[1]
    precision = information + prior_precision(noise)
    if parameters_too:
        return jnp.linalg.inv(precision)
    both = is_weight[:, None] * is_weight[None, :]
    return both * jnp.linalg.inv(both * precision + jnp.diag(1 - is_weight))


def prior_precision(noise: AbstractNoise) -> Float[Array, "q q"]:
    """The prior's curvature in what is learned of a head, at its mode."""
    flat, is_weight, head = flat_head(noise)
    curvature = -jax.hessian(lambda vector: head(vector).log_prior())(flat)
    return curvature + jnp.diag(is_weight)


def noise_levels(
    noise: AbstractNoise,
    covariance: Float[Array, "q q"],
    x: Float[Array, "m d"],
    known: Float[Array, " m"],
) -> tuple[Float[Array, "k m"], Float[Array, "k m"]]:
    """Nodes of σ² at every row, and their log weights."""
    flat, _, head = flat_head(noise)
    level, relative = relative_slope(head, flat, x, known)
    spread = safe_sqrt(jnp.sum((relative @ covariance) * relative, axis=1))
    node, log_weight = (
        jnp.asarray(a, level.dtype)[:, None] for a in normal_nodes(NUM_NODES)
    )
    levels = level[None] * jnp.exp(spread[None] * node)
    return levels, jnp.broadcast_to(log_weight, levels.shape)


def flat_head(
    noise: AbstractNoise,
) -> tuple[
    Float[Array, " q"],
    Float[Array, " q"],
    Callable[[Float[Array, " q"]], AbstractNoise],
]:
    """What is learned of a head as a vector, which entries are weights, and the way back."""
    parameters, weights, constants = split(noise)
    flat, unravel = ravel_pytree(eqx.combine(parameters, weights))
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    is_weight = ravel_pytree(eqx.combine(zeros, jax.tree.map(jnp.ones_like, weights)))[
        0
    ]
    if flat.size == 0:  # of nothing, a vector is float32 whatever the precision
        flat, is_weight = (a.astype(jnp.result_type(float)) for a in (flat, is_weight))
    return flat, is_weight, lambda vector: eqx.combine(unravel(vector), constants)


def relative_slope(head, flat: Float[Array, " q"], x, known):
    """σ² of every row, and the slope of its logarithm in what is learned."""

    def variance(vector):
        return head(vector).variance(x, known)

    level = variance(flat)
    slope = jax.jacfwd(variance)(flat)
    return level, slope / jnp.where(level > 0, level, 1.0)[:, None]
