"""The most probable distribution of relaxation times, and Gaussians around several of it.

One for every pair of `BENDS`; each starts where its neighbour ended. The variance over
frequency is weighed at the fitted spectrum as circuits have it (`_marginal`), and then held.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float
from battprob.eis._levenberg import Misfit, levenberg
from battprob.eis._marginal import marginal, narrowed, node
from battprob.eis._relaxation import (
    BENDS,
    Grid,
    basis,
    bend_scale,
    gamma,
    lines,
    series,
)
from battprob.eis._scales import Prior, resistance_scale
from battprob.eis.variance import AbstractVariance, relative_variance, shape_box

_FIRST = np.array([[0.0, 0.5], [0.75, 2.0], [0.75, 2.0]])
_FIRST_STEPS = np.array([40, 15, 10])
_STEPS = 8
_USUAL_HEIGHT = 0.1  # of γ, in units of the spectrum's resistance


class Modes(NamedTuple):
    """A Gaussian for every pair of bends (b of them), and the nodes of the noise shape."""

    z: Float[Array, "b p"]
    covariance: Float[Array, "b p p"]
    scale: Float[Array, "b m"]
    log_weight: Float[Array, " b"]
    level: Float[Array, " b"]
    shape: Float[Array, "k q"]
    relative: Float[Array, "k r"]
    impedance_size: Float[Array, ""]
    log_size: Float[Array, ""]


def modes(
    grid: Grid,
    law: AbstractVariance,
    frequency_hz: Float[Array, " f"],
    impedance: Complex[Array, " f"],
) -> Modes:
    """Fit one spectrum, frequencies ascending."""
    size = jnp.abs(impedance).max()
    log_size = jnp.log(_USUAL_HEIGHT * resistance_scale(impedance))
    ends = series(size, frequency_hz)
    target = jnp.concatenate([impedance.real, impedance.imag])
    count = grid.knot.size + len(ends) + 3
    prior = Prior(jnp.zeros(count, size.dtype), jnp.ones(count, size.dtype))
    box = shape_box(law, impedance, frequency_hz)
    middle = relative_variance(law, 0.5 * (box[0] + box[1]), impedance, frequency_hz)

    def misfit(scale, weight):
        model = partial(_spectrum, grid, ends, log_size, scale)
        return Misfit(model, target, weight, prior)

    def first(state, inputs):
        z, scale, weight, inner = state
        bend, steps = inputs
        z, scale = _rescaled(grid, z, scale, bend)
        fit = levenberg(misfit(scale, weight), z, steps)
        found, mean = marginal(misfit(scale, weight), fit.z, frequency_hz, law, inner)
        shape, narrower = narrowed(found, inner)
        weight = 1 / relative_variance(law, shape, mean, frequency_hz).ravel()
        return (fit.z, scale, weight, narrower), (found.shape, mean)

    scale = jnp.full_like(grid.knot, _FIRST[0, 1])
    start = (jnp.zeros(count, size.dtype), scale, 1 / middle.ravel(), box)
    inputs = jnp.asarray(_FIRST, size.dtype), jnp.asarray(_FIRST_STEPS)
    (z, scale, weight, _), (shape, mean) = jax.lax.scan(first, start, inputs)
    shape, mean = shape[-1], mean[-1]
    relative = jax.vmap(lambda own: relative_variance(law, own, mean, frequency_hz))(
        shape
    )

    def each(state, bend):
        z, scale = _rescaled(grid, state[0], state[1], bend)
        problem = misfit(scale, weight)
        z = levenberg(problem, z, _STEPS).z
        z_new, covariance, level, _, evidence = _gaussian(problem, z, law)
        return (z, scale), (z_new, level * covariance, scale, evidence, level)

    _, found = jax.lax.scan(each, (z, scale), jnp.asarray(BENDS, size.dtype))
    return Modes(*found, shape, relative.reshape(len(shape), -1), size, log_size)


def _spectrum(grid, ends, log_size, scale, z):
    """(Re, Im) [r] at coordinates z, and its slopes [p r]."""
    f = basis(grid.at_node, grid.node_offset, scale)
    inner, outer = z[: -len(ends)], z[-len(ends) :]
    height = gamma(f.slopes @ inner + f.constant, log_size)
    weighted = height[:, None] * grid.kernel
    mean = weighted.sum(0) + outer @ ends
    return mean, jnp.concatenate([f.slopes.T @ weighted, ends])


def _rescaled(grid, z, scale, bend):
    """The same f in the coordinates of another roughness, which it decides itself."""
    count = grid.knot.size
    f = basis(grid.at_knot, grid.knot - grid.centre, scale)
    log_gamma = f.slopes @ z[: count + 3] + f.constant
    new = bend_scale(log_gamma, bend)
    bends = lines(z[: count + 3], scale)[:count]
    return z.at[:count].set(bends / new), new


def _gaussian(misfit, z, law):
    mean, slopes = misfit.model(z)
    residual = misfit.target - mean
    weighted = slopes * misfit.weight[None]
    return node(
        misfit,
        z,
        weighted @ slopes.T,
        weighted @ residual,
        jnp.sum(misfit.weight * residual**2),
        -jnp.sum(jnp.log(misfit.weight)),
        law.level_known(),
        residual.size,
    )
