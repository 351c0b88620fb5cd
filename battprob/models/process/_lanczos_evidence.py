r"""The log evidence of rows whose covariance is never held, and its slope.

Both are estimated with random vectors: see `_products`. The slope takes all that was
solved as it stands,

    ∂ log p(y) = ½ (K⁻¹y)ᵀ ∂K (K⁻¹y) - ½ ∂ log|K|

and makes the blocks of K once more, one at a time.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Float, Int
from battprob.kernels.base import AbstractKernel
from battprob.models._scaling import Rows
from battprob.models.process._kernel_products import (
    Preconditioner,
    conjugate_gradients,
    log_det_excess,
    nystrom,
    pivots,
    product,
)


class Data(NamedTuple):
    """Rows, standard normal probes (of V's rows, then of the noise), blocks of features."""

    rows: Rows
    probes: Float[Array, "p k"]
    tolerance: Float[Array, ""]
    blocks: Float[Array, "g b d"]


class Evidence(NamedTuple):
    """The estimate, its standard error, and how well its systems were solved."""

    value: Float[Array, ""]
    error: Float[Array, ""]
    residual: Float[Array, ""]
    products: Int[Array, ""]


def multiply_by(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: Data
) -> Callable[[Float[Array, "n k"]], Float[Array, "n k"]]:
    """The map from a block of vectors to K times it; padding keeps to itself."""
    mask = data.rows.mask[:, None]

    def multiply(right):
        inside = product(kernel, data.blocks, data.rows.x, jnp.where(mask, right, 0.0))
        return jnp.where(mask, inside, 0.0) + variance[:, None] * right

    return multiply


def estimate(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: Data
) -> tuple[Evidence, Preconditioner, tuple]:
    """The log evidence, the preconditioner, and all that the slope needs besides."""
    rows, probes = data.rows, data.probes
    rank = len(probes) - len(rows.y)
    some = rows.x[pivots(kernel, rows.x, rows.mask, rank)]
    v = nystrom(kernel, some, rows.x, rows.mask)
    conditioner = Preconditioner.of(v, variance)
    z = conditioner.color(probes[:rank], probes[rank:])
    target = jnp.where(rows.mask, rows.y, 0.0)
    solved = conjugate_gradients(
        multiply_by(kernel, variance, data),
        conditioner,
        jnp.concatenate([target[:, None], z], axis=1),
        data.tolerance,
    )
    near = conditioner.solve(z)
    weight = jnp.sum(z * near, axis=0)
    excess = log_det_excess(solved.diagonal[:, 1:], solved.beside[:, 1:], weight)
    fit = jnp.dot(target, solved.solution[:, 0])
    constant = math.log(2 * math.pi) * jnp.sum(rows.mask).astype(target.dtype)
    value = -0.5 * (fit + conditioner.log_det() + jnp.mean(excess) + constant)
    error = 0.5 * jnp.std(excess) / math.sqrt(max(excess.size - 1, 1))
    evidence = Evidence(value, error, jnp.max(solved.residual), solved.products)
    return evidence, conditioner, (some, solved.solution, near)


@jax.custom_vjp
def log_evidence(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: Data
) -> Float[Array, ""]:
    """The estimate, with a slope."""
    return estimate(kernel, variance, data)[0].value


def _forward(kernel, variance, data):
    evidence, _, seen = estimate(kernel, variance, data)
    return evidence.value, (kernel, variance, data, seen)


def _backward(saved, cotangent):
    kernel, variance, data, (some, solution, near) = saved
    rows, num = data.rows, near.shape[1]
    solution, near = (jnp.where(rows.mask[:, None], a, 0.0) for a in (solution, near))
    right = jnp.concatenate([solution[:, :1], near], axis=1)
    left = jnp.concatenate(
        [0.5 * solution[:, :1], -0.5 / num * solution[:, 1:]], axis=1
    )
    shares = left.reshape(*data.blocks.shape[:2], -1)

    # Each block is made again for its slope: kept, they would be the whole of K.
    @jax.checkpoint
    def of_block(kernel, own):
        block, share = own
        return jnp.sum(share * (kernel.gram(block, rows.x) @ right))

    def form(kernel, variance):
        """What has the slope of the evidence, all that was solved held fixed."""
        exact = jnp.sum(
            jax.lax.map(lambda own: of_block(kernel, own), (data.blocks, shares))
        )
        exact += jnp.dot(variance, jnp.sum(left * right, axis=1))
        v = nystrom(kernel, some, rows.x, rows.mask)
        drawn = jnp.sum((v @ near) ** 2) + jnp.dot(variance, jnp.sum(near**2, axis=1))
        rough = Preconditioner.of(v, variance).log_det() - drawn / num
        return cotangent * (exact - 0.5 * rough)

    return *jax.grad(form, argnums=(0, 1))(kernel, variance), None


log_evidence.defvjp(_forward, _backward)
