"""One-dimensional Gaussian mixtures: density, distribution function, quantiles, scores.

The leading axis `j` of every array is that of the components; the others are a batch of
mixtures. All values are on the scale where the components are Gaussian; `Predictive`
transforms them to the scale of the targets.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, logsumexp, ndtri

from battprob._numerics.normal import normal_cdf_and_density
from battprob._typing import Array, Float

_ROOT_STEPS = 100


class Mixture(NamedTuple):
    """Means, positive variances and normalised log weights of the components."""

    location: Float[Array, "j *b"]
    variance: Float[Array, "j *b"]
    log_weight: Float[Array, "j *b"]


def log_density(z: Float[Array, "*b"], mixture: Mixture) -> Float[Array, "*b"]:
    """Log density at `z`."""
    square = (z[None] - mixture.location) ** 2 / mixture.variance
    log_normal = -0.5 * (square + jnp.log(2 * jnp.pi * mixture.variance))
    return logsumexp(mixture.log_weight + log_normal, axis=0)


def cdf_and_density(
    z: Float[Array, "*b"], mixture: Mixture
) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """P(Z <= z) and the density at `z`, which share their exponentials."""
    scale = jnp.sqrt(mixture.variance)
    cdf, density = normal_cdf_and_density((z[None] - mixture.location) / scale)
    weight = jnp.exp(mixture.log_weight)
    return (weight * cdf).sum(0), (weight * density / scale).sum(0)


def _log_distribution(z, mixture):
    standard = (z[None] - mixture.location) / jnp.sqrt(mixture.variance)
    return logsumexp(mixture.log_weight + log_ndtr(standard), axis=0)


def quantile(mixture: Mixture, p: Float[Array, ""]) -> Float[Array, "*b"]:
    """Quantile of each mixture; NaN where p is not a probability.

    Differentiable once, with respect to p and to the mixture.
    """
    # For p > 0.5 the mirrored mixture is solved in its lower tail: log F near 0 would
    # lose the digits of the upper tail.
    sign = jnp.where(p <= 0.5, 1.0, -1.0).astype(p.dtype)
    mirrored = mixture._replace(location=sign * mixture.location)
    tail = jnp.minimum(p, 1 - p)
    target = jnp.log(jnp.where(tail > 0, tail, 0.5))
    root = _solve_log_distribution(mirrored, target)
    ends = jnp.where(tail == 0, -jnp.inf, jnp.nan)
    return sign * jnp.where(tail > 0, root, ends)


class _Bracket(NamedTuple):
    """Interval that contains the root, an initial value, and lengths of final steps."""

    low: Float[Array, "*b"]
    high: Float[Array, "*b"]
    start: Float[Array, "*b"]
    tolerance: Float[Array, "*b"]
    short: Float[Array, "*b"]


def _bracket(mixture, target):
    """The root lies between the quantiles of the components.

    The initial value is the quantile of the Gaussian with the moments of the mixture.
    """
    scale = jnp.sqrt(mixture.variance)
    standard = ndtri(jnp.exp(target))
    quantiles = mixture.location + scale * standard
    # A component of weight zero must not widen the bracket.
    present = mixture.log_weight > -jnp.inf
    low = jnp.where(present, quantiles, jnp.inf).min(0)
    high = jnp.where(present, quantiles, -jnp.inf).max(0)
    size = jnp.where(present, jnp.abs(quantiles) + scale, 0.0).max(0)
    tolerance = 4 * jnp.finfo(scale.dtype).eps * size
    weight = jnp.exp(mixture.log_weight)
    mean = (weight * mixture.location).sum(0)
    variance = weight * (mixture.variance + (mixture.location - mean[None]) ** 2)
    gaussian = mean + jnp.sqrt(variance.sum(0)) * standard
    # Newton converges quadratically: after a step this short the error is below rounding,
    # and another step is not needed.
    short = 0.01 * jnp.finfo(scale.dtype).eps ** 0.5 * scale.min(0)
    start = jnp.clip(gaussian, low, high)
    return _Bracket(low, high, start, tolerance, jnp.maximum(short, tolerance))


@jax.custom_jvp
def _solve_log_distribution(mixture, target):
    """Solve log F(z) = target for z by Newton's method, with bisection as safeguard."""
    bracket = _bracket(mixture, target)

    def unfinished(state):
        step, _, _, _, moving = state
        return (step < _ROOT_STEPS) & jnp.any(moving)

    def narrow(state):
        step, low, high, z, _ = state
        cdf, density = cdf_and_density(z, mixture)
        excess = jnp.log(cdf) - target
        newton = z - excess * cdf / density
        low, high = jnp.where(excess < 0, z, low), jnp.where(excess < 0, high, z)
        inside = (newton >= low) & (newton <= high)
        root = jnp.where(inside, newton, 0.5 * (low + high))
        near = jnp.where(inside, bracket.short, bracket.tolerance)
        return step + 1, low, high, root, jnp.abs(root - z) > near

    low, high, start = bracket.low, bracket.high, bracket.start
    first = (0, low, high, start, jnp.ones_like(start, bool))
    return jax.lax.while_loop(unfinished, narrow, first)[3]


@_solve_log_distribution.defjvp
def _implicit_derivative(primals, tangents):
    """Derivative of the root of log F(z; mixture) = target by implicit differentiation."""
    mixture, target = primals
    root = _solve_log_distribution(mixture, target)
    _, change = jax.jvp(
        lambda fields: _log_distribution(root, fields), primals[:1], tangents[:1]
    )
    slope = jnp.exp(log_density(root, mixture) - target)
    # The density may underflow between components that are far apart.
    smallest = jnp.finfo(slope.dtype).tiny
    return root, (tangents[1] - change) / jnp.maximum(slope, smallest)


def energy_score(
    z: Float[Array, "*b"], mixture: Mixture, distance: Callable[..., Array]
) -> Float[Array, "*b"]:
    r"""$E\,d(Z, z) - \tfrac12 E\,d(Z, Z')$, given the mean distance of two components.

    Args:
        z: observed value.
        mixture: distribution of Z, and of its independent copy Z'.
        distance: mean distance of two Gaussians, a function of (location, variance,
            location, variance).
    """
    location, variance, weight = columns = (*mixture[:2], jnp.exp(mixture.log_weight))
    to_z = distance(location, variance, *jnp.broadcast_arrays(z[None], 0 * location))

    # Components on a circle: one step of the scan handles all pairs at distance `shift`.
    # So memory grows with the number of components, not with its square. Each pair
    # occurs once; only at half the circle it occurs twice.
    num = weight.shape[0]
    circle = [jnp.concatenate([column, column]) for column in columns]

    def add(total, shift):
        other = [jax.lax.dynamic_slice_in_dim(column, shift, num) for column in circle]
        count = jnp.where(2 * shift == num, 0.5, 1.0).astype(weight.dtype)
        pair = distance(location, variance, *other[:2])
        return total + count * weight * other[2] * pair, None

    diagonal = 0.5 * weight**2 * distance(location, variance, location, variance)
    pairs = jax.lax.scan(add, diagonal, jnp.arange(1, num // 2 + 1))[0]
    return (weight * to_z - pairs).sum(0)
