r"""Posterior around a fitted spectrum with the noise model integrated out.

For given logits η of the variance terms, the model linearised at the fit is a weighted
linear regression. Its variance scale s² integrates in closed form and has N - p degrees
of freedom (restricted likelihood); the prior makes p, the number of parameters, a
smaller effective number. Maximum likelihood would use N and underestimate s². η is on
quadrature nodes that fill its box. Each node is weighted by its log evidence

    -½ Σ log h - (N/2) log 2πs² - RSS/2s² - ½ |deviation|² - ½ log|H| + ½ log|P|
      + ½ log(4π/ν)

with H the precision of the parameters, P that of the prior, ν the degrees of freedom
and the last term the width of the posterior of log s². The result is a mixture over
(η, s²) of Gaussian distributions of the parameters.

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
from battprob.eis._lattice import lattice_points
from battprob.eis._levenberg import Objective
from battprob.eis.variance import AbstractVariance, relative_variance

_NODES = {0: 1, 1: 9, 2: 25, 3: 64}  # by number of logits
_SCALE_NODES = 5
_LEAST_PRIOR_WEIGHT = 1e3  # in units of rounding


class Marginal(NamedTuple):
    """Posterior given each node of η.

    Attributes:
        logits: η of the nodes.
        location: mean of the unconstrained parameters.
        covariance: covariance of the parameters for s² = 1.
        variance_scale: estimate of s².
        degrees_of_freedom: ν of the posterior s² × ν / χ²_ν.
        log_weight: log evidence.
    """

    logits: Float[Array, "r q"]
    location: Float[Array, "r p"]
    covariance: Float[Array, "r p p"]
    variance_scale: Float[Array, " r"]
    degrees_of_freedom: Float[Array, " r"]
    log_weight: Float[Array, " r"]


def marginal(
    objective: Objective,
    z: Float[Array, " p"],
    frequency_hz: Float[Array, " f"],
    noise: AbstractVariance,
    box: tuple[Float[Array, " q"], Float[Array, " q"]],
) -> tuple[Marginal, Complex[Array, " f"]]:
    """Evidence, location and covariance at every node of a box of logits.

    Args:
        objective: model, target and prior; its weights are not used.
        z: fitted parameters on the unconstrained scale.
        frequency_hz: frequencies of the spectrum in Hz.
        noise: model of the variance.
        box: lower and upper bounds of the logits.

    Returns:
        the posterior at the nodes, and the fitted spectrum in ohm.
    """
    predicted, gradient = objective.model(z)
    residual, f = objective.target - predicted, frequency_hz.size
    mean = jax.lax.complex(predicted[:f], predicted[f:])
    low, high = box
    points = jnp.asarray(lattice_points(_NODES[low.size], low.size), low.dtype)
    logits = low[None] + (high - low)[None] * points
    h = jax.vmap(lambda eta: relative_variance(noise, eta, mean, frequency_hz))(logits)
    h = h.reshape(len(h), -1)
    # One product of all outer products with all weights, instead of one for each node.
    outer = gradient[:, None, :] * gradient[None, :, :]
    gram = jnp.moveaxis(outer @ (1 / h).T, -1, 0)
    moment = (1 / h) @ (residual[None] * gradient).T
    square = (1 / h) @ residual**2
    log_h = jnp.sum(jnp.log(h), axis=1)
    prior_dof = noise.prior_degrees_of_freedom()

    def one(gram, moment, square, log_h):
        return regression(objective, z, gram, moment, square, log_h, prior_dof)

    return Marginal(logits, *jax.vmap(one)(gram, moment, square, log_h)), mean


def narrowed(
    marginals: Marginal, box: tuple[Float[Array, " q"], Float[Array, " q"]]
) -> tuple[Float[Array, " q"], tuple[Float[Array, " q"], Float[Array, " q"]]]:
    """Posterior mean of the logits, and the part of the box within three sd of it."""
    weight = jax.nn.softmax(marginals.log_weight)[:, None]
    centre = jnp.sum(weight * marginals.logits, axis=0)
    sd = jnp.sqrt(jnp.sum(weight * (marginals.logits - centre[None]) ** 2, axis=0))
    spacing = (box[1] - box[0]) / _NODES[centre.size] ** (1 / max(centre.size, 1))
    # If one node has all the weight, sd is zero: the posterior is narrower than the
    # spacing, and the next box still contains it.
    reach = 3 * jnp.maximum(sd, 0.3 * spacing)
    return centre, (
        jnp.maximum(box[0], centre - reach),
        jnp.minimum(box[1], centre + reach),
    )


def scale_mixture(
    marginals: Marginal,
) -> tuple[Float[Array, "r k"], Float[Array, "r k"]]:
    """Nodes of the variance scale s² and joint log weights with the nodes of η."""
    scale, log_node_weight = scale_nodes(
        marginals.variance_scale, marginals.degrees_of_freedom
    )
    log_weight = marginals.log_weight[:, None] + log_node_weight[None]
    return scale, log_weight - logsumexp(log_weight)


def scale_nodes(
    variance_scale: Float[Array, " r"], degrees_of_freedom: Float[Array, " r"]
) -> tuple[Float[Array, "r k"], Float[Array, " k"]]:
    """Quadrature nodes of s² = ν × variance_scale / χ²_ν, and their log weights.

    log s² is nearly Gaussian even for few degrees of freedom; its mean and standard
    deviation are exact.
    """
    half = 0.5 * degrees_of_freedom
    node, log_weight = (jnp.asarray(a, half.dtype) for a in normal_nodes(_SCALE_NODES))
    mean, sd = _log_chi_square(half)
    centre = jnp.log(variance_scale) + jnp.log(half) - mean
    log_scale = centre[:, None] + sd[:, None] * node[None]
    return jnp.exp(log_scale), log_weight


def regression(
    objective: Objective,
    z: Float[Array, " p"],
    gram: Float[Array, "p p"],
    moment: Float[Array, " p"],
    square: Float[Array, ""],
    log_h: Float[Array, ""],
    prior_dof: Float[Array, ""],
) -> tuple[
    Float[Array, " p"],
    Float[Array, "p p"],
    Float[Array, ""],
    Float[Array, ""],
    Float[Array, ""],
]:
    """Linear regression around z with unknown variance scale.

    Args:
        objective: target and prior.
        z: point of linearisation.
        gram: JᵀWJ with the Jacobian J and the weights W = 1/h.
        moment: JᵀW residual.
        square: weighted sum of squared residuals at z.
        log_h: Σ log h.
        prior_dof: degrees of freedom of the prior knowledge that s² = 1.

    Returns:
        location, covariance for s² = 1, variance scale, degrees of freedom, log
        evidence.
    """
    sd, count, size = objective.prior.sd, z.size, objective.target.size
    # The weight of the prior relative to the data needs s² before it is estimated; the
    # residuals at z, before the last move, give it.
    rough = (square + prior_dof) / (size + prior_dof - jnp.minimum(count, size / 2))
    # A fit without noise would leave the prior no weight, and a parameter that the data
    # do not determine would make the precision singular.
    least = _LEAST_PRIOR_WEIGHT * jnp.finfo(gram.dtype).eps
    rough = jnp.maximum(rough, least * jnp.max(jnp.diagonal(gram)))
    inverse, log_det = _inverse(gram + jnp.diag(rough / sd**2))
    move = inverse @ (moment + rough * (objective.prior.mean - z) / sd**2)
    moved = square - 2 * jnp.dot(moment, move) + jnp.dot(move, gram @ move)
    # Cancellation can make the sum of squares of a perfect fit negative.
    square = jnp.maximum(moved, 1e-6 * square)
    effective_count = count - rough * jnp.sum(jnp.diagonal(inverse) / sd**2)
    degrees_of_freedom = size + prior_dof - effective_count
    scale = (square + prior_dof) / degrees_of_freedom
    location = z + move
    deviation = (location - objective.prior.mean) / sd
    log_evidence = (
        -0.5 * log_h
        - 0.5 * (size + prior_dof) * jnp.log(scale)
        - 0.5 * size * jnp.log(2 * jnp.pi)
        - 0.5 * (square + prior_dof) / scale
        - 0.5 * jnp.sum(deviation**2)
        - 0.5 * (log_det - count * jnp.log(scale))
        - jnp.sum(jnp.log(sd))
        + 0.5 * (jnp.log(4 * jnp.pi) - jnp.log(degrees_of_freedom))
    )
    return location, inverse, scale, degrees_of_freedom, log_evidence


def _inverse(matrix):
    """Inverse and log determinant, with the diagonal scaled to one first."""
    scale = 1 / jnp.sqrt(jnp.diagonal(matrix))
    factor = jnp.linalg.cholesky(scale[:, None] * matrix * scale[None, :])
    eye = jnp.eye(len(scale), dtype=scale.dtype)
    inverse = jax.scipy.linalg.cho_solve((factor, True), eye)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)) - jnp.log(scale))
    return scale[:, None] * inverse * scale[None, :], log_det


def _log_chi_square(half):
    """Mean and standard deviation of log(χ²/2) for `half` the degrees of freedom.

    They are digamma and the root of trigamma, by their asymptotic series at half + 1
    and one step of the recurrence; the error is below 3e-4 from one degree of freedom
    on.
    """
    x = half + 1
    mean = jnp.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / half
    variance = 1 / x + 1 / (2 * x**2) + 1 / (6 * x**3) - 1 / (30 * x**5) + 1 / half**2
    return mean, jnp.sqrt(variance)
