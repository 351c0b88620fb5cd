"""Matrices of the Matérn state-space model, accurate for steps of any length.

States are in units of the rate λ, so every matrix depends on the step u = λ Δt alone.
"""

from math import comb, factorial, gamma

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def stationary(d: int) -> list[list[float]]:
    """Stationary covariance of value and derivatives, from moments of the spectrum."""
    moment = [
        gamma(k + 0.5) * gamma(d - k - 0.5) / (gamma(0.5) * gamma(d - 0.5))
        for k in range(d)
    ]
    # Odd moments of the spectrum are zero.
    return [
        [
            0.0 if (i + j) % 2 else (-1) ** ((i - j) // 2) * moment[(i + j) // 2]
            for j in range(d)
        ]
        for i in range(d)
    ]


def _diffusion(d):
    """Intensity q of the white noise: 1 / ∫ h_1(t)² dt, h_1 = t^(d-1) exp(-t) / (d-1)!."""
    return 2 ** (2 * d - 1) * factorial(d - 1) ** 2 / factorial(2 * d - 2)


def transitions(
    u: Float[Array, " n"], d: int
) -> tuple[Float[Array, "n d d"], Float[Array, "n d d"]]:
    """Transition matrices A(u) and covariances Q(u) of the process noise, unit variance."""
    companion = np.diag(np.ones(d - 1), 1)
    companion[-1] = [-comb(d, k) for k in range(d)]
    nilpotent = companion + np.eye(d)
    powers = [
        jnp.asarray(np.linalg.matrix_power(nilpotent, k) / factorial(k), u.dtype)
        for k in range(d)
    ]
    series = sum(u[:, None, None] ** k * power[None] for k, power in enumerate(powers))
    transition = jnp.exp(-u)[:, None, None] * series
    stationary_covariance = jnp.asarray(stationary(d), u.dtype)
    # Q = P - A P Aᵀ loses all digits for short steps; there ten Gauss-Legendre nodes
    # integrate it to rounding.
    short = jnp.minimum(u, 1.0)
    time = 0.5 * short[:, None] * (1 + _NODES.astype(u.dtype))[None]
    impulse = jnp.exp(-time)[..., None] * sum(
        time[..., None] ** k * power[:, -1][None, None]
        for k, power in enumerate(powers)
    )
    weight = 0.5 * _diffusion(d) * short[:, None] * _WEIGHTS.astype(u.dtype)[None]
    exact = jax.lax.Precision.HIGHEST
    near = jnp.einsum("nt,nti,ntj->nij", weight, impulse, impulse, precision=exact)
    carried = jnp.einsum(
        "nik,kl,njl->nij", *(transition, stationary_covariance, transition)
    )
    far = stationary_covariance[None] - carried
    return transition, jnp.where((u < 1.0)[:, None, None], near, far)


def roots(process_noise: Float[Array, "n d d"]) -> Float[Array, "n d d"]:
    """Lower Cholesky factors of Q(u); zero for a step of length 0."""
    std = jnp.sqrt(jnp.diagonal(process_noise, axis1=-2, axis2=-1))
    positive = std[:, 0] > 0
    std = jnp.where(positive[:, None], std, 1.0)
    # Entries of Q scale with different powers of u, so that Q is nearly singular for
    # short steps; its correlation matrix is not.
    correlation = process_noise / (std[:, :, None] * std[:, None, :])
    eye = jnp.eye(process_noise.shape[-1], dtype=process_noise.dtype)
    correlation = jnp.where(positive[:, None, None], correlation, eye[None])
    root = std[:, :, None] * jnp.linalg.cholesky(correlation)
    return jnp.where(positive[:, None, None], root, 0.0)
