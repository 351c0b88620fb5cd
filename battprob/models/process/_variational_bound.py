r"""A process seen through its values at a few inducing inputs, and noise with weights.

With $Z$ the inducing inputs, $L L^\top = k(Z, Z)$ and $f(Z) = L v$, $v \sim N(0, I)$, a row
has the features $\phi = L^{-1} k(Z, x)$ and

    f(x) | v ~ N(φᵀv, k(x, x) - φᵀφ)

With q(v) = N(m, S) and the weights of the noise head u ~ N(m_u, S_u) apart from it, the
evidence is bounded by (rows i, ℓ_i the log noise variance, J_i its slope in u)

    Σ_i log N(y_i; φ_iᵀm, R_i) - ½ s_i / R_i - ¼ J_i S_u J_iᵀ - KL(q(v)) - KL(q(u)),
    log R_i = ℓ_i(m_u) - ½ J_i S_u J_iᵀ,    s_i = Var_q f(x_i)

(`_latent_noise` has the same bound with every input inducing). It is a sum over rows: of a
batch, times how many batches there are, it is the bound and its slope without bias. Its
natural gradient moves the natural parameters of q straight towards those that a batch
alone would give,

    S⁻¹ ← (1 - ρ) S⁻¹ + ρ (I + Σ φφᵀ/R),    S⁻¹m ← (1 - ρ) S⁻¹m + ρ Σ φ y/R,
    S_u⁻¹ ← (1 - ρ) S_u⁻¹ + ρ (I + Σ λ JJᵀ),   λ_i = ½ ((y_i - φ_iᵀm)² + s_i) / R_i

and ρ = 1 with all rows is the best q(v) there is.

References:
    Hensman, Fusi and Lawrence, Gaussian processes for big data, UAI 29 (2013) 282.
    Salimbeni, Eleftheriadis and Hensman, Natural gradients in practice, AISTATS 21 (2018).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._numerics.linear_algebra import (
    cholesky,
    cholesky_inverse,
    cholesky_solve,
    triangular_inverse,
)
from battprob._typing import Array, Bool, Float
from battprob.kernels.base import AbstractKernel
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import split


class Hyper(NamedTuple):
    """What is fitted by its slope: kernel, parameters of the noise head, inputs Z."""

    kernel: AbstractKernel
    noise: AbstractNoise
    inducing: Float[Array, "m d"]


class Gaussian(NamedTuple):
    """A normal vector by its natural parameters: precision, and precision times mean."""

    precision: Float[Array, "p p"]
    shift: Float[Array, " p"]

    @classmethod
    def standard(cls, size: int, dtype) -> "Gaussian":
        """N(0, I)."""
        return cls(jnp.eye(size, dtype=dtype), jnp.zeros(size, dtype))

    def moments(self) -> "Moments":
        """Mean and covariance."""
        factor = cholesky(self.precision)
        log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
        mean = cholesky_solve(factor, self.shift)
        return Moments(mean, cholesky_inverse(factor), log_det)

    def towards(self, other: "Gaussian", rate: float | Float[Array, ""]) -> "Gaussian":
        """A part of the way to `other`: a step along the natural gradient."""
        return jax.tree.map(lambda old, new: old + rate * (new - old), self, other)


class Moments(NamedTuple):
    """The same by its mean and covariance."""

    mean: Float[Array, " p"]
    covariance: Float[Array, "p p"]
    log_det_precision: Float[Array, ""]

    def change(self) -> Float[Array, "p p"]:
        """How far the covariance is from that of N(0, I)."""
        return self.covariance - jnp.eye(len(self.mean), dtype=self.mean.dtype)

    def divergence(self) -> Float[Array, ""]:
        """KL(self ‖ N(0, I))."""
        square = jnp.trace(self.covariance) + self.mean @ self.mean
        return 0.5 * (square - len(self.mean) + self.log_det_precision)


class Beliefs(NamedTuple):
    """q(v) of the process and q(u) of the noise head's weights (none: of size 0)."""

    function: Gaussian
    weights: Gaussian

    def moments(self) -> tuple[Moments, Moments]:
        """Means and covariances of both."""
        return self.function.moments(), self.weights.moments()

    def moved(self, of_rows: "Beliefs", rate: float | Float[Array, ""]) -> "Beliefs":
        """A step of size `rate` along the natural gradient, to N(0, I) times `of_rows`."""

        def one(old, rows):
            prior = jnp.eye(len(rows.shift), dtype=rows.shift.dtype)
            return old.towards(Gaussian(prior + rows.precision, rows.shift), rate)

        return Beliefs(*map(one, self, of_rows))


class Seen(NamedTuple):
    """What a batch of rows says: features, noise, and how it answers to the weights."""

    features: Float[Array, "m n"]
    precision: Float[Array, " n"]
    spread: Float[Array, " n"]
    need: Float[Array, " n"]
    slope: Float[Array, "n w"]


def whitening(hyper: Hyper) -> Float[Array, "m m"]:
    """L⁻¹: against all rows of a batch a product, and its slope, cost less than solving."""
    return triangular_inverse(
        cholesky(hyper.kernel.gram(hyper.inducing, hyper.inducing))
    )


def whitened_by(
    root: Float[Array, "m m"], hyper: Hyper, x: Float[Array, "n d"]
) -> Float[Array, "m n"]:
    """Features φ of every row, given L⁻¹."""
    return root @ hyper.kernel.gram(hyper.inducing, x)


def function_moments(
    kernel: AbstractKernel,
    features: Float[Array, "m n"],
    x: Float[Array, "n d"],
    function: Moments,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Mean and variance of f at every row under q(v)."""
    change = jnp.sum(features * (function.change() @ features), axis=0)
    return function.mean @ features, jnp.maximum(kernel.diagonal(x) + change, 0.0)


def bound_of_batch(
    hyper: Hyper, fixed: AbstractNoise, moments: tuple[Moments, Moments], rows: Rows
) -> tuple[Float[Array, ""], Seen]:
    """The rows' part of the bound, q held fixed.

    Args:
        hyper: what the bound is differentiated by.
        fixed: the head's weights (their places matter, not their values) and constants.
        moments: of q(v), and of q(u).
        rows: a batch.
    """
    function, weights = moments
    features = whitened_by(whitening(hyper), hyper, rows.x)
    f, spread = function_moments(hyper.kernel, features, rows.x, function)

    def log_variance(vector):
        head = with_weights(hyper.noise, fixed, vector)
        return jnp.log(jnp.where(rows.mask, head.variance(rows.x, rows.known), 1.0))

    level = log_variance(weights.mean)
    slope = jax.jacfwd(log_variance)(weights.mean)
    unsure = jnp.sum((slope @ weights.covariance) * slope, axis=1)
    precision = jnp.where(rows.mask, jnp.exp(0.5 * unsure - level), 0.0)
    need = 0.5 * precision * ((rows.y - f) ** 2 + spread)
    constant = 0.5 * jnp.log(2 * jnp.pi)
    each = jnp.where(rows.mask, need + 0.5 * level + constant, 0.0)
    return -jnp.sum(each), Seen(features, precision, spread, need, slope)


def with_weights(
    parameters: AbstractNoise, fixed: AbstractNoise, weights: Float[Array, " w"]
) -> AbstractNoise:
    """A head from its parameters, the constants of `fixed`, and weights of these values."""
    _, places, constants = split(fixed)
    return eqx.combine(parameters, ravel_pytree(places)[1](weights), constants)


def beliefs_of_rows(
    seen: Seen,
    rows: Rows,
    mean_u: Float[Array, " w"],
    scale: float,
    *,
    settled: Bool[Array, ""] | bool,
) -> Beliefs:
    """What `scale` times these rows add to the natural parameters of N(0, I).

    Until `settled`, rows that fit too well count as if they fitted: the noise would
    overshoot otherwise (see `_latent_noise`).
    """
    weighted = seen.features * seen.precision[None]
    function = Gaussian(scale * weighted @ seen.features.T, scale * weighted @ rows.y)
    curvature = jnp.where(settled, seen.need, jnp.maximum(seen.need, 0.5))
    curvature = jnp.where(rows.mask, curvature, 0.0)
    pull = jnp.where(rows.mask, seen.need - 0.5, 0.0)
    information = scale * seen.slope.T @ (curvature[:, None] * seen.slope)
    weights = Gaussian(information, scale * seen.slope.T @ pull + information @ mean_u)
    return Beliefs(function, weights)
