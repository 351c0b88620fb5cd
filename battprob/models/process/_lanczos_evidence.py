r"""Log evidence of rows whose covariance is never stored, with a gradient.

Both are estimated with random probe vectors; see `_kernel_products`. The gradient is

    ∂ log p(y) = ½ (K⁻¹y)ᵀ ∂K (K⁻¹y) - ½ ∂ log|K|

It uses the linear solutions of the forward pass as constants and computes each block of K
once more. Differentiating through the iterations would store every one of them.
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
    kernel_product,
    log_det_ratio,
    nystrom_factor,
    pivots,
)


class TrainingData(NamedTuple):
    """Training rows and what their linear systems need.

    Args:
        rows: padded to whole blocks.
        probes: standard normal numbers [rank + n, num_probes], for V and for the noise.
        tolerance: relative residual of the linear systems.
        blocks: the features of the rows in blocks [blocks rows_per_block features].
    """

    rows: Rows
    probes: Float[Array, "p k"]
    tolerance: Float[Array, ""]
    blocks: Float[Array, "g b d"]


class Evidence(NamedTuple):
    """The estimate, its standard error, and the accuracy of the linear solutions."""

    value: Float[Array, ""]
    error: Float[Array, ""]
    residual: Float[Array, ""]
    num_products: Int[Array, ""]


def covariance_product(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: TrainingData
) -> Callable[[Float[Array, "n k"]], Float[Array, "n k"]]:
    """The map from a matrix to its product with K = k(X, X) + diag(variance).

    Padding has a variance but no covariance with other rows.
    """
    mask = data.rows.mask[:, None]

    def multiply(right):
        masked = jnp.where(mask, right, 0.0)
        product = kernel_product(kernel, data.blocks, data.rows.x, masked)
        return jnp.where(mask, product, 0.0) + variance[:, None] * right

    return multiply


def estimate_evidence(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: TrainingData
) -> tuple[Evidence, Preconditioner, tuple]:
    """The log evidence, the preconditioner, and what the gradient needs.

    The last are the pivot rows, the solutions K⁻¹(y, z), and P⁻¹z for the probes z.
    """
    rows, probes = data.rows, data.probes
    rank = len(probes) - len(rows.y)
    subset = rows.x[pivots(kernel, rows.x, rows.mask, rank)]
    v = nystrom_factor(kernel, subset, rows.x, rows.mask)
    preconditioner = Preconditioner.from_factor(v, variance)
    z = preconditioner.sample(probes[:rank], probes[rank:])
    target = jnp.where(rows.mask, rows.y, 0.0)
    # One solve for targets and probes: each block of K is computed once for all of them.
    solved = conjugate_gradients(
        covariance_product(kernel, variance, data),
        preconditioner,
        jnp.concatenate([target[:, None], z], axis=1),
        data.tolerance,
    )
    scaled_z = preconditioner.solve(z)
    weight = jnp.sum(z * scaled_z, axis=0)
    ratio = log_det_ratio(solved.diagonal[:, 1:], solved.off_diagonal[:, 1:], weight)
    fit = jnp.dot(target, solved.solution[:, 0])
    constant = math.log(2 * math.pi) * jnp.sum(rows.mask).astype(target.dtype)
    value = -0.5 * (fit + preconditioner.log_det() + jnp.mean(ratio) + constant)
    error = 0.5 * jnp.std(ratio) / math.sqrt(max(ratio.size - 1, 1))
    residual = jnp.max(solved.residual)
    evidence = Evidence(value, error, residual, solved.num_products)
    return evidence, preconditioner, (subset, solved.solution, scaled_z)


@jax.custom_vjp
def log_evidence(
    kernel: AbstractKernel, variance: Float[Array, " n"], data: TrainingData
) -> Float[Array, ""]:
    """The estimate, differentiable in kernel and variance."""
    return estimate_evidence(kernel, variance, data)[0].value


def _forward(kernel, variance, data):
    evidence, _, solutions = estimate_evidence(kernel, variance, data)
    return evidence.value, (kernel, variance, data, solutions)


def _backward(saved, cotangent):
    kernel, variance, data, (subset, solution, scaled_z) = saved
    rows, num = data.rows, scaled_z.shape[1]
    solution, scaled_z = (
        jnp.where(rows.mask[:, None], a, 0.0) for a in (solution, scaled_z)
    )
    # The terms in ∂K are one bilinear form, tr(leftᵀ ∂K right).
    right = jnp.concatenate([solution[:, :1], scaled_z], axis=1)
    left = jnp.concatenate(
        [0.5 * solution[:, :1], -0.5 / num * solution[:, 1:]], axis=1
    )
    left_blocks = left.reshape(*data.blocks.shape[:2], -1)

    # The backward pass computes each block again; the stored blocks would be all of K.
    @jax.checkpoint
    def block_form(kernel, inputs):
        block, left_block = inputs
        return jnp.sum(left_block * (kernel.gram(block, rows.x) @ right))

    def form(kernel, variance):
        """A function with the gradient of the evidence, at constant solutions."""
        exact = jnp.sum(
            jax.lax.map(
                lambda inputs: block_form(kernel, inputs), (data.blocks, left_blocks)
            )
        )
        exact += jnp.dot(variance, jnp.sum(left * right, axis=1))
        v = nystrom_factor(kernel, subset, rows.x, rows.mask)
        quadratic = jnp.sum((v @ scaled_z) ** 2)
        quadratic += jnp.dot(variance, jnp.sum(scaled_z**2, axis=1))
        log_det = Preconditioner.from_factor(v, variance).log_det()
        return cotangent * (exact - 0.5 * (log_det - quadratic / num))

    return *jax.grad(form, argnums=(0, 1))(kernel, variance), None


log_evidence.defvjp(_forward, _backward)
