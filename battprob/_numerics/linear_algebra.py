"""Functions that stay finite, and have finite gradients, where the naive ones do not."""

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

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
        matrix + jitter * jnp.eye(matrix.shape[0], dtype=matrix.dtype),
        symmetrize_input=False,
    )


def cholesky_solve(
    factor: Float[Array, "n n"], right: Float[Array, "n *b"]
) -> Float[Array, "n *b"]:
    """Solve (factor factorᵀ) z = right."""
    return jax.scipy.linalg.cho_solve((factor, True), right)


def cholesky_inverse(factor: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Inverse of K = L Lᵀ from its Cholesky factor L."""
    return _inverses(factor, max(_LEAST_TO_HALVE, len(factor) // 8))[1]


def triangular_inverse(factor: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Inverse of a lower triangular matrix."""
    return _inverses(factor, max(_LEAST_TO_HALVE, len(factor) // 8))[0]


def _inverses(factor, most):
    r"""L⁻¹ and (L Lᵀ)⁻¹ by halves, down to blocks of `most` rows.

    With $L = \begin{pmatrix}A & 0\\ B & C\end{pmatrix}$ and $V = C^{-1} B A^{-1}$,

        L⁻¹ = [[A⁻¹, 0], [-V, C⁻¹]],    K⁻¹ = [[(AAᵀ)⁻¹ + VᵀV, -VᵀC⁻¹], [-C⁻ᵀV, (CCᵀ)⁻¹]]

    which skips the zeros of L, and is made of matrix products: half the time of solving
    for the identity matrix, or less. What a caller does not use, the compiler leaves out.
    """
    size = len(factor)
    if size <= most:
        identity = jnp.eye(size, dtype=factor.dtype)
        root = triangular_solve(factor, identity, left_side=True, lower=True)
        return root, root.T @ root
    half = size // 2
    a, a_squared = _inverses(factor[:half, :half], most)
    c, c_squared = _inverses(factor[half:, half:], most)
    v = c @ (factor[half:, :half] @ a)
    corner = -c.T @ v
    root = jnp.block([[a, jnp.zeros_like(v.T)], [-v, c]])
    return root, jnp.block([[a_squared + v.T @ v, corner.T], [corner, c_squared]])


_LEAST_TO_HALVE = 64
