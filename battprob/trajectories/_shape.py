r"""Shape of a capacity curve as a function of the fraction τ of a latent life.

    q(τ) = 1 - ℓ + Σ_k z_k φ_k(τ) + r(τ),    φ_k(1) = 0

with the lost fraction ℓ that defines the end of the latent life. All φ_k but the last are
eigenfunctions of an integrated Wiener process that is zero at τ = 1 (smooth; straight
lines beyond the last knot), in order of decreasing variance. The last φ_k is the
exponential transient of the first cycles. The rough part r is the sum of an
Ornstein-Uhlenbeck process (temporary deviations) and a Wiener process, whose variance
grows with age.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float

COMPONENTS = 8
_NUM_KNOTS = 64
_UNIT = 0.2  # lost fraction over one life, the unit of z
_CURVATURE = 20.0  # variance of the curvature relative to that of the slope
_TRANSIENT = 0.04  # decay constant of the first cycles, as a fraction of life


class Basis(NamedTuple):
    """Basis functions φ_k: kernel sections at the knots, and their weights."""

    knots: Float[Array, " g"]
    weights: Float[Array, "g k"]

    def __call__(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b k"]:
        """Values of all φ_k at fractions of life."""
        knots = self.knots.reshape((1,) * fraction.ndim + (-1,))
        smooth = _smooth_kernel(fraction[..., None], knots) @ self.weights
        transient = jnp.exp(-fraction / _TRANSIENT) - jnp.exp(-1 / _TRANSIENT)
        return jnp.concatenate([smooth, _UNIT * transient[..., None]], axis=-1)


class Shape(NamedTuple):
    """Mean curve, and the curves by which cells deviate from it.

    Attributes:
        basis: the functions φ.
        mean: coefficients of the mean curve.
        loadings: coefficients of each deviation curve; a cell's own coefficients are
            mean + loadings @ x.
    """

    basis: Basis
    mean: Float[Array, " k"]
    loadings: Float[Array, "k c"]

    def mean_curve(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Mean curve; zero at one life."""
        return self.basis(fraction) @ self.mean

    def deviations(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b c"]:
        """Deviation curves; zero at one life."""
        return self.basis(fraction) @ self.loadings


class Roughness(NamedTuple):
    """Hyper-parameters of the rough part, as logarithms.

    Attributes:
        log_ou_std: standard deviation of the Ornstein-Uhlenbeck process.
        log_ou_length: its correlation length, in units of a typical life.
        log_wiener_std: standard deviation of the Wiener process at one typical life.
    """

    log_ou_std: Float[Array, ""]
    log_ou_length: Float[Array, ""]
    log_wiener_std: Float[Array, ""]


def make_basis(longest: float) -> Basis:
    """Basis functions for records that reach the fraction `longest` of life."""
    knots = np.linspace(0.0, max(longest, 1.1), _NUM_KNOTS)
    gram = np.asarray(_smooth_kernel(knots[:, None], knots[None]))
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
    return Basis(jnp.asarray(knots), jnp.asarray(_UNIT * vectors / np.sqrt(values)))


def identity_shape(basis: Basis) -> Shape:
    """Zero mean, and one deviation for each basis function."""
    size = basis.weights.shape[1] + 1
    return Shape(basis, jnp.zeros(size), jnp.eye(size))


def rough_covariance(
    roughness: Roughness, age_a: Float[Array, " n"], age_b: Float[Array, " m"]
) -> Float[Array, "n m"]:
    """Covariance of r between ages, in units of a typical life."""
    distance = jnp.abs(age_a[:, None] - age_b[None, :])
    ou = jnp.exp(
        2 * roughness.log_ou_std - distance * jnp.exp(-roughness.log_ou_length)
    )
    time = wiener_time(jnp.minimum(age_a[:, None], age_b[None, :]))
    return ou + jnp.exp(2 * roughness.log_wiener_std) * time


def wiener_time(age: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Time of the Wiener process: quadratic in young cells, then linear."""
    age = jnp.maximum(age, 0.0)
    return 2 * age**2 / (1 + age)


def _smooth_kernel(tau_a, tau_b):
    """Covariance of an integrated Wiener process with random slope, zero at τ = 1.

    It runs in both directions from τ = 1; the curvatures of the two sides are independent.
    """
    a, b = tau_a - 1.0, tau_b - 1.0
    near, far = jnp.minimum(abs(a), abs(b)), jnp.maximum(abs(a), abs(b))
    curvature = jnp.where(a * b > 0, near**2 * (3 * far - near) / 6, 0.0)
    return a * b + _CURVATURE * curvature
