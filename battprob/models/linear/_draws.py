"""Compiled computations of a fitted linear model for every draw of the hyper-parameters.

Draws of the hyper-parameters, and the posterior of the weights given each, have a leading
axis. Columns are stored without the prior scales of their weights and scaled for one draw
at a time, so that memory does not grow with the number of draws.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, Float, PRNGKey
from battprob.models._effects import over_groups
from battprob.models.base import FunctionMoments, NewRows, mixture
from battprob.models.linear import _conjugate
from battprob.models.linear._conjugate import Weights
from battprob.models.linear._density import (
    LinearParameters,
    log_evidence,
    noise_variance,
    scaled_columns,
    targets,
)
from battprob.models.linear._rows import LinearRows, base_columns
from battprob.noise.base import AbstractNoise
from battprob.noise.student import student_t_parts, variance_nodes
from battprob.predictive import Predictive


class Draws(NamedTuple):
    """Hyper-parameters, the posterior of the weights given each, and log weights."""

    parameters: LinearParameters
    weights: Weights
    log_weight: Float[Array, " s"]


@eqx.filter_jit
def factorise(
    parameters: LinearParameters, rows: LinearRows
) -> tuple[Weights, Float[Array, " s"]]:
    """Posterior of the weights and log evidence, given each draw of the parameters."""

    def one_draw(parameters):
        y, _ = targets(parameters, rows)
        columns = scaled_columns(parameters, rows.base)
        variance = noise_variance(parameters, rows)
        weights = _conjugate.posterior(columns, y, variance)
        return weights, log_evidence(parameters, rows)

    return jax.lax.map(one_draw, parameters)


@eqx.filter_jit
def leave_one_out(draws: Draws, rows: LinearRows) -> Float[Array, "s n"]:
    """Log density of every target given all others, for each draw of the parameters."""

    def one_draw(draw):
        parameters, weights = draw
        columns = scaled_columns(parameters, rows.base)
        variance = noise_variance(parameters, rows)
        return _conjugate.leave_one_out(weights, columns, rows.y, variance)

    return jax.lax.map(one_draw, (draws.parameters, draws.weights))


@eqx.filter_jit
def functions(
    draws: Draws, rows: LinearRows, base: Float[Array, "m r"]
) -> tuple[Float[Array, "s m"], Float[Array, "s m"]]:
    """Mean and variance of the function at rows given by their unscaled columns."""

    def one_draw(draw):
        parameters, weights = draw
        columns = scaled_columns(parameters, rows.base)
        return _conjugate.function(weights, columns, scaled_columns(parameters, base))

    return jax.lax.map(one_draw, (draws.parameters, draws.weights))


def num_noise_nodes(noise: AbstractNoise) -> int:
    """Number of noise variances that `predict` has for each draw of the function."""
    parts = student_t_parts(noise)
    return parts[0].log_node_weights.shape[-1] if parts else 1


@eqx.filter_jit
def predict(
    draws: Draws, rows: LinearRows, num_groups: int, new: NewRows
) -> Predictive:
    """Predictive distribution of the standardised target."""
    parameters, (x, known, groups) = draws.parameters, new
    base = base_columns(x, groups, parameters.slopes, num_groups)
    mean, variance = functions(draws, rows, base)
    noise, log_node_weight = jax.vmap(
        lambda draw: variance_nodes(draw.noise, x, known)
    )(parameters)
    log_weight = draws.log_weight[:, None] + log_node_weight
    log_weight = jnp.broadcast_to(log_weight[..., None], noise.shape)
    # Each draw is one function with several possible noise variances.
    noise, log_weight = (a.reshape(-1, len(x)) for a in (noise, log_weight))
    num_nodes = log_node_weight.shape[1]
    mean, variance = (jnp.repeat(a, num_nodes, axis=0) for a in (mean, variance))
    if parameters.effects is None:
        return mixture(mean, noise, variance, log_weight)
    between = jax.vmap(lambda effects: effects.new_group_variance(x))(
        parameters.effects
    )
    between = jnp.where(groups[None] < 0, between, 0.0)
    between = jnp.repeat(between, num_nodes, axis=0)
    return over_groups(mean, noise, variance, log_weight, between)


@eqx.filter_jit
def moments(
    draws: Draws,
    rows: LinearRows,
    num_groups: int,
    x: Float[Array, "m d"],
    reference: Float[Array, "r d"],
) -> FunctionMoments:
    """Moments of the function of an average new group."""

    def base_of_average_group(features):
        new_group = jnp.full(len(features), -1)
        slopes = draws.parameters.slopes
        return base_columns(features, new_group, slopes, num_groups)

    def one_draw(draw):
        parameters, weights = draw
        columns, new, other = (
            scaled_columns(parameters, base)
            for base in (
                rows.base,
                base_of_average_group(x),
                base_of_average_group(reference),
            )
        )
        mean, variance = _conjugate.function(weights, columns, new)
        return mean, variance, _conjugate.covariance(weights, columns, new, other)

    mean, variance, covariance = jax.lax.map(
        one_draw, (draws.parameters, draws.weights)
    )
    return FunctionMoments(mean, variance, covariance, draws.log_weight)


@eqx.filter_jit
def sample_functions(
    draws: Draws,
    rows: LinearRows,
    num_groups: int,
    new: NewRows,
    key: PRNGKey,
    num: int,
) -> Float[Array, "num m"]:
    """Joint draws of the noise-free standardised target."""
    x, _, groups = new
    base = base_columns(x, groups, draws.parameters.slopes, num_groups)
    key_draw, *keys = jax.random.split(key, 3)
    chosen = jax.random.categorical(key_draw, draws.log_weight, shape=(num,))
    shapes = ((num, rows.base.shape[1]), (num, len(rows.y)))
    normals = [
        jax.random.normal(k, s, x.dtype) for k, s in zip(keys, shapes, strict=True)
    ]

    def one_sample(sample):
        index, normals = sample
        parameters, weights = jax.tree.map(
            lambda leaf: leaf[index], (draws.parameters, draws.weights)
        )
        columns = scaled_columns(parameters, rows.base)
        variance = noise_variance(parameters, rows)
        drawn = _conjugate.draw(weights, columns, variance, normals)
        return scaled_columns(parameters, base) @ drawn

    return jax.lax.map(one_sample, (chosen, tuple(normals)))
