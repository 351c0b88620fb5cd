"""Paths of capacity that a record leaves open, and where they cross a level."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from battprob._typing import Array, Float
from battprob.trajectories._condition import Nodes, Setting, seen
from battprob.trajectories._records import Record
from battprob.trajectories._shape import rough_covariance

_JITTER = 1e-6


def paths(
    setting: Setting,
    nodes: Nodes,
    record: Record,
    ahead: Float[Array, " h"],
    rng: np.random.Generator,
) -> Float[Array, "s p h"]:
    """One path for each node, as a fraction of the start, without reading noise."""
    shape = nodes.location.shape
    noise_x = jnp.asarray(rng.standard_normal(shape))
    noise_rough = jnp.asarray(rng.standard_normal((*shape[:2], len(ahead))))
    return _paths(setting, nodes, record, ahead, noise_x, noise_rough)


@eqx.filter_jit
def _paths(setting, nodes, record, ahead, noise_x, noise_rough):
    gain, left = _rough_ahead(record, setting, ahead)
    root = jnp.linalg.cholesky(left + _JITTER * jnp.diag(jnp.diagonal(left)))

    def one(node, noise_x, noise_rough):
        fixed, slopes = _given(node, setting, record, gain, ahead)
        x = node.location + solve_triangular(node.root, noise_x, lower=True, trans=1)
        return fixed + slopes @ x + root @ noise_rough

    return jax.vmap(jax.vmap(one))(nodes, noise_x, noise_rough)


@eqx.filter_jit
def moments(
    record: Record, nodes: Nodes, setting: Setting, cycles: Float[Array, " c"]
) -> tuple[Float[Array, "s p c"], Float[Array, "s p c"]]:
    """Mean and variance of the path at these cycles, node by node."""
    gain, left = _rough_ahead(record, setting, cycles)

    def one(node):
        fixed, slopes = _given(node, setting, record, gain, cycles)
        spread = solve_triangular(node.root, slopes.T, lower=True)
        mean = fixed + slopes @ node.location
        return mean, jnp.sum(spread**2, axis=0) + jnp.diagonal(left)

    return jax.vmap(jax.vmap(one))(nodes)


def _rough_ahead(record, setting, cycles):
    """What a surprise in the record says of the rough part to come, and what it leaves."""
    record, root = seen(record, setting.roughness)
    ages = cycles / setting.typical
    cross = rough_covariance(setting.roughness, ages, record.age)
    cross = jnp.where(record.mask[None, :], cross, 0.0)
    white = solve_triangular(root, cross.T, lower=True)
    gain = solve_triangular(root, white, lower=True, trans=1).T
    return gain, rough_covariance(setting.roughness, ages, ages) - white.T @ white


def _given(node, setting, record, gain, cycles):
    """The path to come is linear in the shape, given the life."""
    shape, life = setting.shape, jnp.exp(node.log_life)
    old, new = record.cycle / life, cycles / life
    left = record.capacity - setting.level - shape.middle(old)
    left = jnp.where(record.mask, left, 0.0)
    seen = jnp.where(record.mask[:, None], shape.departures(old), 0.0)
    fixed = setting.level + shape.middle(new) + gain @ left
    return fixed, shape.departures(new) - gain @ seen


@eqx.filter_jit
def between(
    paths: Float[Array, "s p h"], ahead: Float[Array, " h"], cycles: Float[Array, " c"]
) -> Float[Array, "s p c"]:
    """Paths at these cycles; before the first step the first value."""
    one = jax.vmap(lambda path: jnp.interp(cycles, ahead, path))
    return jax.vmap(one)(paths)


@eqx.filter_jit
def first_crossing(
    paths: Float[Array, "s p h"],
    ahead: Float[Array, " h"],
    level: Float[Array, ""],
) -> Float[Array, "s p"]:
    """On the line between the last step above and the first below."""
    below = paths <= level
    first = jnp.argmax(below, axis=-1)
    before = jnp.maximum(first - 1, 0)
    high, low = (
        jnp.take_along_axis(paths, place[..., None], axis=-1)[..., 0]
        for place in (before, first)
    )
    apart = jnp.where(high > low, high - low, 1.0)
    share = jnp.clip((high - level) / apart, 0.0, 1.0)
    life = ahead[before] + share * (ahead[first] - ahead[before])
    return jnp.where(jnp.any(below, axis=-1), life, ahead[-1])
