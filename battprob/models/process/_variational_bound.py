r"""Lower bound of the evidence with inducing points, as a sum over rows.

Let $Z$ be the inducing points, $L L^\top = k(Z, Z)$ and $f(Z) = L v$ with $v \sim N(0, I)$.
The features of a row are $\phi = L^{-1} k(Z, x)$, and

    f(x) | v ~ N(φᵀv, k(x, x) - φᵀφ)

The variational posterior is q(v) q(u) with q(v) = N(m, S), and q(u) = N(m_u, S_u) for the
weights of the noise model. With ℓ_i the log noise variance of row i and J_i its gradient
in u, the evidence is at least

    Σ_i log N(y_i; φ_iᵀm, R_i) - ½ s_i / R_i - ¼ J_i S_u J_iᵀ - KL(q(v)) - KL(q(u)),
    log R_i = ℓ_i(m_u) - ½ J_i S_u J_iᵀ,    s_i = Var_q f(x_i)

(the bound of `_latent_noise` with all inputs as inducing points is a special case). The
sum over a batch of rows, multiplied by the number of batches, is an unbiased estimate, and
so is its gradient. A natural-gradient update with step size ρ moves the natural
parameters of q linearly towards those that the rows imply:

    S⁻¹ ← (1 - ρ) S⁻¹ + ρ (I + Σ φφᵀ/R),    S⁻¹m ← (1 - ρ) S⁻¹m + ρ Σ φ y/R,
    S_u⁻¹ ← (1 - ρ) S_u⁻¹ + ρ (I + Σ λ JJᵀ),   λ_i = ½ ((y_i - φ_iᵀm)² + s_i) / R_i

With ρ = 1 and all rows, it gives the optimal q(v) in one update.

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


class Hyperparameters(NamedTuple):
    """Everything fitted by gradients: kernel, parameters of the noise, inducing points."""

    kernel: AbstractKernel
    noise: AbstractNoise
    inducing_points: Float[Array, "m d"]


class NaturalParameters(NamedTuple):
    """Natural parameters of a Gaussian: its precision, and the precision times its mean."""

    precision: Float[Array, "p p"]
    precision_mean: Float[Array, " p"]

    @classmethod
    def standard(cls, size: int, dtype) -> "NaturalParameters":
        """Those of N(0, I)."""
        return cls(jnp.eye(size, dtype=dtype), jnp.zeros(size, dtype))

    def moments(self) -> "Moments":
        """Mean and covariance."""
        factor = cholesky(self.precision)
        log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
        mean = cholesky_solve(factor, self.precision_mean)
        return Moments(mean, cholesky_inverse(factor), log_det)

    def interpolate(
        self, target: "NaturalParameters", step_size: float | Float[Array, ""]
    ) -> "NaturalParameters":
        """A natural-gradient update towards `target`."""
        return jax.tree.map(
            lambda old, new: old + step_size * (new - old), self, target
        )


class Moments(NamedTuple):
    """Mean and covariance of a Gaussian, and the log-determinant of its precision."""

    mean: Float[Array, " p"]
    covariance: Float[Array, "p p"]
    log_det_precision: Float[Array, ""]

    def covariance_change(self) -> Float[Array, "p p"]:
        """The covariance minus that of N(0, I)."""
        return self.covariance - jnp.eye(len(self.mean), dtype=self.mean.dtype)

    def divergence(self) -> Float[Array, ""]:
        """KL(self ‖ N(0, I))."""
        square = jnp.trace(self.covariance) + self.mean @ self.mean
        return 0.5 * (square - len(self.mean) + self.log_det_precision)


class VariationalPosterior(NamedTuple):
    """q(v) of the function, and q(u) of the weights of the noise (of size 0 if none)."""

    function: NaturalParameters
    weights: NaturalParameters

    def moments(self) -> tuple[Moments, Moments]:
        """Means and covariances of q(v) and q(u)."""
        return self.function.moments(), self.weights.moments()

    def update(
        self, likelihood: "VariationalPosterior", step_size: float | Float[Array, ""]
    ) -> "VariationalPosterior":
        """Natural-gradient update towards the prior N(0, I) times `likelihood`."""

        def updated(old, rows):
            prior = jnp.eye(len(rows.precision_mean), dtype=rows.precision_mean.dtype)
            target = NaturalParameters(prior + rows.precision, rows.precision_mean)
            return old.interpolate(target, step_size)

        return VariationalPosterior(*map(updated, self, likelihood))


class RowTerms(NamedTuple):
    """Quantities of each row of a batch that an update of q needs.

    Args:
        features: φ.
        precision: 1/R; zero for padding.
        function_variance: s, the variance of f.
        expected_residual: λ = ½ E[(y - f)²] / R.
        gradient: J, the gradient of the log noise variance in the weights.
    """

    features: Float[Array, "m n"]
    precision: Float[Array, " n"]
    function_variance: Float[Array, " n"]
    expected_residual: Float[Array, " n"]
    gradient: Float[Array, "n w"]


def inverse_root(hyper: Hyperparameters) -> Float[Array, "m m"]:
    """L⁻¹.

    A product of the inverse with all rows of a batch, and the gradient of that product,
    cost less than triangular solves and their gradient.
    """
    points = hyper.inducing_points
    return triangular_inverse(cholesky(hyper.kernel.gram(points, points)))


def whitened_features(
    root: Float[Array, "m m"], hyper: Hyperparameters, x: Float[Array, "n d"]
) -> Float[Array, "m n"]:
    """Features φ of each row; `root` is L⁻¹."""
    return root @ hyper.kernel.gram(hyper.inducing_points, x)


def function_moments(
    kernel: AbstractKernel,
    features: Float[Array, "m n"],
    x: Float[Array, "n d"],
    function: Moments,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Mean and variance of f at each row under q(v)."""
    # k(x, x) - φᵀφ + φᵀSφ, in this order: S - I is small for little data, and the two
    # large terms φᵀφ and φᵀSφ would lose digits when subtracted.
    change = jnp.sum(features * (function.covariance_change() @ features), axis=0)
    return function.mean @ features, jnp.maximum(kernel.diagonal(x) + change, 0.0)


def batch_bound(
    hyper: Hyperparameters,
    fixed: AbstractNoise,
    moments: tuple[Moments, Moments],
    rows: Rows,
) -> tuple[Float[Array, ""], RowTerms]:
    """The sum over the rows of a batch in the bound, at fixed q, and the terms of the rows.

    Args:
        hyper: hyper-parameters, in which the bound is differentiated.
        fixed: weights of the noise model (only their shapes matter) and its constants.
        moments: of q(v) and of q(u).
        rows: a batch.
    """
    function, weights = moments
    features = whitened_features(inverse_root(hyper), hyper, rows.x)
    f, variance = function_moments(hyper.kernel, features, rows.x, function)

    def log_variance(vector):
        noise = with_weights(hyper.noise, fixed, vector)
        return jnp.log(jnp.where(rows.mask, noise.variance(rows.x, rows.known), 1.0))

    log_mean = log_variance(weights.mean)
    gradient = jax.jacfwd(log_variance)(weights.mean)
    log_var = jnp.sum((gradient @ weights.covariance) * gradient, axis=1)
    precision = jnp.where(rows.mask, jnp.exp(0.5 * log_var - log_mean), 0.0)
    residual = 0.5 * precision * ((rows.y - f) ** 2 + variance)
    constant = 0.5 * jnp.log(2 * jnp.pi)
    # -½ log R - ¼ J S_u Jᵀ is -½ ℓ(m_u): the terms in S_u cancel.
    each = jnp.where(rows.mask, residual + 0.5 * log_mean + constant, 0.0)
    terms = RowTerms(features, precision, variance, residual, gradient)
    return -jnp.sum(each), terms


def with_weights(
    parameters: AbstractNoise, fixed: AbstractNoise, weights: Float[Array, " w"]
) -> AbstractNoise:
    """A noise model from its parameters, its weights and the constants of `fixed`."""
    _, shapes, constants = split(fixed)
    return eqx.combine(parameters, ravel_pytree(shapes)[1](weights), constants)


def likelihood_parameters(
    terms: RowTerms,
    rows: Rows,
    weights_mean: Float[Array, " w"],
    scale: float,
    *,
    exact_curvature: Bool[Array, ""] | bool,
) -> VariationalPosterior:
    """Natural parameters that the rows, each counted `scale` times, add to the prior.

    Args:
        terms: of the rows at the current q.
        rows: a batch.
        weights_mean: mean of q(u), about which the noise is linearised.
        scale: number of batches for a batch that represents all rows.
        exact_curvature: False replaces λ in the precision of the weights by its
            expectation ½ where it is smaller. Far from the optimum, rows with small
            residuals would make the noise overshoot otherwise.
    """
    residual = terms.expected_residual
    weighted = terms.features * terms.precision[None]
    function = NaturalParameters(
        scale * weighted @ terms.features.T, scale * weighted @ rows.y
    )
    curvature = jnp.where(exact_curvature, residual, jnp.maximum(residual, 0.5))
    curvature = jnp.where(rows.mask, curvature, 0.0)
    # λ - ½ is the derivative of the bound in the log noise variance.
    derivative = jnp.where(rows.mask, residual - 0.5, 0.0)
    gradient = terms.gradient
    information = scale * gradient.T @ (curvature[:, None] * gradient)
    weights = NaturalParameters(
        information, scale * gradient.T @ derivative + information @ weights_mean
    )
    return VariationalPosterior(function, weights)
