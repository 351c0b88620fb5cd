"""Functions that stay finite, and have finite gradients, where the naive ones do not."""

import jax
import jax.numpy as jnp

from battprob._typing import Array, Float


@jax.custom_jvp
def safe_sqrt(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Square root with gradient 0, not infinity, at 0 (negative rounding counts as 0).

    No `where` decides on the value: the compiler may compute `x` twice, once rounded to
    zero and once not, and two branches of one condition would then contradict each other.
    """
    return jnp.sqrt(jnp.maximum(x, 0.0))


@safe_sqrt.defjvp
def _safe_sqrt_jvp(primals, tangents):
    root = safe_sqrt(primals[0])
    positive = root > 0
    # Both branches are safe: an unused infinity would still be multiplied by zero.
    slope = jnp.where(positive, 0.5 / jnp.where(positive, root, 1.0), 0.0)
    return root, slope * tangents[0]


def default_jitter(dtype) -> float:
    """Relative diagonal jitter that a Cholesky factorisation in `dtype` needs.

    A smooth kernel at a few hundred points breaks in float32 below 1e-5 and holds in
    float64 at 1e-10.
    """
    return 1e-5 if jnp.finfo(dtype).bits <= 32 else 1e-10


def cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Lower Cholesky factor, jitter relative to the mean diagonal and to the dtype.

    A matrix that is not positive definite even so gives NaN, which callers must check.
    """
    scale = jnp.mean(jnp.diagonal(matrix))
    jitter = default_jitter(matrix.dtype) * scale
    return jnp.linalg.cholesky(
        matrix + jitter * jnp.eye(matrix.shape[0], dtype=matrix.dtype)
    )


def cholesky_solve(
    factor: Float[Array, "n n"], right: Float[Array, "n *b"]
) -> Float[Array, "n *b"]:
    """Solve (factor factorᵀ) z = right."""
    return jax.scipy.linalg.cho_solve((factor, True), right)
