r"""A noise head's latent weights integrated out: the marginalised variational bound.

With u ~ N(0, I) the weights, $\ell_i(u) = \log\sigma_i^2$ and q(u) = N(m, S), the best q(f)
for given q(u) is the posterior of f under noise $R_i = \exp(\ell_i(m) - s_i/2)$, where
$s_i = J_i S J_i^\top$ is the variance of $\ell_i$ and J its slope at m. Then

    log p(y) ≥ log N(y; 0, K + R) - ¼ Σ_i s_i - KL(q(u) ‖ N(0, I))

(a bound where ℓ is linear in u, as for `LatentGP`; to second order in sums of heads). At
its maximum over q(u), with $\lambda_i = \tfrac12 E_q[(y_i - f_i)^2] / R_i$,

    S⁻¹ = I + Jᵀ Λ J,    m = Jᵀ (λ - ½)

solved by Newton's method. There the bound does not change with q(u) to first order, so
that hyper-parameters are fitted with the slope of the bound at a fixed q(u).

References:
    Lázaro-Gredilla and Titsias, Variational heteroscedastic Gaussian process regression,
    ICML 28 (2011) 841.
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._numerics.linear_algebra import (
    cholesky,
    cholesky_solve,
    triangular_inverse,
)
from battprob._typing import Array, Float, Int
from battprob.models._replicates import Sites, pool
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights, split


class Integrated(NamedTuple):
    """A head with its weights at their mean, and the noise as the process sees it."""

    noise: AbstractNoise
    variance: Float[Array, " n"]
    correction: Float[Array, ""]


class _Weights(NamedTuple):
    """q(u), log R under it, and how far the last step moved that."""

    mean: Float[Array, " w"]
    covariance: Float[Array, "w w"]
    log_noise: Float[Array, " n"]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def integrate(
    gram: Float[Array, "u u"],
    noise: AbstractNoise,
    rows: Rows,
    sites: Sites,
    *,
    tolerance: float,
) -> Integrated:
    """The noise of every row with weights integrated out, and what that costs.

    Newton's method stops where its last step moved no log R by more than `tolerance`;
    that step left a tenth or so of the error.
    """
    if not has_weights(noise):
        variance = noise.variance(rows.x, rows.known)
        return Integrated(noise, variance, jnp.zeros((), variance.dtype))
    weights, unravel = ravel_pytree(split(noise)[1])

    def log_variance(head, vector):
        head = eqx.combine(unravel(vector), head)
        return jnp.log(jnp.where(rows.mask, head.variance(rows.x, rows.known), 1.0))

    # Slopes at a fixed q(u): the bound is stationary in it.
    gram, fixed = jax.lax.stop_gradient((gram, noise))
    log_noise = partial(log_variance, fixed)
    found = _solve(gram, log_noise, weights, rows, sites, tolerance)
    mean, covariance = jax.lax.stop_gradient((found.mean, found.covariance))
    level, spread = _moments(partial(log_variance, noise), mean, covariance)
    divergence = jnp.trace(covariance) + mean @ mean - len(mean)
    divergence = 0.5 * (divergence - jnp.linalg.slogdet(covariance)[1])
    return Integrated(
        eqx.combine(unravel(mean), noise),
        jnp.exp(level - 0.5 * spread),
        -0.25 * jnp.sum(spread) - divergence,
    )


def _moments(log_variance, mean, covariance):
    """Mean and variance of every row's log σ² under N(mean, covariance)."""
    slope = jax.jacfwd(log_variance)(mean)
    return log_variance(mean), jnp.sum((slope @ covariance) * slope, axis=1)


def _solve(gram, log_variance, start, rows, sites, tolerance):
    """The best q(u) by Newton's method."""
    prior = jnp.eye(len(start), dtype=start.dtype)

    def unfinished(state):
        return (state.change > tolerance) & (state.steps < _MAX_STEPS)

    def step(state):
        need = _need(gram, jnp.exp(state.log_noise), rows, sites)
        pull = jnp.where(rows.mask, need - 0.5, 0.0)

        def bound(mean):
            level, spread = _moments(log_variance, mean, state.covariance)
            fit = jnp.dot(pull, level - 0.5 * spread) - 0.25 * jnp.sum(spread)
            return fit - 0.5 * jnp.dot(mean, mean)

        # Far off, the expected curvature keeps rows that fit too well from overshooting.
        curvature = jnp.where(state.change > _NEAR, jnp.maximum(need, 0.5), need)
        slope = jax.jacfwd(log_variance)(state.mean)
        factor = jnp.linalg.cholesky(prior + slope.T @ (curvature[:, None] * slope))
        covariance = cholesky_solve(factor, prior)
        move = covariance @ jax.grad(bound)(state.mean)
        longest = jnp.max(jnp.abs(slope @ move))
        mean = state.mean + jnp.minimum(1.0, _LONGEST_STEP / longest) * move
        level, spread = _moments(log_variance, mean, covariance)
        log_noise = level - 0.5 * spread
        change = jnp.max(jnp.abs(log_noise - state.log_noise))
        return _Weights(mean, covariance, log_noise, change, state.steps + 1)

    # Where every row needs a half, as all do on average at the best q(u).
    slope = jax.jacfwd(log_variance)(start)
    slope = jnp.where(rows.mask[:, None], slope, 0.0)
    covariance = cholesky_solve(cholesky(prior + 0.5 * slope.T @ slope), prior)
    level, spread = _moments(log_variance, start, covariance)
    near = jnp.asarray(_NEAR, start.dtype)
    first = _Weights(start, covariance, level - 0.5 * spread, near, jnp.zeros((), int))
    return jax.lax.while_loop(unfinished, step, first)


def _need(gram, variance, rows, sites):
    """½ E[(y - f)²] / R of every row: a half where the noise is as large as it should be."""
    pooled = pool(rows, variance, sites)
    factor = cholesky(gram + jnp.diag(pooled.variance))
    alpha = cholesky_solve(factor, pooled.y)
    root = triangular_inverse(factor)
    function = pooled.y - pooled.variance * alpha
    left = pooled.variance - pooled.variance**2 * jnp.sum(root**2, axis=0)
    square = (rows.y - function[sites.of_row]) ** 2 + left[sites.of_row]
    return jnp.where(rows.mask, 0.5 * square / variance, 0.0)


_MAX_STEPS = 50
_LONGEST_STEP, _NEAR = 2.0, 0.5  # in log σ²
