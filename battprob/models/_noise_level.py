"""Uncertainty of the noise level around fitted hyper-parameters.

The parameters θ of a noise head get Laplace's posterior N(θ̂, (F + P)⁻¹), with F the
expected information of the Gaussian marginal likelihood and P the prior's curvature:

    F_ij = ½ tr(K⁻¹ D_i K⁻¹ D_j) = ½ d_iᵀ (K⁻¹ ∘ K⁻¹) d_j,    D_i = diag(d_i) = ∂K/∂θ_i

(Rasmussen and Williams 2006, eq. 5.9 differentiated once more, in expectation): given
the inverse it costs n². The kernel's parameters are held at their mode. log σ²(x) is
then Gaussian to first order in θ (exactly, for `Constant` and `LogLinear`), and a few
Gauss-Hermite nodes of it stand on the draws axis of the answer.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from battprob._numerics import cholesky_solve, safe_sqrt

# Three nodes give E[σ²] to 1 % up to a factor e of uncertainty; more would reach for noise
# levels that nobody believes, whose exponentials then rule the mean of a lognormal target.
_NODES = 3


def head_covariance(noise, rows, factor):
    """Posterior covariance [q q] of the noise head's parameters."""
    flat, unravel = ravel_pytree(noise)

    def variance(vector):
        return jnp.where(rows.mask, unravel(vector).variance(rows.x, rows.known), 1.0)

    inverse = cholesky_solve(factor, jnp.eye(len(factor), dtype=factor.dtype))
    slope = jax.jacfwd(variance)(flat)
    information = 0.5 * slope.T @ (inverse**2) @ slope
    prior = -jax.hessian(lambda vector: unravel(vector).log_prior())(flat)
    return jnp.linalg.inv(information + prior)


def noise_levels(noise, covariance, x, known):
    """Nodes of σ² at every row [nodes m], and their log weights."""
    flat, unravel = ravel_pytree(noise)

    def variance(vector):
        return unravel(vector).variance(x, known)

    level = variance(flat)
    relative = jax.jacfwd(variance)(flat) / jnp.where(level > 0, level, 1.0)[:, None]
    spread = safe_sqrt(jnp.sum((relative @ covariance) * relative, axis=1))
    node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    node = jnp.asarray(node, level.dtype)[:, None]
    log_weight = jnp.asarray(np.log(weight / weight.sum()), level.dtype)[:, None]
    levels = level[None] * jnp.exp(spread[None] * node)
    return levels, jnp.broadcast_to(log_weight, levels.shape)
