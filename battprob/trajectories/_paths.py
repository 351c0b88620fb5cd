"""Capacity paths after the end of a record, and their first crossing of a threshold."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from battprob._typing import Array, Float
from battprob.trajectories._condition import CurveModel, ShapePosterior, factor
from battprob.trajectories._records import Record
from battprob.trajectories._shape import rough_covariance

# Neighbouring cycles are almost perfectly correlated: 1e-6 of the variance makes the
# covariance positive definite, and is far below the noise of a reading.
_JITTER = 1e-6


def sample_paths(
    curve_model: CurveModel,
    posterior: ShapePosterior,
    record: Record,
    cycles: Float[Array, " h"],
    rng: np.random.Generator,
) -> Float[Array, "s p h"]:
    """One path for each life, as a fraction of the initial capacity, without noise."""
    shape = posterior.mean.shape
    noise_x = jnp.asarray(rng.standard_normal(shape))
    noise_rough = jnp.asarray(rng.standard_normal((*shape[:2], len(cycles))))
    return _paths(curve_model, posterior, record, cycles, noise_x, noise_rough)


@eqx.filter_jit
def _paths(curve_model, posterior, record, cycles, noise_x, noise_rough):
    gain, covariance = _condition_rough(record, curve_model, cycles)
    jitter = _JITTER * jnp.diag(jnp.diagonal(covariance))
    cholesky = jnp.linalg.cholesky(covariance + jitter)

    def one(shape, noise_x, noise_rough):
        offset, design = _linear_in_shape(shape, curve_model, record, gain, cycles)
        deviation = solve_triangular(
            shape.cholesky_precision, noise_x, lower=True, trans=1
        )
        return offset + design @ (shape.mean + deviation) + cholesky @ noise_rough

    return jax.vmap(jax.vmap(one))(posterior, noise_x, noise_rough)


@eqx.filter_jit
def path_moments(
    record: Record,
    posterior: ShapePosterior,
    curve_model: CurveModel,
    cycles: Float[Array, " c"],
) -> tuple[Float[Array, "s p c"], Float[Array, "s p c"]]:
    """Mean and variance of the path at these cycles, for each life."""
    gain, covariance = _condition_rough(record, curve_model, cycles)

    def one(shape):
        offset, design = _linear_in_shape(shape, curve_model, record, gain, cycles)
        scaled = solve_triangular(shape.cholesky_precision, design.T, lower=True)
        mean = offset + design @ shape.mean
        return mean, jnp.sum(scaled**2, axis=0) + jnp.diagonal(covariance)

    return jax.vmap(jax.vmap(one))(posterior)


def _condition_rough(record, curve_model, cycles):
    """Conditional distribution of the rough part at `cycles`, given the record.

    Returns the gain (its mean is gain @ residual of the record) and the covariance.
    """
    record, cholesky = factor(record, curve_model.roughness)
    ages = cycles / curve_model.typical_life
    cross = rough_covariance(curve_model.roughness, ages, record.age)
    cross = jnp.where(record.mask[None, :], cross, 0.0)
    half = solve_triangular(cholesky, cross.T, lower=True)
    gain = solve_triangular(cholesky, half, lower=True, trans=1).T
    prior = rough_covariance(curve_model.roughness, ages, ages)
    return gain, prior - half.T @ half


def _linear_in_shape(posterior, curve_model, record, gain, cycles):
    """Offset and design matrix: given the life, the mean path is offset + design @ x."""
    shape, life = curve_model.shape, jnp.exp(posterior.log_life)
    tau_record, tau = record.cycle / life, cycles / life
    residual = record.fraction - curve_model.reference - shape.mean_curve(tau_record)
    residual = jnp.where(record.mask, residual, 0.0)
    observed = jnp.where(record.mask[:, None], shape.deviations(tau_record), 0.0)
    offset = curve_model.reference + shape.mean_curve(tau) + gain @ residual
    return offset, shape.deviations(tau) - gain @ observed


@eqx.filter_jit
def interpolate(
    paths: Float[Array, "s p h"],
    path_cycle: Float[Array, " h"],
    cycles: Float[Array, " c"],
) -> Float[Array, "s p c"]:
    """Paths at these cycles; before the first cycle of a path its first value."""
    one = jax.vmap(lambda path: jnp.interp(cycles, path_cycle, path))
    return jax.vmap(one)(paths)


@eqx.filter_jit
def first_crossing(
    paths: Float[Array, "s p h"],
    path_cycle: Float[Array, " h"],
    threshold: Float[Array, ""],
) -> Float[Array, "s p"]:
    """Cycle at which each path first falls to a threshold, by linear interpolation.

    A path that never does gets the last cycle.
    """
    below = paths <= threshold
    first = jnp.argmax(below, axis=-1)
    before = jnp.maximum(first - 1, 0)
    high, low = (
        jnp.take_along_axis(paths, index[..., None], axis=-1)[..., 0]
        for index in (before, first)
    )
    # A path that starts below has no step before: avoid 0 / 0.
    drop = jnp.where(high > low, high - low, 1.0)
    weight = jnp.clip((high - threshold) / drop, 0.0, 1.0)
    life = path_cycle[before] + weight * (path_cycle[first] - path_cycle[before])
    return jnp.where(jnp.any(below, axis=-1), life, path_cycle[-1])
