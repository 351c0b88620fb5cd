"""Matrices of the Matérn state-space model, exact for steps of any length."""

from math import comb, factorial, gamma

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def stationary(d: int) -> list[list[float]]:
    """Covariance of value and derivatives; odd moments of the spectrum vanish."""
    moment = [
        gamma(k + 0.5) * gamma(d - k - 0.5) / (gamma(0.5) * gamma(d - 0.5))
        for k in range(d)
    ]
    return [
        [
            0.0 if (i + j) % 2 else (-1) ** ((i - j) // 2) * moment[(i + j) // 2]
            for j in range(d)
        ]
        for i in range(d)
    ]


def _diffusion(d):
    """q = 1 / ∫ h_1(t)² dt over all t > 0, where h_1 = t^(d-1) exp(-t) / (d-1)!."""
    return 2 ** (2 * d - 1) * factorial(d - 1) ** 2 / factorial(2 * d - 2)


def transitions(
    u: Float[Array, " n"], d: int
) -> tuple[Float[Array, "n d d"], Float[Array, "n d d"]]:
    """A(u) and Q(u) for unit variance."""
    companion = np.diag(np.ones(d - 1), 1)
    companion[-1] = [-comb(d, k) for k in range(d)]
    nilpotent = companion + np.eye(d)
    powers = [
        jnp.asarray(np.linalg.matrix_power(nilpotent, k) / factorial(k), u.dtype)
        for k in range(d)
    ]
    series = sum(u[:, None, None] ** k * power[None] for k, power in enumerate(powers))
    transition = jnp.exp(-u)[:, None, None] * series
    whole = jnp.asarray(stationary(d), u.dtype)
    # P - A P Aᵀ cancels for short steps, where ten nodes integrate Q to rounding.
    short = jnp.minimum(u, 1.0)
    time = 0.5 * short[:, None] * (1 + _NODES.astype(u.dtype))[None]
    impulse = jnp.exp(-time)[..., None] * sum(
        time[..., None] ** k * power[:, -1][None, None]
        for k, power in enumerate(powers)
    )
    weight = 0.5 * _diffusion(d) * short[:, None] * _WEIGHTS.astype(u.dtype)[None]
    exact = jax.lax.Precision.HIGHEST
    near = jnp.einsum("nt,nti,ntj->nij", weight, impulse, impulse, precision=exact)
    across = jnp.einsum("nik,kl,njl->nij", *(transition, whole, transition))
    far = whole[None] - across
    return transition, jnp.where((u < 1.0)[:, None, None], near, far)


def roots(growth: Float[Array, "n d d"]) -> Float[Array, "n d d"]:
    """Lower Cholesky factors of Q(u); nothing grows over a step of length 0."""
    size = jnp.sqrt(jnp.diagonal(growth, axis1=-2, axis2=-1))
    grows = size[:, 0] > 0
    size = jnp.where(grows[:, None], size, 1.0)
    # Powers of the step scale rows and columns: what is left is far from singular.
    scaled = growth / (size[:, :, None] * size[:, None, :])
    eye = jnp.eye(growth.shape[-1], dtype=growth.dtype)
    scaled = jnp.where(grows[:, None, None], scaled, eye[None])
    root = size[:, :, None] * jnp.linalg.cholesky(scaled)
    return jnp.where(grows[:, None, None], root, 0.0)
