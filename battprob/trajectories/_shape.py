r"""The shape of a fade: capacity against the fraction τ of a latent life.

    q(τ) = 1 - ℓ + Σ_k z_k φ_k(τ) + r(τ),    φ_k(1) = 0

The first φ_k are eigenfunctions of the integrated Wiener process pinned at τ = 1 (smooth;
straight beyond the last data), in order of falling variance; the last lets capacity settle
in the first cycles. r is rough: bumps that pass (Ornstein-Uhlenbeck) and a Wiener process,
whose variance grows with τ.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float

COMPONENTS = 8
_GRID = 64
_FALL = 0.2  # a slope of one life, and so the unit of z
_BEND = 20.0  # variance of the bend against that of the slope
_SETTLING = 0.04


class Curves(NamedTuple):
    """The functions φ_k."""

    places: Float[Array, " g"]
    weights: Float[Array, "g k"]

    def __call__(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b k"]:
        """φ at fractions of life."""
        places = self.places.reshape((1,) * fraction.ndim + (-1,))
        smooth = _kernel(fraction[..., None], places) @ self.weights
        settling = jnp.exp(-fraction / _SETTLING) - jnp.exp(-1 / _SETTLING)
        return jnp.concatenate([smooth, _FALL * settling[..., None]], axis=-1)


class Shape(NamedTuple):
    """A mean curve, and the ways in which cells depart from it."""

    curves: Curves
    mean: Float[Array, " k"]
    axes: Float[Array, "k c"]

    def middle(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """The mean curve, from zero at one life."""
        return self.curves(fraction) @ self.mean

    def departures(self, fraction: Float[Array, "*b"]) -> Float[Array, "*b c"]:
        """Departures from it, zero there too."""
        return self.curves(fraction) @ self.axes


class Roughness(NamedTuple):
    """Logarithms of sd and length of the bumps, and of the Wiener process's sd at τ = 1."""

    log_bump: Float[Array, ""]
    log_length: Float[Array, ""]
    log_wiener: Float[Array, ""]


def curves(longest: float) -> Curves:
    """Functions for data that reach to the fraction `longest`."""
    places = np.linspace(0.0, max(longest, 1.1), _GRID)
    gram = np.asarray(_kernel(places[:, None], places[None]))
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
    return Curves(jnp.asarray(places), jnp.asarray(_FALL * vectors / np.sqrt(values)))


def rough_covariance(
    roughness: Roughness, one: Float[Array, " n"], two: Float[Array, " m"]
) -> Float[Array, "n m"]:
    """Covariance of r at fractions of life."""
    apart = jnp.abs(one[:, None] - two[None, :])
    bump = jnp.exp(2 * roughness.log_bump - apart * jnp.exp(-roughness.log_length))
    soonest = clock(jnp.minimum(one[:, None], two[None, :]))
    return bump + jnp.exp(2 * roughness.log_wiener) * soonest


def clock(age: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Time of the Wiener process: slow at first, as fade is, and then even."""
    age = jnp.maximum(age, 0.0)
    return 2 * age**2 / (1 + age)


def _kernel(one, two):
    """Integrated Wiener process with a slope, both ways from a zero at 1."""
    a, b = one - 1.0, two - 1.0
    near, far = jnp.minimum(abs(a), abs(b)), jnp.maximum(abs(a), abs(b))
    bend = jnp.where(a * b > 0, near**2 * (3 * far - near) / 6, 0.0)
    return a * b + _BEND * bend


def principal(basis: Curves, z: Float[Array, "n k"], num: int) -> Shape:
    """Mean of some curves and their principal components, of unit variance over cells."""
    mean = jnp.mean(z, axis=0)
    apart = basis(jnp.linspace(0.0, 1.0, 101)) @ (z - mean[None]).T
    _, size, scores = jnp.linalg.svd(apart, full_matrices=False)
    scale = size[:num] / jnp.sqrt(len(z) - 1.0)
    # Axes as combinations of the cells' own departures
    axes = (z - mean[None]).T @ (scores[:num].T / size[None, :num])
    return Shape(basis, mean, axes * scale[None])


def plain(basis: Curves) -> Shape:
    """Departures along every function of the basis, from nothing."""
    size = basis.weights.shape[1] + 1
    return Shape(basis, jnp.zeros(size), jnp.eye(size))
