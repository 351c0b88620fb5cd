r"""Solving with K = k(X, X) + R by products alone: K is never held, only blocks of its rows.

Conjugate gradients, preconditioned by $P = V^\top V + R$ with V a few rows of an incomplete
Cholesky factor of k(X, X). The coefficients of the iterations for a right side z are those
of Lanczos' tridiagonal T for $P^{-1/2} K P^{-1/2}$ begun at $P^{-1/2} z$; for z ~ N(0, P)

    log|K| = log|P| + E[(zᵀP⁻¹z) e₁ᵀ (log T) e₁],
    ∂ log|K| = ∂ log|P| + E[(K⁻¹z)ᵀ ∂K (P⁻¹z) - (P⁻¹z)ᵀ ∂P (P⁻¹z)]

where the better P is, the less either depends on the draws.

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


class Solved(NamedTuple):
    """Solutions of K s = b for several b, and what the iterations saw on the way."""

    solution: Float[Array, "n k"]
    residual: Float[Array, " k"]
    products: Int[Array, ""]
    diagonal: Float[Array, "t k"]
    beside: Float[Array, "t k"]


class Preconditioner(NamedTuple):
    """P = VᵀV + R, with what its inverse needs."""

    v: Float[Array, "r n"]
    noise: Float[Array, " n"]
    inner: Float[Array, "r r"]

    @classmethod
    def of(cls, v: Float[Array, "r n"], noise: Float[Array, " n"]) -> "Preconditioner":
        """From an incomplete factor and the noise of every row."""
        scaled = v / noise[None]
        return cls(v, noise, cholesky(jnp.eye(len(v), dtype=v.dtype) + scaled @ v.T))

    def solve(self, b: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """P⁻¹ b, by Woodbury's identity."""
        apart = b / self.noise[:, None]
        shared = cholesky_solve(self.inner, self.v @ apart)
        return apart - (self.v.T @ shared) / self.noise[:, None]

    def inverse_diagonal(self) -> Float[Array, " n"]:
        """Diagonal of P⁻¹."""
        half = jax.scipy.linalg.solve_triangular(self.inner, self.v, lower=True)
        return (1 - jnp.sum(half**2, axis=0) / self.noise) / self.noise

    def log_det(self) -> Float[Array, ""]:
        """log|P|."""
        inner = 2 * jnp.sum(jnp.log(jnp.diagonal(self.inner)))
        return inner + jnp.sum(jnp.log(self.noise))

    def color(
        self, shared: Float[Array, "r k"], apart: Float[Array, "n k"]
    ) -> Float[Array, "n k"]:
        """Draws of N(0, P) from standard normal ones."""
        return self.v.T @ shared + jnp.sqrt(self.noise)[:, None] * apart


def pivots(
    kernel: AbstractKernel, x: Float[Array, "n d"], mask: Bool[Array, " n"], rank: int
) -> Int[Array, " r"]:
    """Rows one by one, each where those before leave most variance of f.

    The pivots of an incomplete Cholesky factorisation (Burt, Rasmussen and van der Wilk, J.
    Mach. Learn. Res. 21 (2020) 131, section 4).
    """

    def choose(state, place):
        left, rows = state
        best = jnp.argmax(left)
        own = kernel.gram(x[best][None], x)[0] - rows[:, best] @ rows
        row = own / jnp.sqrt(jnp.maximum(left[best], default_jitter(x.dtype)))
        # A row once chosen leaves nothing; rounding must not choose it again.
        gone = jnp.isneginf(left).at[best].set(True)
        left = jnp.where(gone, -jnp.inf, jnp.maximum(left - row**2, 0.0))
        return (left, rows.at[place].set(row)), best

    # Stationary kernels know all rows alike: the most central begins, whatever the order.
    central = 1 - _TIE * jnp.sum(x**2, axis=1)
    left = jnp.where(mask, kernel.diagonal(x) * central, -jnp.inf)
    rows = jnp.zeros((rank, len(x)), x.dtype)
    return jax.lax.scan(choose, (left, rows), jnp.arange(rank))[1]


def nystrom(
    kernel: AbstractKernel,
    some: Float[Array, "r d"],
    x: Float[Array, "n d"],
    mask: Bool[Array, " n"],
) -> Float[Array, "r n"]:
    """V with VᵀV what `some` rows say of k(X, X)."""
    factor = cholesky(kernel.gram(some, some))
    cross = jnp.where(mask[None], kernel.gram(some, x), 0.0)
    return jax.scipy.linalg.solve_triangular(factor, cross, lower=True)


def product(
    kernel: AbstractKernel,
    blocks: Float[Array, "g b d"],
    x: Float[Array, "n d"],
    right: Float[Array, "n k"],
) -> Float[Array, "m k"]:
    """k(blocks, x) @ right, one block of rows at a time; devices share every block."""
    each = jax.lax.map(lambda block: kernel.gram(block, x) @ right, blocks)
    return each.reshape(blocks.shape[0] * blocks.shape[1], right.shape[1])


def conjugate_gradients(
    multiply,
    preconditioner: Preconditioner,
    b: Float[Array, "n k"],
    tolerance: Float[Array, ""],
) -> Solved:
    """Solve for all columns of b side by side, until each residual is small against b."""
    size = jnp.maximum(jnp.linalg.norm(b, axis=0), jnp.finfo(b.dtype).tiny)
    trace = jnp.zeros((MOST_PRODUCTS, b.shape[1]), b.dtype)

    def unfinished(state):
        _, r, _, _, count, _, _ = state
        left = jnp.linalg.norm(r, axis=0) / size
        return (count < MOST_PRODUCTS) & jnp.any(left > tolerance)

    def step(state):
        s, r, p, rho, count, alphas, betas = state
        q = multiply(p)
        curvature = jnp.sum(p * q, axis=0)
        # A column that is solved stands still while the others go on.
        going = (jnp.linalg.norm(r, axis=0) / size > tolerance) & (curvature > 0)
        alpha = jnp.where(going, rho / jnp.where(going, curvature, 1.0), 0.0)
        s, r = s + alpha[None] * p, r - alpha[None] * q
        z = preconditioner.solve(r)
        rho_next = jnp.sum(r * z, axis=0)
        beta = jnp.where(going, rho_next / jnp.where(rho > 0, rho, 1.0), 0.0)
        p = jnp.where(going[None], z + beta[None] * p, p)
        rho = jnp.where(going, rho_next, rho)
        alphas, betas = alphas.at[count].set(alpha), betas.at[count].set(beta)
        return s, r, p, rho, count + 1, alphas, betas

    z = preconditioner.solve(b)
    rho = jnp.sum(b * z, axis=0)
    start = (jnp.zeros_like(b), b, z, rho, jnp.zeros((), int), trace, trace)
    s, r, _, _, count, alphas, betas = jax.lax.while_loop(unfinished, step, start)
    diagonal, beside = _tridiagonal(alphas, betas)
    return Solved(s, jnp.linalg.norm(r, axis=0) / size, count, diagonal, beside)


def _tridiagonal(alphas, betas):
    """Lanczos' matrix from the coefficients; the identity where there was no step."""
    made = alphas > 0
    inverse = jnp.where(made, 1 / jnp.where(made, alphas, 1.0), 0.0)
    carried = jnp.pad(betas * inverse, ((1, 0), (0, 0)))[:-1]
    diagonal = jnp.where(made, inverse + carried, 1.0)
    follows = jnp.pad(made, ((0, 1), (0, 0)))[1:]
    beside = jnp.where(follows, jnp.sqrt(jnp.maximum(betas, 0.0)) * inverse, 0.0)
    return diagonal, beside


def log_det_excess(
    diagonal: Float[Array, "t k"],
    beside: Float[Array, "t k"],
    weight: Float[Array, " k"],
) -> Float[Array, " k"]:
    """(zᵀP⁻¹z) e₁ᵀ (log T) e₁ for every column z; `weight` is zᵀP⁻¹z."""

    def one(diagonal, beside):
        t = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
        value, vector = jnp.linalg.eigh(t)
        least = jnp.finfo(value.dtype).tiny
        return vector[0] ** 2 @ jnp.log(jnp.maximum(value, least))

    return weight * jax.vmap(one, in_axes=1)(diagonal, beside)


MOST_PRODUCTS = 200
"""Conjugate gradients end here whatever the residual; the report tells it."""

_TIE = 1e-9
