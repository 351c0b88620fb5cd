r"""The posterior around a fitted spectrum, the noise level and shape integrated out.

Given the shape η of the variance, the model linearised at the fit is a weighted linear
regression whose level s² integrates in closed form; the degrees of freedom that the
parameters use up are counted (N - p, softened by the prior), which plain maximum
likelihood forgets. η itself stands on nodes that fill its box, and each node is weighed
by its log evidence

    -½ Σ log h - (N/2) log 2πs² - RSS/2s² - ½ |away|² - ½ log|H| + ½ log|P| + log scale

so that the answer is a mixture over (η, s²) of Gaussians in the parameters.

References:
    Harville, J. Am. Stat. Assoc. 72 (1977) 320, doi:10.1080/01621459.1977.10480998
    (restricted likelihood).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Complex, Float
from battprob.eis._lattice import filling
from battprob.eis._levenberg import Misfit
from battprob.eis.variance import AbstractVariance, relative_variance

_NODES = {0: 1, 1: 9, 2: 25, 3: 64}
_LEVEL_NODES = 5
_LEAST_SHARE = 1e3


class Marginal(NamedTuple):
    """Posterior given each shape node; covariances are per unit of the noise level."""

    shape: Float[Array, "r q"]
    location: Float[Array, "r p"]
    covariance: Float[Array, "r p p"]
    level: Float[Array, " r"]
    freedom: Float[Array, " r"]
    log_weight: Float[Array, " r"]


def marginal(
    misfit: Misfit,
    z: Float[Array, " p"],
    frequency_hz: Float[Array, " f"],
    law: AbstractVariance,
    box: tuple[Float[Array, " q"], Float[Array, " q"]],
) -> tuple[Marginal, Complex[Array, " f"]]:
    """Evidence, location and covariance at every node of a box of shapes.

    Args:
        misfit: model, target and prior; its weights are not used.
        z: the fit, on the unconstrained scale.
        frequency_hz: frequencies of the spectrum.
        law: the law of the variance.
        box: lowest and highest shape.

    Returns:
        the nodes, and the fitted spectrum.
    """
    stacked, slopes = misfit.model(z)
    residual, f = misfit.target - stacked, frequency_hz.size
    mean = jax.lax.complex(stacked[:f], stacked[f:])
    low, high = box
    cells = jnp.asarray(filling(_NODES[low.size], low.size), low.dtype)
    shape = low[None] + (high - low)[None] * cells
    h = jax.vmap(lambda eta: relative_variance(law, eta, mean, frequency_hz))(shape)
    h = h.reshape(len(h), -1)
    outer = slopes[:, None, :] * slopes[None, :, :]
    gram = jnp.moveaxis(outer @ (1 / h).T, -1, 0)
    slope = (1 / h) @ (residual[None] * slopes).T
    square = (1 / h) @ residual**2
    log_h = jnp.sum(jnp.log(h), axis=1)
    known = law.level_known()

    def one(gram, slope, square, log_h):
        return node(misfit, z, gram, slope, square, log_h, known, residual.size)

    location, covariance, level, freedom, weight = jax.vmap(one)(
        gram, slope, square, log_h
    )
    return Marginal(shape, location, covariance, level, freedom, weight), mean


def narrowed(
    found: Marginal, box: tuple[Float[Array, " q"], Float[Array, " q"]]
) -> tuple[Float[Array, " q"], tuple[Float[Array, " q"], Float[Array, " q"]]]:
    """Posterior mean of the shape, and the part of the box within three sd of it."""
    weight = jax.nn.softmax(found.log_weight)[:, None]
    centre = jnp.sum(weight * found.shape, axis=0)
    spread = jnp.sqrt(jnp.sum(weight * (found.shape - centre[None]) ** 2, axis=0))
    cell = (box[1] - box[0]) / _NODES[centre.size] ** (1 / max(centre.size, 1))
    reach = 3 * jnp.maximum(spread, 0.3 * cell)
    return centre, (
        jnp.maximum(box[0], centre - reach),
        jnp.minimum(box[1], centre + reach),
    )


def levels(
    found: Marginal,
) -> tuple[Float[Array, "r k"], Float[Array, "r k"]]:
    """Nodes of the noise level s² and joint log weights with the shape's."""
    level, log_share = level_nodes(found.level, found.freedom)
    log_weight = found.log_weight[:, None] + log_share[None]
    return level, log_weight - logsumexp(log_weight)


def level_nodes(
    level: Float[Array, " r"], freedom: Float[Array, " r"]
) -> tuple[Float[Array, "r k"], Float[Array, " k"]]:
    """Quadrature nodes of s² = freedom × level / χ², and their log weights."""
    half = 0.5 * freedom
    node, log_weight = (jnp.asarray(a, half.dtype) for a in normal_nodes(_LEVEL_NODES))
    mean, spread = _log_chi_square(half)
    middle = jnp.log(level) + jnp.log(half) - mean
    log_level = middle[:, None] + spread[:, None] * node[None]
    return jnp.exp(log_level), log_weight


def node(misfit, z, gram, slope, square, log_h, known, rows):
    """One shape: where the parameters move to, their covariance, and the evidence."""
    sd = misfit.prior.sd
    # The prior weighs against the data at the level of the fit before the last move.
    rough = (square + known) / (rows + known - jnp.minimum(z.size, rows / 2))
    # A fit without noise leaves the prior its least weight, or nothing would invert.
    least = _LEAST_SHARE * jnp.finfo(gram.dtype).eps * jnp.max(jnp.diagonal(gram))
    rough = jnp.maximum(rough, least)
    inverse, log_det = _inverse(gram + jnp.diag(rough / sd**2))
    move = inverse @ (slope + rough * (misfit.prior.mean - z) / sd**2)
    moved = square - 2 * jnp.dot(slope, move) + jnp.dot(move, gram @ move)
    square = jnp.maximum(moved, 1e-6 * square)
    learned = z.size - rough * jnp.sum(jnp.diagonal(inverse) / sd**2)
    freedom = rows + known - learned
    level = (square + known) / freedom
    location = z + move
    away = (location - misfit.prior.mean) / sd
    log_evidence = (
        -0.5 * log_h
        - 0.5 * (rows + known) * jnp.log(level)
        - 0.5 * rows * jnp.log(2 * jnp.pi)
        - 0.5 * (square + known) / level
        - 0.5 * jnp.sum(away**2)
        - 0.5 * (log_det - z.size * jnp.log(level))
        - jnp.sum(jnp.log(sd))
        + 0.5 * (jnp.log(4 * jnp.pi) - jnp.log(freedom))
    )
    return location, inverse, level, freedom, log_evidence


def _inverse(matrix):
    """Inverse and log determinant, the diagonal scaled to one first."""
    scale = 1 / jnp.sqrt(jnp.diagonal(matrix))
    factor = jnp.linalg.cholesky(scale[:, None] * matrix * scale[None, :])
    eye = jnp.eye(len(scale), dtype=scale.dtype)
    inverse = jax.scipy.linalg.cho_solve((factor, True), eye)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)) - jnp.log(scale))
    return scale[:, None] * inverse * scale[None, :], log_det


def _log_chi_square(half):
    """Mean and standard deviation of log(χ²/2), half its degrees of freedom given.

    Digamma and trigamma by their asymptotic series, one step of recurrence up.
    """
    x = half + 1
    mean = jnp.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / half
    variance = 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3) - 1 / (30 * x**5) + 1 / half**2
    return mean, jnp.sqrt(variance)
