"""Matérn correlations and distances, with derivatives that stay finite at equal rows.

Autodiff would divide by the distance, which is zero between a row and itself.
"""

import jax
import jax.numpy as jnp

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, Float


@jax.custom_jvp
def matern12(q: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """exp(-r) of q = r²."""
    return jnp.exp(-safe_sqrt(q))


@matern12.defjvp
def _matern12_jvp(primals, tangents):
    (q,), (t,) = primals, tangents
    # Between equal rows q and t are rounding errors, and t/√q may be of order one.
    apart = q > jnp.finfo(q.dtype).eps
    r = jnp.sqrt(jnp.where(apart, q, 1.0))
    return matern12(q), jnp.where(apart, -0.5 * jnp.exp(-r) / r, 0.0) * t


# Derivatives in q = r² are smooth at 0 where those of √q are not; written out, because a
# gradient in both arguments (the covariance of slopes) is made of them.
@jax.custom_jvp
def matern32(q: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """(1 + r) exp(-r) of q = r²."""
    r = safe_sqrt(q)
    return (1 + r) * jnp.exp(-r)


@matern32.defjvp
def _matern32_jvp(primals, tangents):
    (q,), (t,) = primals, tangents
    return matern32(q), -0.5 * jnp.exp(-safe_sqrt(q)) * t


@jax.custom_jvp
def matern52(q: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """(1 + r + r²/3) exp(-r) of q = r²."""
    r = safe_sqrt(q)
    return (1 + r + q / 3) * jnp.exp(-r)


@matern52.defjvp
def _matern52_jvp(primals, tangents):
    (q,), (t,) = primals, tangents
    return matern52(q), -matern32(q) / 6 * t


@jax.custom_jvp
def squared_distance(
    z1: Float[Array, "n d"], z2: Float[Array, "m d"]
) -> Float[Array, "n m"]:
    """Squared Euclidean distance of every pair of rows, exactly zero between equal ones.

    The value sums squared differences, which cannot cancel as |a|² + |b|² - 2ab does;
    the derivative is written as matrix products, so that it needs no [n m d] array.
    """
    return jnp.sum((z1[:, None, :] - z2[None, :, :]) ** 2, axis=-1)


@squared_distance.defjvp
def _squared_distance_jvp(primals, tangents):
    (z1, z2), (t1, t2) = primals, tangents
    along1, along2 = jnp.sum(z1 * t1, axis=1), jnp.sum(z2 * t2, axis=1)
    tangent = along1[:, None] + along2[None, :] - t1 @ z2.T - z1 @ t2.T
    return squared_distance(z1, z2), 2 * tangent
