r"""Integration over the latent weights of a noise model by a variational bound.

The weights are u ~ N(0, I), $\ell_i(u) = \log\sigma_i^2$ and q(u) = N(m, S). For given
q(u), the optimal q(f) is the posterior of f under noise of variance
$R_i = \exp(\ell_i(m) - s_i/2)$, where $s_i = J_i S J_i^\top$ is the variance of $\ell_i$
and J its gradient at m. The marginalised bound is

    log p(y) ≥ log N(y; 0, K + R) - ¼ Σ_i s_i - KL(q(u) ‖ N(0, I))

(exactly a bound if ℓ is linear in u, as for `LatentGP`; to second order for sums of noise
models). With $\lambda_i = \tfrac12 E_q[(y_i - f_i)^2] / R_i$, its maximum over q(u) is at

    S⁻¹ = I + Jᵀ Λ J,    m = Jᵀ (λ - ½)

which is solved by Newton's method. At the maximum the bound is stationary in q(u).
Therefore the gradient with respect to the hyper-parameters is that at a fixed q(u).

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
from battprob.models._replicates import DistinctRows, pool
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights, split

_MAX_STEPS = 50
_MAX_CHANGE = 2.0  # of log σ² in a step: from far away, full steps overshoot
_NEAR = 0.5  # last change of log σ² below which the curvature is the exact one


class IntegratedNoise(NamedTuple):
    """The noise model with weights at their mean, R, and the last two terms of the bound."""

    noise: AbstractNoise
    variance: Float[Array, " n"]
    correction: Float[Array, ""]


class _WeightPosterior(NamedTuple):
    """q(u), log R under it, and the largest change of log R in the last step."""

    mean: Float[Array, " w"]
    covariance: Float[Array, "w w"]
    log_noise: Float[Array, " n"]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def integrate_weights(
    gram: Float[Array, "u u"],
    noise: AbstractNoise,
    rows: Rows,
    distinct: DistinctRows,
    *,
    tolerance: float,
) -> IntegratedNoise:
    """The noise variance R of each row, and the terms of the bound that R does not have.

    Newton's method stops after a step that changes every log R by less than `tolerance`.
    The remaining error is about a tenth of that.
    """
    if not has_weights(noise):
        variance = noise.variance(rows.x, rows.known)
        return IntegratedNoise(noise, variance, jnp.zeros((), variance.dtype))
    weights, unravel = ravel_pytree(split(noise)[1])

    def log_variance(noise, vector):
        noise = eqx.combine(unravel(vector), noise)
        return jnp.log(jnp.where(rows.mask, noise.variance(rows.x, rows.known), 1.0))

    # No gradient through Newton's method: the bound is stationary in q(u).
    gram, fixed = jax.lax.stop_gradient((gram, noise))
    log_noise = partial(log_variance, fixed)
    optimum = _maximise(gram, log_noise, weights, rows, distinct, tolerance)
    mean, covariance = jax.lax.stop_gradient((optimum.mean, optimum.covariance))
    log_mean, log_var = _moments(partial(log_variance, noise), mean, covariance)
    divergence = jnp.trace(covariance) + mean @ mean - len(mean)
    divergence = 0.5 * (divergence - jnp.linalg.slogdet(covariance)[1])
    return IntegratedNoise(
        eqx.combine(unravel(mean), noise),
        jnp.exp(log_mean - 0.5 * log_var),
        -0.25 * jnp.sum(log_var) - divergence,
    )


def _moments(log_variance, mean, covariance):
    """Mean and variance of log σ² at each row under q(u) = N(mean, covariance)."""
    gradient = jax.jacfwd(log_variance)(mean)
    return log_variance(mean), jnp.sum((gradient @ covariance) * gradient, axis=1)


def _maximise(gram, log_variance, start, rows, distinct, tolerance):
    """The optimal q(u), by Newton's method."""
    prior = jnp.eye(len(start), dtype=start.dtype)

    def unfinished(state):
        return (state.change > tolerance) & (state.steps < _MAX_STEPS)

    def step(state):
        residual = _expected_residual(gram, jnp.exp(state.log_noise), rows, distinct)
        weight = jnp.where(rows.mask, residual - 0.5, 0.0)

        def bound(mean):
            log_mean, log_var = _moments(log_variance, mean, state.covariance)
            fit = jnp.dot(weight, log_mean - 0.5 * log_var) - 0.25 * jnp.sum(log_var)
            return fit - 0.5 * jnp.dot(mean, mean)

        # Rows with residuals near zero have almost no curvature, and steps that use it
        # overshoot. Far from the maximum they get at least the expected curvature ½.
        curvature = jnp.where(
            state.change > _NEAR, jnp.maximum(residual, 0.5), residual
        )
        gradient = jax.jacfwd(log_variance)(state.mean)
        factor = jnp.linalg.cholesky(
            prior + gradient.T @ (curvature[:, None] * gradient)
        )
        covariance = cholesky_solve(factor, prior)
        direction = covariance @ jax.grad(bound)(state.mean)
        largest = jnp.max(jnp.abs(gradient @ direction))
        mean = state.mean + jnp.minimum(1.0, _MAX_CHANGE / largest) * direction
        log_mean, log_var = _moments(log_variance, mean, covariance)
        log_noise = log_mean - 0.5 * log_var
        change = jnp.max(jnp.abs(log_noise - state.log_noise))
        return _WeightPosterior(mean, covariance, log_noise, change, state.steps + 1)

    # The covariance starts at λ = ½ for each row, the mean of λ at the optimum.
    gradient = jax.jacfwd(log_variance)(start)
    gradient = jnp.where(rows.mask[:, None], gradient, 0.0)
    covariance = cholesky_solve(cholesky(prior + 0.5 * gradient.T @ gradient), prior)
    log_mean, log_var = _moments(log_variance, start, covariance)
    # The first step uses the exact curvature: a warm start is near the optimum.
    near = jnp.asarray(_NEAR, start.dtype)
    first = _WeightPosterior(
        start, covariance, log_mean - 0.5 * log_var, near, jnp.zeros((), int)
    )
    return jax.lax.while_loop(unfinished, step, first)


def _expected_residual(gram, variance, rows, distinct):
    """λ = ½ E[(y - f)²] / R for each row; its mean is ½ where R matches the residuals."""
    pooled = pool(rows, variance, distinct)
    factor = cholesky(gram + jnp.diag(pooled.variance))
    alpha = cholesky_solve(factor, pooled.y)
    root = triangular_inverse(factor)
    # Mean and variance of f at training rows, in terms of R: y - Rα and R - R K⁻¹ R. This
    # needs no product with the prior covariance.
    mean = pooled.y - pooled.variance * alpha
    function = pooled.variance - pooled.variance**2 * jnp.sum(root**2, axis=0)
    square = (rows.y - mean[distinct.indices]) ** 2 + function[distinct.indices]
    return jnp.where(rows.mask, 0.5 * square / variance, 0.0)
