"""The most probable distribution of relaxation times, and Gaussians around several of it.

One for every pair of `BENDS`; each starts where its neighbour ended. The variance over
frequency is weighed at the fitted spectrum as circuits have it (`_marginal`), and then held;
so are the precisions of single frequencies, if wild points are looked for.
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
    Seen,
    basis,
    bend_scale,
    gamma,
    lines,
)
from battprob.eis._scales import Prior, resistance_scale
from battprob.eis.likelihood import AbstractLikelihood, StudentT
from battprob.eis.variance import AbstractVariance, relative_variance, shape_box

_FIRST = np.array([[0.0, 0.5], [0.75, 2.0], [0.75, 2.0]])
_FIRST_STEPS = (40, 15, 10)
_STEPS = 8
_USUAL_HEIGHT = 0.1  # of γ, in units of the spectrum's resistance


class Modes(NamedTuple):
    """A Gaussian for every pair of bends (b of them), and the nodes of the noise shape.

    `relative` is without the precision of single frequencies.
    """

    z: Float[Array, "b p"]
    covariance: Float[Array, "b p p"]
    scale: Float[Array, "b m"]
    log_weight: Float[Array, " b"]
    level: Float[Array, " b"]
    shape: Float[Array, "k q"]
    relative: Float[Array, "k r"]
    precision: Float[Array, " f"]
    log_size: Float[Array, ""]


class SeenVariance(AbstractVariance):
    """A law of the variance along turned axes, each frequency with a precision of its own."""

    law: AbstractVariance
    turn: Complex[Array, " f"]
    precision: Float[Array, " f"]

    def terms(self, mean, frequency_hz):
        terms = self.law.terms(mean / self.turn, frequency_hz)
        weight = self.precision ** (-1 / self.power())
        return terms * jnp.broadcast_to(weight, terms.shape)

    def num_terms(self):
        return self.law.num_terms()

    def power(self):
        return self.law.power()

    def level_known(self):
        return self.law.level_known()


def modes(
    grid: Grid,
    seen: Seen,
    law: AbstractVariance,
    likelihood: AbstractLikelihood,
    frequency_hz: Float[Array, " f"],
    impedance: Complex[Array, " f"],
) -> Modes:
    """Fit one spectrum, frequencies ascending."""
    log_size = jnp.log(_USUAL_HEIGHT * resistance_scale(impedance))
    count, dtype = grid.knot.size + len(seen.ends) + 3, seen.target.dtype
    prior = Prior(jnp.zeros(count, dtype), jnp.ones(count, dtype))

    def misfit(scale, weight):
        model = partial(_spectrum, grid, seen, log_size, scale)
        return Misfit(model, seen.target, weight, prior)

    turned = impedance * seen.turn
    held = _noise_held(
        misfit, prior.mean, grid, seen, law, likelihood, frequency_hz, turned
    )

    def each(state, bend):
        z, scale = _rescaled(grid, state[0], state[1], bend)
        problem = misfit(scale, held.weight)
        z = levenberg(problem, z, _STEPS).z
        z_new, covariance, level, _, evidence = _gaussian(problem, z, law)
        return (z, scale), (z_new, level * covariance, scale, evidence, level)

    bends = jnp.asarray(BENDS, dtype)
    _, found = jax.lax.scan(each, (held.z, held.scale), bends)
    relative = held.relative.reshape(len(held.shape), -1)
    return Modes(*found, held.shape, relative, held.precision, log_size)


class _Held(NamedTuple):
    """Where the first fits ended, and the noise that they leave."""

    z: Float[Array, " p"]
    scale: Float[Array, " m"]
    weight: Float[Array, " r"]
    precision: Float[Array, " f"]
    shape: Float[Array, "k q"]
    relative: Float[Array, "k 2 f"]


def _noise_held(misfit, z, grid, seen, law, likelihood, frequency_hz, turned):
    """Fit while the bends grow, the noise weighed anew at each fitted spectrum."""
    even = SeenVariance(law, seen.turn, jnp.ones_like(frequency_hz))
    box = shape_box(even, turned, frequency_hz)
    middle = relative_variance(even, 0.5 * (box[0] + box[1]), turned, frequency_hz)

    def first(state, inputs):
        z, scale, weight, inner, precision = state
        bend, steps = inputs
        z, scale = _rescaled(grid, z, scale, bend)
        fit = levenberg(misfit(scale, weight), z, steps)
        own = SeenVariance(law, seen.turn, precision)
        found, mean = marginal(misfit(scale, weight), fit.z, frequency_hz, own, inner)
        shape, narrower = narrowed(found, inner)
        usual = relative_variance(even, shape, mean, frequency_hz)
        level = found.level[jnp.argmax(found.log_weight)]
        square = (turned.real - mean.real) ** 2, (turned.imag - mean.imag) ** 2
        distance = jnp.sum(jnp.stack(square) / usual, axis=0) / level
        precision = usual_precision(likelihood, distance)
        weight = (precision[None] / usual).ravel()
        return (fit.z, scale, weight, narrower, precision), (found.shape, mean)

    scale = jnp.full_like(grid.knot, _FIRST[0, 1])
    start = (z, scale, 1 / middle.ravel(), box, even.precision)
    inputs = jnp.asarray(_FIRST, z.dtype), jnp.array(_FIRST_STEPS)
    (z, scale, weight, _, precision), (shape, mean) = jax.lax.scan(first, start, inputs)
    shape, mean = shape[-1], mean[-1]
    relative = jax.vmap(lambda own: relative_variance(even, own, mean, frequency_hz))(
        shape
    )
    return _Held(z, scale, weight, precision, shape, relative)


def usual_precision(
    likelihood: AbstractLikelihood, distance: Float[Array, "*b f"]
) -> Float[Array, "*b f"]:
    """Mean precision of frequencies off by squared distances, in units of the variance."""
    if not isinstance(likelihood, StudentT):
        return jnp.ones_like(distance)
    return (likelihood.degrees_of_freedom + 2) / (
        likelihood.degrees_of_freedom + distance
    )


def _spectrum(grid, seen, log_size, scale, z):
    """(Re, Im) [r] at coordinates z, and its slopes [p r]."""
    f = basis(grid.at_node, grid.node_offset, scale)
    inner, outer = z[: -len(seen.ends)], z[-len(seen.ends) :]
    height = gamma(f.slopes @ inner + f.constant, log_size)
    weighted = height[:, None] * seen.kernel
    mean = weighted.sum(0) + outer @ seen.ends
    return mean, jnp.concatenate([f.slopes.T @ weighted, seen.ends])


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
