"""What a fit knows of a circuit's unconstrained parameters: a mixture of Gaussians."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr

from battprob._typing import Array, Float, Int, PRNGKey

_BISECTIONS = 50


class Nodes(eqx.Module):
    """A Gaussian mixture of the unconstrained parameters over r shapes and k levels.

    Component (r, k) is N(location_r, level_rk × covariance_r) and has the noise
    variance level_rk × h(shape_r).
    """

    location: Float[Array, "*n r p"]
    covariance: Float[Array, "*n r p p"]
    shape: Float[Array, "*n r q"]
    level: Float[Array, "*n r k"]
    log_weight: Float[Array, "*n r k"]
    prior_mean: Float[Array, "*n p"]
    prior_sd: Float[Array, "*n p"]
    log_evidence: Float[Array, "*n"]
    residual_correlation: Float[Array, "*n"]
    decade_cost: Float[Array, "*n p"]


@eqx.filter_jit
def moments(nodes: Nodes) -> tuple[Float[Array, "n p"], Float[Array, "n p p"]]:
    """Mean and covariance of the unconstrained parameters."""
    weight = jnp.exp(nodes.log_weight)
    by_shape = weight.sum(-1)[..., None]
    mean = jnp.sum(by_shape * nodes.location, axis=-2)
    away = nodes.location - mean[..., None, :]
    level = jnp.sum(weight * nodes.level, axis=-1)[..., None, None]
    within = jnp.sum(level * nodes.covariance, axis=-3)
    between = jnp.sum(
        by_shape[..., None] * away[..., :, None] * away[..., None, :], axis=-3
    )
    return mean, within + between


@eqx.filter_jit
def quantiles(nodes: Nodes, p: Float[Array, " l"]) -> Float[Array, "l n p"]:
    """Quantiles of each unconstrained parameter.

    By bisection, which a mixture of draws (covariance nought) does not upset.
    """
    variance = jnp.diagonal(nodes.covariance, axis1=-2, axis2=-1)
    sd = jnp.sqrt(nodes.level[..., None] * variance[..., None, :])
    location = jnp.broadcast_to(nodes.location[..., None, :], sd.shape)
    joint = (*sd.shape[:-3], sd.shape[-3] * sd.shape[-2], sd.shape[-1])
    sd, location = sd.reshape(joint), location.reshape(joint)
    weight = jnp.exp(nodes.log_weight).reshape(*joint[:-1], 1)
    floor = 1e-9 * (1 + jnp.abs(location))
    sd = jnp.maximum(sd, floor)
    low, high = (location - 12 * sd).min(-2), (location + 12 * sd).max(-2)

    def one(p):
        def halve(_, bracket):
            low, high = bracket
            middle = 0.5 * (low + high)
            standard = (middle[..., None, :] - location) / sd
            below = jnp.sum(weight * ndtr(standard), axis=-2)
            return jnp.where(below < p, middle, low), jnp.where(below < p, high, middle)

        low_, high_ = jax.lax.fori_loop(0, _BISECTIONS, halve, (low, high))
        return 0.5 * (low_ + high_)

    return jax.vmap(one)(p)


def draw(
    nodes: Nodes, key: PRNGKey, num: int
) -> tuple[Float[Array, "s p"], Int[Array, " s"], Int[Array, " s"]]:
    """Draws of one spectrum's z, and the shape and level nodes they come from."""
    key_node, key_noise = jax.random.split(key)
    flat = jax.random.categorical(key_node, nodes.log_weight.ravel(), shape=(num,))
    shape, level = jnp.divmod(flat, nodes.level.shape[-1])
    value, axes = jnp.linalg.eigh(nodes.covariance)
    root = axes * jnp.sqrt(jnp.maximum(value, 0.0))[:, None, :]
    size = (num, nodes.location.shape[-1])
    noise = jax.random.normal(key_noise, size, nodes.location.dtype)
    step = jnp.einsum("sij,sj->si", root[shape], noise)
    spread = jnp.sqrt(nodes.level[shape, level])[:, None]
    return nodes.location[shape] + step * spread, shape, level


class Draws(NamedTuple):
    """Draws of one spectrum's parameters with the noise and the node they come from."""

    z: Float[Array, "s p"]
    centre: Float[Array, "s p"]
    half_square: Float[Array, " s"]
    shape: Float[Array, "s q"]
    level: Float[Array, " s"]


def draws_with_noise(nodes: Nodes, key: PRNGKey, num: int, broader: float) -> Draws:
    """Draws of one spectrum, their sd `broader` than the posterior's.

    `half_square` is half their squared distance in those sd.
    """
    covariance = broader**2 * nodes.covariance
    nodes = eqx.tree_at(lambda nodes: nodes.covariance, nodes, covariance)
    z, shape, level = draw(nodes, key, num)
    spread, centre = nodes.level[shape, level], nodes.location[shape]
    precision = jnp.linalg.inv(covariance)[shape]
    square = jnp.einsum("si,sij,sj->s", z - centre, precision, z - centre) / spread
    return Draws(z, centre, 0.5 * square, nodes.shape[shape], spread)
