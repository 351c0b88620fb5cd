"""Posterior uncertainty of the noise variance at fitted hyper-parameters.

The parameters θ of a noise model have Laplace's posterior N(θ̂, (F + P)⁻¹). P is the
curvature of the prior, and F the expected information of the marginal likelihood:

    F_ij = ½ tr(K⁻¹ D_i K⁻¹ D_j) = ½ d_iᵀ (K⁻¹ ∘ K⁻¹) d_j,    D_i = diag(d_i) = ∂K/∂θ_i

(the expected second derivative of Rasmussen and Williams 2006, eq. 5.8). Given K⁻¹ it
costs n² operations. The parameters of the kernel are fixed at their mode. To first order
in θ, log σ²(x) is then Gaussian (exactly so for `Constant` and `LogLinear`), and a few
Gauss-Hermite nodes represent it on the axis of posterior draws. Weights that were
integrated out (`LatentGP`) are treated as parameters with the prior N(0, I).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._numerics.linear_algebra import cholesky_inverse, safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float
from battprob.models._replicates import DistinctRows, pool
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import split

# Three nodes give E[σ²] to 1 % for a standard deviation of log σ² up to 1. The outer nodes
# of a larger rule are variances of negligible probability, whose exponentials would
# dominate the mean of a lognormal target.
NUM_NODES = 3


def noise_parameter_covariance(
    noise: AbstractNoise,
    rows: Rows,
    distinct: DistinctRows,
    variance: Float[Array, " n"],
    factor: Float[Array, "u u"],
    *,
    include_parameters: bool,
) -> Float[Array, "q q"]:
    """Posterior covariance of the parameters and weights of a noise model.

    Args:
        noise: noise model at its mode.
        rows: training rows.
        distinct: the distinct rows among them.
        variance: noise variance of each row.
        factor: Cholesky factor of the covariance K of the pooled targets.
        include_parameters: False gives the parameters a covariance of zero, because
            posterior draws already represent their uncertainty.

    Returns:
        The covariance, in the order of `ravel_pytree`.
    """
    flat, _, to_noise = flatten_noise(noise)
    gradient = variance_and_log_gradient(to_noise, flat, rows.x, rows.known)[1]
    gradient = jnp.where(rows.mask[:, None], gradient, 0.0)
    precision = jnp.where(rows.mask, 1 / variance, 0.0)
    # With B the posterior covariance of f at the distinct rows, the inverse covariance of
    # all rows i and j is δ_ij/σ²_i - B/(σ²_i σ²_j): replicates need no matrix [n n].
    pooled = pool(rows, variance, distinct).variance
    inverse = cholesky_inverse(factor)
    function = jnp.diag(pooled) - pooled[:, None] * inverse * pooled[None, :]
    weight = 1 - 2 * precision * jnp.diagonal(function)[distinct.indices]
    summed = distinct.sum_replicates(precision[:, None] * gradient)
    information = gradient.T @ (weight[:, None] * gradient)
    information = 0.5 * (information + summed.T @ function**2 @ summed)
    return covariance_from_information(
        noise, information, include_parameters=include_parameters
    )


def covariance_from_information(
    noise: AbstractNoise, information: Float[Array, "q q"], *, include_parameters: bool
) -> Float[Array, "q q"]:
    """(F + P)⁻¹ for the information F; see `noise_parameter_covariance` for `include_parameters`."""
    is_weight = flatten_noise(noise)[1]
    precision = information + prior_precision(noise)
    if include_parameters:
        return jnp.linalg.inv(precision)
    both = is_weight[:, None] * is_weight[None, :]
    # Ones on the diagonal of the parameters keep the matrix invertible.
    return both * jnp.linalg.inv(both * precision + jnp.diag(1 - is_weight))


def prior_precision(noise: AbstractNoise) -> Float[Array, "q q"]:
    """Curvature P of the prior of parameters and weights, at the mode."""
    flat, is_weight, to_noise = flatten_noise(noise)
    curvature = -jax.hessian(lambda vector: to_noise(vector).log_prior())(flat)
    return curvature + jnp.diag(is_weight)


def noise_variance_nodes(
    noise: AbstractNoise,
    covariance: Float[Array, "q q"],
    x: Float[Array, "m d"],
    known: Float[Array, " m"],
) -> tuple[Float[Array, "k m"], Float[Array, "k m"]]:
    """Quadrature nodes of σ² at each row, and the logs of their weights."""
    flat, _, to_noise = flatten_noise(noise)
    mode, gradient = variance_and_log_gradient(to_noise, flat, x, known)
    std = safe_sqrt(jnp.sum((gradient @ covariance) * gradient, axis=1))
    node, log_weight = (
        jnp.asarray(a, mode.dtype)[:, None] for a in normal_nodes(NUM_NODES)
    )
    variance = mode[None] * jnp.exp(std[None] * node)
    return variance, jnp.broadcast_to(log_weight, variance.shape)


def flatten_noise(
    noise: AbstractNoise,
) -> tuple[
    Float[Array, " q"],
    Float[Array, " q"],
    Callable[[Float[Array, " q"]], AbstractNoise],
]:
    """Parameters and weights as a vector, 1 for each weight, and the inverse function."""
    parameters, weights, constants = split(noise)
    flat, unravel = ravel_pytree(eqx.combine(parameters, weights))
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    is_weight = ravel_pytree(eqx.combine(zeros, jax.tree.map(jnp.ones_like, weights)))[
        0
    ]
    if flat.size == 0:  # `ravel_pytree` of an empty tree is float32 in any precision
        flat, is_weight = (a.astype(jnp.result_type(float)) for a in (flat, is_weight))
    return flat, is_weight, lambda vector: eqx.combine(unravel(vector), constants)


def variance_and_log_gradient(to_noise, flat: Float[Array, " q"], x, known):
    """σ² at each row, and the gradient [m q] of log σ² in parameters and weights."""

    def variance(vector):
        return to_noise(vector).variance(x, known)

    value = variance(flat)
    gradient = jax.jacfwd(variance)(flat)
    # The variance is zero where `Known` has none: it has no gradient there.
    return value, gradient / jnp.where(value > 0, value, 1.0)[:, None]
