"""Posterior of a circuit's unconstrained parameters as a mixture of Gaussians."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from battprob._typing import Array, Float, Int, PRNGKey

_BISECTIONS = 50


class GaussianMixture(eqx.Module):
    """Gaussian mixture over r nodes of the logits η and k of the variance scale s².

    Component (r, k) is N(location_r, s²_rk × covariance_r) and has the noise variance
    s²_rk × h(η_r). Draws of a sampler are components with zero covariance.

    Attributes:
        location: means of the unconstrained parameters z.
        covariance: covariances of z for s² = 1.
        logits: η, logits of the weights of the variance terms.
        variance_scale: s².
        log_weight: log weights of the components.
        prior_mean: prior mean of z.
        prior_sd: prior standard deviation of z.
        log_evidence: log marginal likelihood.
        residual_correlation: lag-one correlation of the residuals over frequency, in
            its standard deviations for white noise.
        decade_cost: log likelihood lost when a parameter changes by a decade.
    """

    location: Float[Array, "*n r p"]
    covariance: Float[Array, "*n r p p"]
    logits: Float[Array, "*n r q"]
    variance_scale: Float[Array, "*n r k"]
    log_weight: Float[Array, "*n r k"]
    prior_mean: Float[Array, "*n p"]
    prior_sd: Float[Array, "*n p"]
    log_evidence: Float[Array, "*n"]
    residual_correlation: Float[Array, "*n"]
    decade_cost: Float[Array, "*n p"]


@eqx.filter_jit
def moments(
    mixture: GaussianMixture,
) -> tuple[Float[Array, "n p"], Float[Array, "n p p"]]:
    """Mean and covariance of the unconstrained parameters."""
    weight = jnp.exp(mixture.log_weight)
    location_weight = weight.sum(-1)[..., None]
    mean = jnp.sum(location_weight * mixture.location, axis=-2)
    deviation = mixture.location - mean[..., None, :]
    scale = jnp.sum(weight * mixture.variance_scale, axis=-1)[..., None, None]
    within = jnp.sum(scale * mixture.covariance, axis=-3)
    between = jnp.sum(
        location_weight[..., None] * deviation[..., :, None] * deviation[..., None, :],
        axis=-3,
    )
    return mean, within + between


@eqx.filter_jit
def quantiles(mixture: GaussianMixture, p: Float[Array, " l"]) -> Float[Array, "l n p"]:
    """Quantiles of each unconstrained parameter.

    Bisection of the distribution function also works for a mixture of points, for
    which it has steps.
    """
    variance = jnp.diagonal(mixture.covariance, axis1=-2, axis2=-1)
    sd = jnp.sqrt(mixture.variance_scale[..., None] * variance[..., None, :])
    location = jnp.broadcast_to(mixture.location[..., None, :], sd.shape)
    joint = (*sd.shape[:-3], sd.shape[-3] * sd.shape[-2], sd.shape[-1])
    sd, location = sd.reshape(joint), location.reshape(joint)
    weight = jnp.exp(mixture.log_weight).reshape(*joint[:-1], 1)
    # Points have no standard deviation to divide by.
    sd = jnp.maximum(sd, 1e-9 * (1 + jnp.abs(location)))
    low, high = (location - 12 * sd).min(-2), (location + 12 * sd).max(-2)

    def quantile(p):
        def halve(_, bracket):
            low, high = bracket
            middle = 0.5 * (low + high)
            standard = (middle[..., None, :] - location) / sd
            below = jnp.sum(weight * ndtr(standard), axis=-2)
            return jnp.where(below < p, middle, low), jnp.where(below < p, high, middle)

        ends = jax.lax.fori_loop(0, _BISECTIONS, halve, (low, high))
        return 0.5 * (ends[0] + ends[1])

    return jax.vmap(quantile)(p)


def draw(
    mixture: GaussianMixture, key: PRNGKey, num: int
) -> tuple[Float[Array, "s p"], Int[Array, " s"], Int[Array, " s"]]:
    """Draws of z for one spectrum, and the indices (r, k) of their components."""
    key_component, key_normal = jax.random.split(key)
    component = jax.random.categorical(
        key_component, mixture.log_weight.ravel(), shape=(num,)
    )
    r, k = jnp.divmod(component, mixture.variance_scale.shape[-1])
    # An eigendecomposition also has a root of the zero covariance of a point.
    value, axes = jnp.linalg.eigh(mixture.covariance)
    root = axes * jnp.sqrt(jnp.maximum(value, 0.0))[:, None, :]
    size = (num, mixture.location.shape[-1])
    normal = jax.random.normal(key_normal, size, mixture.location.dtype)
    step = jnp.einsum("sij,sj->si", root[r], normal)
    scale = jnp.sqrt(mixture.variance_scale[r, k])[:, None]
    return mixture.location[r] + step * scale, r, k


class WidenedDraws(NamedTuple):
    """Draws of one spectrum from a widened posterior, with their noise model.

    Attributes:
        z: unconstrained parameters.
        centre: location of the component of each draw.
        half_square: half the squared Mahalanobis distance of z from the centre.
        logits: η of the component.
        variance_scale: s² of the component.
    """

    z: Float[Array, "s p"]
    centre: Float[Array, "s p"]
    half_square: Float[Array, " s"]
    logits: Float[Array, "s q"]
    variance_scale: Float[Array, " s"]


def widened_draws(
    mixture: GaussianMixture, key: PRNGKey, num: int, factor: float
) -> WidenedDraws:
    """Draws of one spectrum with `factor` times the posterior's standard deviations."""
    covariance = factor**2 * mixture.covariance
    mixture = eqx.tree_at(lambda mixture: mixture.covariance, mixture, covariance)
    z, r, k = draw(mixture, key, num)
    scale, centre = mixture.variance_scale[r, k], mixture.location[r]
    # Points (draws of a sampler) have no inverse covariance; their distance is zero.
    is_point = jnp.all(covariance == 0, axis=(-2, -1), keepdims=True)
    eye = jnp.eye(z.shape[-1], dtype=z.dtype)
    precision = jnp.linalg.inv(jnp.where(is_point, eye[None], covariance))[r]
    square = jnp.einsum("si,sij,sj->s", z - centre, precision, z - centre) / scale
    return WidenedDraws(z, centre, 0.5 * square, mixture.logits[r], scale)
