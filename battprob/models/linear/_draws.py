"""What a fitted linear model says of weights, labels and functions, draw by draw.

Draws of the parameters, and the weights that each leaves, carry a leading axis. Columns
(`battprob.models._linear_rows`) are kept without their prior's scale, and scaled for every
draw anew: one draw at a time, so that memory stays that of the answer.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.models.base import FunctionMoments, mixture
from battprob.models.linear import _conjugate
from battprob.models.linear import _rows as parts
from battprob.models.linear._conjugate import Weights
from battprob.models.linear._rows import LinearParameters, LinearRows
from battprob.noise.student import variance_nodes
from battprob.predictive import Predictive

_GROUP_NODES = 9


class Draws(NamedTuple):
    """Parameters, the weights given each, and how much each counts."""

    parameters: LinearParameters
    weights: Weights
    log_weight: Float[Array, " s"]


@eqx.filter_jit
def factorise(
    parameters: LinearParameters, rows: LinearRows
) -> tuple[Weights, Float[Array, " s"]]:
    """Posterior of the weights given each draw of the parameters, and the log evidence."""

    def one(parameters):
        y, _ = parts.targets(parameters, rows)
        columns = parts.columns(parameters, rows.base)
        variance = parts.variance(parameters, rows)
        weights = _conjugate.posterior(columns, y, variance)
        return weights, parts.log_evidence(parameters, rows)

    return jax.lax.map(one, parameters)


@eqx.filter_jit
def leave_one_out(draws: Draws, rows: LinearRows) -> Float[Array, "s n"]:
    """Log density of every label given all others, and each draw of the parameters."""

    def one(draw):
        parameters, weights = draw
        columns = parts.columns(parameters, rows.base)
        variance = parts.variance(parameters, rows)
        return _conjugate.leave_one_out(weights, columns, rows.y, variance)

    return jax.lax.map(one, (draws.parameters, draws.weights))


@eqx.filter_jit
def functions(
    draws: Draws, rows: LinearRows, base: Float[Array, "m r"]
) -> tuple[Float[Array, "s m"], Float[Array, "s m"]]:
    """Mean and variance of the function at rows of unscaled columns."""

    def one(draw):
        parameters, weights = draw
        new = parts.columns(parameters, base)
        return _conjugate.function(weights, parts.columns(parameters, rows.base), new)

    return jax.lax.map(one, (draws.parameters, draws.weights))


@eqx.filter_jit
def predict(
    draws: Draws,
    rows: LinearRows,
    num_groups: int,
    x: Float[Array, "m d"],
    known: Float[Array, " m"],
    groups: Int[Array, " m"],
) -> Predictive:
    """Predictive of the standardised target."""
    parameters = draws.parameters
    base = parts.base_columns(x, groups, parameters.slopes, num_groups)
    mean, spread = functions(draws, rows, base)
    noise, level = jax.vmap(lambda draw: variance_nodes(draw.noise, x, known))(parameters)
    num_levels = level.shape[1]
    weight = draws.log_weight[:, None] + level
    weight = jnp.broadcast_to(weight[..., None], noise.shape)
    # Every draw is one function under several levels of the noise.
    noise, weight = (a.reshape(-1, len(x)) for a in (noise, weight))
    mean, spread = (jnp.repeat(a, num_levels, axis=0) for a in (mean, spread))
    if parameters.effects is None:
        return mixture(mean, noise, spread, weight)
    between = jax.vmap(lambda own: own.new_group_variance(x))(parameters.effects)
    between = jnp.where(groups[None] < 0, between, 0.0)
    between = jnp.repeat(between, num_levels, axis=0)
    return _over_groups(mean, noise, spread, weight, between)


def _over_groups(mean, noise, spread, weight, between):
    """A component for each place where a new group may lie, `between` being its variance."""
    offset, share = (
        jnp.asarray(values, mean.dtype)[None, :, None]
        for values in normal_nodes(_GROUP_NODES)
    )
    return Predictive(
        mean[:, None] + offset * safe_sqrt(between)[:, None],
        noise[:, None],
        spread[:, None],
        weight[:, None] + share,
        shared_function=True,
    )


@eqx.filter_jit
def moments(
    draws: Draws,
    rows: LinearRows,
    num_groups: int,
    x: Float[Array, "m d"],
    at: Float[Array, "r d"],
) -> FunctionMoments:
    """Moments of the function of an average new group."""

    def base(features):
        new = jnp.full(len(features), -1)
        slopes = draws.parameters.slopes
        return parts.base_columns(features, new, slopes, num_groups)

    def one(draw):
        parameters, weights = draw
        columns, new, other = (
            parts.columns(parameters, own) for own in (rows.base, base(x), base(at))
        )
        mean, variance = _conjugate.function(weights, columns, new)
        return mean, variance, _conjugate.covariance(weights, columns, new, other)

    mean, variance, covariance = jax.lax.map(one, (draws.parameters, draws.weights))
    return FunctionMoments(mean, variance, covariance, draws.log_weight)


@eqx.filter_jit
def sample_functions(
    draws: Draws,
    rows: LinearRows,
    num_groups: int,
    x: Float[Array, "m d"],
    groups: Int[Array, " m"],
    key: PRNGKey,
    num: int,
) -> Float[Array, "num m"]:
    """Joint draws of the noise-free standardised target."""
    base = parts.base_columns(x, groups, draws.parameters.slopes, num_groups)
    key_draw, *keys = jax.random.split(key, 3)
    chosen = jax.random.categorical(key_draw, draws.log_weight, shape=(num,))
    shapes = ((num, rows.base.shape[1]), (num, len(rows.y)))
    normals = [
        jax.random.normal(k, s, x.dtype) for k, s in zip(keys, shapes, strict=True)
    ]

    def one(number):
        place, normals = number
        both = (draws.parameters, draws.weights)
        parameters, weights = jax.tree.map(lambda leaf: leaf[place], both)
        columns = parts.columns(parameters, rows.base)
        variance = parts.variance(parameters, rows)
        drawn = _conjugate.draw(weights, columns, variance, normals)
        return parts.columns(parameters, base) @ drawn

    return jax.lax.map(one, (chosen, tuple(normals)))
