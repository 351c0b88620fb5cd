r"""Conjugate linear regression: the weights, N(0, I) a priori, are integrated out.

For $y = \Phi w + \varepsilon$ with $\varepsilon \sim N(0, N)$ and N diagonal, the targets
are $N(0, K)$ with $K = N + \Phi\Phi^\top$. With more rows than columns the algebra uses
$B = I + \Phi^\top N^{-1}\Phi$, otherwise K, so that the cost is the cube of the smaller
number.

Each row represents `count` rows of the data: zero for padding (its entries and its target
are zero), more than one for a row into which several were compressed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from battprob._numerics.linear_algebra import cholesky_inverse, cholesky_solve
from battprob._typing import Array, Float
from battprob.models import _gaussian


class Weights(NamedTuple):
    """Posterior of the weights: mean, and the Cholesky factor of B (of K if wide)."""

    mean: Float[Array, " r"]
    factor: Float[Array, "q q"]


def is_wide(columns: Float[Array, "n r"]) -> bool:
    """Whether there are more columns than rows."""
    return columns.shape[1] > columns.shape[0]


def log_evidence(
    columns: Float[Array, "n r"],
    y: Float[Array, " n"],
    variance: Float[Array, " n"],
    count: Float[Array, " n"],
) -> Float[Array, ""]:
    """log N(y; 0, K), normalised for the number of rows in `count`."""
    if is_wide(columns):
        covariance = columns @ columns.T + jnp.diag(variance)
        padding = (1 - count) * jnp.log(2 * jnp.pi * variance)
        return _gaussian.log_density(y, covariance) + 0.5 * jnp.sum(padding)
    return _tall_evidence(columns, y, variance, count)


def posterior(
    columns: Float[Array, "n r"], y: Float[Array, " n"], variance: Float[Array, " n"]
) -> Weights:
    """Gaussian posterior of the weights given the targets."""
    if is_wide(columns):
        covariance = columns @ columns.T + jnp.diag(variance)
        factor, alpha = _gaussian.solve(y, covariance)[1]
        return Weights(columns.T @ alpha, factor)
    return _tall(columns, y, variance)


def function(
    weights: Weights, columns: Float[Array, "n r"], new: Float[Array, "m r"]
) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
    """Posterior mean and variance of new @ w.

    Args:
        weights: posterior of w.
        columns: Φ of the training rows.
        new: rows whose function values are wanted.
    """
    if is_wide(columns):
        v = solve_triangular(weights.factor, columns @ new.T, lower=True)
        variance = jnp.sum(new**2, axis=1) - jnp.sum(v**2, axis=0)
        # Rounding can make the difference of two nearly equal sums negative.
        variance = jnp.maximum(variance, 0.0)
    else:
        v = solve_triangular(weights.factor, new.T, lower=True)
        variance = jnp.sum(v**2, axis=0)
    return new @ weights.mean, variance


def covariance(
    weights: Weights,
    columns: Float[Array, "n r"],
    new: Float[Array, "m r"],
    other: Float[Array, "o r"],
) -> Float[Array, "m o"]:
    """Posterior covariance of new @ w with other @ w; `columns` is Φ of the data."""
    wide = is_wide(columns)
    v, v_other = (
        solve_triangular(
            weights.factor, columns @ rows.T if wide else rows.T, lower=True
        )
        for rows in (new, other)
    )
    return new @ other.T - v.T @ v_other if wide else v.T @ v_other


def leave_one_out(
    weights: Weights,
    columns: Float[Array, "n r"],
    y: Float[Array, " n"],
    variance: Float[Array, " n"],
) -> Float[Array, " n"]:
    r"""log p(y_i | all other targets) of every row, from the posterior given all.

    With $\alpha = K^{-1}y$,
    $y_i \mid y_{-i} \sim N(y_i - \alpha_i / K^{-1}_{ii},\; 1 / K^{-1}_{ii})$
    (Rasmussen and Williams 2006, eq. 5.10 to 5.12).
    """
    if is_wide(columns):
        inverse = cholesky_inverse(weights.factor)
        alpha, diagonal = inverse @ y, jnp.diagonal(inverse)
    else:
        alpha = (y - columns @ weights.mean) / variance
        v = solve_triangular(
            weights.factor, (columns / variance[:, None]).T, lower=True
        )
        diagonal = 1 / variance - jnp.sum(v**2, axis=0)
    return -0.5 * (alpha**2 / diagonal + jnp.log(2 * jnp.pi / diagonal))


def draw(
    weights: Weights,
    columns: Float[Array, "n r"],
    variance: Float[Array, " n"],
    normals: tuple[Float[Array, " r"], Float[Array, " n"]],
) -> Float[Array, " r"]:
    """One posterior draw of the weights, from standard normal numbers."""
    first, second = normals
    if is_wide(columns):
        # Matheron's rule: w - E[w | simulated targets] has the posterior covariance for
        # a prior draw w and targets simulated from it; no r × r factor is needed.
        targets = columns @ first + jnp.sqrt(variance) * second
        conditional_mean = columns.T @ cholesky_solve(weights.factor, targets)
        return weights.mean + first - conditional_mean
    return weights.mean + solve_triangular(weights.factor, first, lower=True, trans=1)


def _tall(columns, y, variance):
    weighted = columns / variance[:, None]
    inner = jnp.eye(columns.shape[1], dtype=columns.dtype) + columns.T @ weighted
    # The eigenvalues of B are at least one. Rounding of entries that are large compared with 1
    # can make them negative; jitter of the size of the rounding errors prevents that.
    jitter = 4 * jnp.finfo(inner.dtype).eps * jnp.trace(inner)
    factor = jnp.linalg.cholesky(
        inner + jitter * jnp.eye(len(inner), dtype=inner.dtype)
    )
    return Weights(cholesky_solve(factor, y @ weighted), factor)


@jax.custom_vjp
def _tall_evidence(columns, y, variance, count):
    r"""log N(y; 0, K) = -½ (rᵀN⁻¹r + mᵀm + log|B| + Σ count log 2πσ²), r = y - Φm.

    All terms of the quadratic form are positive, so that no digits cancel. The derivative
    is in closed form, with α = K⁻¹y = N⁻¹r:

        ∂/∂Φ = α mᵀ - N⁻¹ΦB⁻¹,   ∂/∂y = -α,   ∂/∂N = ½ (ααᵀ - K⁻¹)

    It needs one inverse; differentiating through the factorisation takes several passes
    of cubic cost.
    """
    return _forward(columns, y, variance, count)[0]


def _forward(columns, y, variance, count):
    mean, factor = _tall(columns, y, variance)
    alpha = (y - columns @ mean) / variance
    quadratic = jnp.dot(alpha**2, variance) + jnp.dot(mean, mean)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    log_noise = jnp.dot(count, jnp.log(2 * jnp.pi * variance))
    value = -0.5 * (quadratic + log_det + log_noise)
    return value, (columns, variance, count, mean, factor, alpha)


def _backward(saved, cotangent):
    columns, variance, count, mean, factor, alpha = saved
    inverse = cholesky_solve(factor, jnp.eye(len(factor), dtype=factor.dtype))
    weighted = columns / variance[:, None]
    solved = weighted @ inverse
    # The diagonal of K⁻¹ = N⁻¹ - N⁻¹ΦB⁻¹ΦᵀN⁻¹.
    inverse_diagonal = count / variance - jnp.sum(solved * weighted, axis=1)
    return (
        cotangent * (jnp.outer(alpha, mean) - solved),
        -cotangent * alpha,
        0.5 * cotangent * (alpha**2 - inverse_diagonal),
        jnp.zeros_like(count),
    )


_tall_evidence.defvjp(_forward, _backward)
