"""Matérn correlations and squared distances whose derivatives are finite at equal rows.

They are functions of the squared distance q = r². Automatic differentiation of √q divides
by the distance, which is zero between a row and itself, and returns NaN.

Forward-over-reverse second derivatives inside `lax.map` or `scan` do not use these rules
(seen with JAX 0.10) and are NaN at equal rows: unroll such a Hessian over the batch.
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
    distinct = q > jnp.finfo(q.dtype).eps
    r = jnp.sqrt(jnp.where(distinct, q, 1.0))
    return matern12(q), jnp.where(distinct, -0.5 * jnp.exp(-r) / r, 0.0) * t


# Both derivatives in q are smooth at 0, although that of √q is not. They are written out
# because the covariance of slopes is a gradient in both arguments, taken at equal rows.
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
    """Squared Euclidean distance of every pair of rows, exactly zero for equal rows.

    The value is a sum of squared differences, which cannot cancel as |a|² + |b|² - 2ab
    does. The derivative is written as matrix products and needs no [n m d] array.
    """
    return jnp.sum((z1[:, None, :] - z2[None, :, :]) ** 2, axis=-1)


@squared_distance.defjvp
def _squared_distance_jvp(primals, tangents):
    (z1, z2), (t1, t2) = primals, tangents
    along1, along2 = jnp.sum(z1 * t1, axis=1), jnp.sum(z2 * t2, axis=1)
    tangent = along1[:, None] + along2[None, :] - t1 @ z2.T - z1 @ t2.T
    return squared_distance(z1, z2), 2 * tangent
