"""Square roots and Cholesky factors whose values and gradients stay finite."""

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

from battprob._typing import Array, Float


@jax.custom_jvp
def safe_sqrt(x: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Square root with gradient 0, not infinity, at 0; of negative numbers it is 0.

    Negative numbers come from rounding of variances that are zero.
    """
    # Not `where(x > 0, ...)`: the compiler may compute `x` twice, once rounded to zero and
    # once not, and the two uses of one condition would then contradict each other.
    return jnp.sqrt(jnp.maximum(x, 0.0))


@safe_sqrt.defjvp
def _safe_sqrt_jvp(primals, tangents):
    root = safe_sqrt(primals[0])
    positive = root > 0
    # Both branches are finite: the gradient of `where` multiplies the unused one by zero,
    # and 0 times infinity is NaN.
    slope = jnp.where(positive, 0.5 / jnp.where(positive, root, 1.0), 0.0)
    return root, slope * tangents[0]


def default_jitter(dtype) -> float:
    """Relative diagonal jitter that a Cholesky factorisation in `dtype` needs.

    With a smooth kernel at a few hundred points the factorisation fails in float32 below
    1e-5; in float64 it succeeds at 1e-10.
    """
    return 1e-5 if jnp.finfo(dtype).bits <= 32 else 1e-10


def cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Lower Cholesky factor of a matrix with jitter on its diagonal.

    The jitter is `default_jitter` times the mean of the diagonal. A matrix that is still
    not positive definite gives NaN, which callers must check.
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
    return _inverses(factor, _block_size(factor))[1]


def triangular_inverse(factor: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Inverse of a lower triangular matrix."""
    return _inverses(factor, _block_size(factor))[0]


def _block_size(factor):
    # Below 64 rows, and after three halvings, more products only add overhead.
    return max(64, len(factor) // 8)


def _inverses(factor, block_size):
    r"""L⁻¹ and (L Lᵀ)⁻¹ by recursive halving, down to blocks of `block_size` rows.

    With $L = \begin{pmatrix}A & 0\\ B & C\end{pmatrix}$ and $V = C^{-1} B A^{-1}$,

        L⁻¹ = [[A⁻¹, 0], [-V, C⁻¹]],    K⁻¹ = [[(AAᵀ)⁻¹ + VᵀV, -VᵀC⁻¹], [-C⁻ᵀV, (CCᵀ)⁻¹]]

    This skips the zeros of L and consists of matrix products: at most half the time of
    solving for the identity matrix. The compiler removes the result that is not used.
    """
    size = len(factor)
    if size <= block_size:
        identity = jnp.eye(size, dtype=factor.dtype)
        root = triangular_solve(factor, identity, left_side=True, lower=True)
        return root, root.T @ root
    half = size // 2
    a, a_squared = _inverses(factor[:half, :half], block_size)
    c, c_squared = _inverses(factor[half:, half:], block_size)
    v = c @ (factor[half:, :half] @ a)
    corner = -c.T @ v
    root = jnp.block([[a, jnp.zeros_like(v.T)], [-v, c]])
    return root, jnp.block([[a_squared + v.T @ v, corner.T], [corner, c_squared]])
