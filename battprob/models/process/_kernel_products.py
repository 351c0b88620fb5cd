r"""Linear systems and log-determinants of $K = k(X, X) + R$ from matrix products alone.

K is never stored, only blocks of its rows. The preconditioner is $P = V^\top V + R$, with V
a few rows of an incomplete Cholesky factor of k(X, X). The coefficients of the conjugate
gradient iterations for a right side z are those of Lanczos' tridiagonal matrix T for
$P^{-1/2} K P^{-1/2}$ with the starting vector $P^{-1/2} z$. For z ~ N(0, P),

    log|K| = log|P| + E[(zᵀP⁻¹z) e₁ᵀ (log T) e₁],
    ∂ log|K| = ∂ log|P| + E[(K⁻¹z)ᵀ ∂K (P⁻¹z) - (P⁻¹z)ᵀ ∂P (P⁻¹z)]

The variance of both estimates falls as P approaches K.

References:
    Gardner, Pleiss, Bindel, Weinberger and Wilson, GPyTorch: blackbox matrix-matrix
    Gaussian process inference with GPU acceleration, NeurIPS 31 (2018) 7576.
    Ubaru, Chen and Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075,
    doi:10.1137/16M1104974, for the log-determinant.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._numerics.linear_algebra import cholesky, cholesky_solve, default_jitter
from battprob._typing import Array, Bool, Float, Int
from battprob.kernels.base import AbstractKernel

MAX_PRODUCTS = 200
"""Limit of the conjugate gradient iterations; the report states the residual."""

_TIE = 1e-9


class LinearSolution(NamedTuple):
    """Solutions of K s = b for several b, and the diagonals of T for each."""

    solution: Float[Array, "n k"]
    residual: Float[Array, " k"]
    num_products: Int[Array, ""]
    diagonal: Float[Array, "t k"]
    off_diagonal: Float[Array, "t k"]


class Preconditioner(NamedTuple):
    """P = VᵀV + R, with the Cholesky factor of I + V R⁻¹ Vᵀ."""

    v: Float[Array, "r n"]
    noise: Float[Array, " n"]
    inner: Float[Array, "r r"]

    @classmethod
    def from_factor(
        cls, v: Float[Array, "r n"], noise: Float[Array, " n"]
    ) -> "Preconditioner":
        """From the incomplete factor V and the noise variance of each row."""
        scaled = v / noise[None]
        return cls(v, noise, cholesky(jnp.eye(len(v), dtype=v.dtype) + scaled @ v.T))

    def solve(self, b: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """P⁻¹ b, by Woodbury's identity: R⁻¹b - R⁻¹Vᵀ (I + VR⁻¹Vᵀ)⁻¹ VR⁻¹b."""
        scaled = b / self.noise[:, None]
        inner = cholesky_solve(self.inner, self.v @ scaled)
        return scaled - (self.v.T @ inner) / self.noise[:, None]

    def inverse_diagonal(self) -> Float[Array, " n"]:
        """Diagonal of P⁻¹."""
        half = jax.scipy.linalg.solve_triangular(self.inner, self.v, lower=True)
        return (1 - jnp.sum(half**2, axis=0) / self.noise) / self.noise

    def log_det(self) -> Float[Array, ""]:
        """log|P|."""
        inner = 2 * jnp.sum(jnp.log(jnp.diagonal(self.inner)))
        return inner + jnp.sum(jnp.log(self.noise))

    def sample(
        self, normal_v: Float[Array, "r k"], normal_noise: Float[Array, "n k"]
    ) -> Float[Array, "n k"]:
        """Draws of N(0, P) from standard normal numbers for V and for the noise."""
        return self.v.T @ normal_v + jnp.sqrt(self.noise)[:, None] * normal_noise


def pivots(
    kernel: AbstractKernel, x: Float[Array, "n d"], mask: Bool[Array, " n"], rank: int
) -> Int[Array, " r"]:
    """Indices of `rank` rows, each where f has most variance given f at those before.

    These are the pivots of an incomplete Cholesky factorisation (Burt, Rasmussen and van
    der Wilk, J. Mach. Learn. Res. 21 (2020) 131, section 4).
    """

    def choose(state, i):
        variance, factor = state
        pivot = jnp.argmax(variance)
        residual = kernel.gram(x[pivot][None], x)[0] - factor[:, pivot] @ factor
        # With more pivots than the numerical rank, the variance is zero up to rounding.
        smallest = default_jitter(x.dtype)
        row = residual / jnp.sqrt(jnp.maximum(variance[pivot], smallest))
        # The variance at a pivot is zero up to rounding; -inf excludes it for certain.
        chosen = jnp.isneginf(variance).at[pivot].set(True)
        variance = jnp.maximum(variance - row**2, 0.0)
        variance = jnp.where(chosen, -jnp.inf, variance)
        return (variance, factor.at[i].set(row)), pivot

    # A stationary kernel has the same variance at all rows. A factor near 1 makes the most
    # central row the first pivot, so that the pivots do not depend on the order of rows.
    central = 1 - _TIE * jnp.sum(x**2, axis=1)
    variance = jnp.where(mask, kernel.diagonal(x) * central, -jnp.inf)
    factor = jnp.zeros((rank, len(x)), x.dtype)
    return jax.lax.scan(choose, (variance, factor), jnp.arange(rank))[1]


def nystrom_factor(
    kernel: AbstractKernel,
    subset: Float[Array, "r d"],
    x: Float[Array, "n d"],
    mask: Bool[Array, " n"],
) -> Float[Array, "r n"]:
    """V with VᵀV = k(X, Z) k(Z, Z)⁻¹ k(Z, X) for the rows Z of `subset`.

    For the pivots Z, this is their incomplete Cholesky factor up to a rotation, in a form
    that has a gradient.
    """
    factor = cholesky(kernel.gram(subset, subset))
    cross = jnp.where(mask[None], kernel.gram(subset, x), 0.0)
    return jax.scipy.linalg.solve_triangular(factor, cross, lower=True)


def kernel_product(
    kernel: AbstractKernel,
    blocks: Float[Array, "g b d"],
    x: Float[Array, "n d"],
    right: Float[Array, "n k"],
) -> Float[Array, "m k"]:
    """k(blocks, x) @ right, one block of rows in memory at a time.

    If the rows of each block are divided among devices, so is the work.
    """
    products = jax.lax.map(lambda block: kernel.gram(block, x) @ right, blocks)
    return products.reshape(blocks.shape[0] * blocks.shape[1], right.shape[1])


def conjugate_gradients(
    multiply,
    preconditioner: Preconditioner,
    b: Float[Array, "n k"],
    tolerance: Float[Array, ""],
) -> LinearSolution:
    """Solve K s = b for all columns of b at once.

    `jax.scipy.sparse.linalg.cg` is not used, because it has one step size for all of its
    right side and returns the solution alone. Here each column has its own step sizes and
    stops by itself, all columns share each product with K and each solve with P, and the
    coefficients of the iterations are returned: they give Lanczos' T for the
    log-determinant. The residual and the number of products are returned for the report.

    Args:
        multiply: the map from a matrix [n k] to its product with K.
        preconditioner: P.
        b: right sides.
        tolerance: largest norm of a residual relative to its right side.
    """
    # Without the floor, a right side of zeros would divide by zero.
    size = jnp.maximum(jnp.linalg.norm(b, axis=0), jnp.finfo(b.dtype).tiny)
    trace = jnp.zeros((MAX_PRODUCTS, b.shape[1]), b.dtype)

    def unfinished(state):
        _, r, _, _, count, _, _ = state
        residual = jnp.linalg.norm(r, axis=0) / size
        return (count < MAX_PRODUCTS) & jnp.any(residual > tolerance)

    def step(state):
        s, r, p, rho, count, alphas, betas = state
        q = multiply(p)
        curvature = jnp.sum(p * q, axis=0)
        # A solved column does not change while others continue: rounding would make its
        # coefficients meaningless. So does a column whose curvature was lost to rounding.
        active = (jnp.linalg.norm(r, axis=0) / size > tolerance) & (curvature > 0)
        alpha = jnp.where(active, rho / jnp.where(active, curvature, 1.0), 0.0)
        s, r = s + alpha[None] * p, r - alpha[None] * q
        z = preconditioner.solve(r)
        rho_next = jnp.sum(r * z, axis=0)
        beta = jnp.where(active, rho_next / jnp.where(rho > 0, rho, 1.0), 0.0)
        p = jnp.where(active[None], z + beta[None] * p, p)
        rho = jnp.where(active, rho_next, rho)
        alphas, betas = alphas.at[count].set(alpha), betas.at[count].set(beta)
        return s, r, p, rho, count + 1, alphas, betas

    z = preconditioner.solve(b)
    rho = jnp.sum(b * z, axis=0)
    start = (jnp.zeros_like(b), b, z, rho, jnp.zeros((), int), trace, trace)
    s, r, _, _, count, alphas, betas = jax.lax.while_loop(unfinished, step, start)
    diagonal, off_diagonal = _tridiagonal(alphas, betas)
    residual = jnp.linalg.norm(r, axis=0) / size
    return LinearSolution(s, residual, count, diagonal, off_diagonal)


def _tridiagonal(alphas, betas):
    """Diagonals of Lanczos' T from the coefficients; the identity after the last step.

    The identity has the logarithm zero, so that T may have one size for all columns.
    """
    done = alphas > 0
    inverse = jnp.where(done, 1 / jnp.where(done, alphas, 1.0), 0.0)
    carried = jnp.pad(betas * inverse, ((1, 0), (0, 0)))[:-1]
    diagonal = jnp.where(done, inverse + carried, 1.0)
    next_done = jnp.pad(done, ((0, 1), (0, 0)))[1:]
    root = jnp.sqrt(jnp.maximum(betas, 0.0))
    return diagonal, jnp.where(next_done, root * inverse, 0.0)


def log_det_ratio(
    diagonal: Float[Array, "t k"],
    off_diagonal: Float[Array, "t k"],
    weight: Float[Array, " k"],
) -> Float[Array, " k"]:
    """Estimates of log(|K|/|P|): (zᵀP⁻¹z) e₁ᵀ (log T) e₁ for each column z.

    Args:
        diagonal: of T.
        off_diagonal: of T.
        weight: zᵀP⁻¹z.
    """

    def estimate(diagonal, off_diagonal):
        above = jnp.diag(off_diagonal[:-1], 1)
        t = jnp.diag(diagonal) + above + jnp.diag(off_diagonal[:-1], -1)
        value, vector = jnp.linalg.eigh(t)
        # T is positive definite but for rounding.
        smallest = jnp.finfo(value.dtype).tiny
        return vector[0] ** 2 @ jnp.log(jnp.maximum(value, smallest))

    return weight * jax.vmap(estimate, in_axes=1)(diagonal, off_diagonal)
