r"""Draws of distributions of relaxation times: elliptical slice sampling from `Modes`.

A distribution that must not be negative is far from Gaussian where it is small, so each
chain starts from one Gaussian of `Modes`, drawn by evidence and widened, and moves on its
ellipses: with $\rho$ the log ratio of posterior and Gaussian,

    e' = e cos θ + ν sin θ,   ν ~ N(0, 1),   θ shrunk until ρ(e') > ρ(e) + log u

No step size is tuned, and where the Gaussian is right every step is a fresh draw. f is linear
in e, so that an angle costs one product with the kernel. In between the level of the noise and
its shape are drawn given the residuals, and, of a Student-t, the precision of every frequency.

Few steps do not go far: beside NUTS the draws of log γ are 0.8 to 0.95 as wide inside the band
and 0.55 at its short end, where the posterior has a long tail. (At 1.5 times the Gaussian they
are 0.9 to 1.05, and bands of γ cover 0.93 to 0.98 of single and double ZARCs, not 0.9.)

References:
    Murray, Adams and MacKay, AISTATS (2010) 541; Nishihara, Murray and Adams, J. Mach. Learn.
    Res. 15 (2014) 2087 (Gaussian approximations in place of the prior).
"""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, Float, PRNGKey
from battprob.eis._relaxation import (
    Grid,
    Seen,
    basis,
    gamma,
    lines,
    to_ohm_and_henry,
)
from battprob.eis._relaxation_mode import Modes
from battprob.eis.likelihood import AbstractLikelihood, StudentT

_STEPS = 8
_ANGLES = 6
_JITTER = 1e4
_WIDER = 1.2  # than the mode's Gaussian: slices find tails where the ellipse reaches


class RelaxationDraws(eqx.Module):
    """Draws of f, of what is in series with it, and of the noise.

    `line` holds the bends κ, half the difference of the end slopes, and the height at the
    centre.
    """

    line: Float[Array, "*n s m"]
    series_ohm: Float[Array, "*n s"]
    inductance_h: Float[Array, "*n s"]
    level: Float[Array, "*n s"]
    shape: Float[Array, "*n s q"]


class _Place(NamedTuple):
    """Where chains are: f at the nodes, the two series terms, and all coordinates."""

    f: Float[Array, "s g"]
    ends: Float[Array, "s 2"]
    z: Float[Array, "s p"]
    white: Float[Array, "s p"]


class _Ellipses(NamedTuple):
    """The Gaussian that each chain moves on: its centre, and maps of standard normals."""

    centre: _Place
    to_f: Float[Array, "s g p"]
    to_ends: Float[Array, "s 2 p"]
    to_z: Float[Array, "s p p"]


def draws(
    grid: Grid,
    seen: Seen,
    modes: Modes,
    likelihood: AbstractLikelihood,
    frequency_hz: Float[Array, " f"],
    level_known: Float[Array, ""],
    *,
    key: PRNGKey,
    num: int,
) -> RelaxationDraws:
    """`num` chains of one spectrum, the last state of each."""
    key_mode, key_start, key_chain = jax.random.split(key, 3)
    mode = jax.random.categorical(key_mode, modes.log_weight, shape=(num,))
    ellipses = _ellipses(grid, modes, mode)
    centre, away = ellipses.centre, partial(_away, ellipses)

    def residual(move):
        at = jax.tree.map(jnp.add, centre, move)
        spectrum = gamma(at.f, modes.log_size) @ seen.kernel + at.ends @ seen.ends
        return seen.target[None] - spectrum

    def ratio(move, noise):
        relative, level = noise
        misfit = jnp.sum(residual(move) ** 2 / relative, axis=1) / level
        prior = jnp.sum((centre.z + move.z) ** 2, axis=1)
        return -0.5 * (misfit + prior - jnp.sum(move.white**2, axis=1))

    def step(state, key):
        move, node, level, precision = state
        key_move, key_noise, key_precision = jax.random.split(key, 3)
        noise = modes.relative[node] / jnp.tile(precision, 2), level
        move = _slice(move, away, lambda to: ratio(to, noise), key_move)
        left = residual(move)
        even = left * jnp.sqrt(jnp.tile(precision, 2))
        node, level = _noise(modes.relative, even, level_known, key_noise)
        square = left**2 / modes.relative[node] / level[:, None]
        precision = _precision(likelihood, square, key_precision)
        return (move, node, level, precision), None

    start = (
        away(jax.random.normal(key_start, centre.white.shape, centre.white.dtype)),
        jnp.zeros(num, int),
        modes.level[mode],
        jnp.broadcast_to(modes.precision, (num, modes.precision.size)),
    )
    keys = jax.random.split(key_chain, _STEPS)
    (move, node, level, _), _ = jax.lax.scan(step, start, keys)
    z = centre.z + move.z
    line = lines(z[:, :-2], modes.scale[mode])
    line = line.at[:, -1].add(modes.log_size)
    ohm, henry = to_ohm_and_henry(z, seen.impedance_size, frequency_hz)
    return RelaxationDraws(line, ohm, henry, level, modes.shape[node])


def _ellipses(grid, modes, mode):
    """That of the mode of each chain, widened."""
    # What is added costs steps, not exactness: the ratio of a step knows this Gaussian.
    least = _JITTER * jnp.finfo(modes.z.dtype).eps
    eye = least * jnp.eye(modes.z.shape[1], dtype=modes.z.dtype)
    root = _WIDER * jax.vmap(jnp.linalg.cholesky)(modes.covariance + eye[None])
    f = jax.vmap(lambda own: basis(grid.at_node, grid.node_offset, own))(modes.scale)
    to_f = (f.slopes @ root[:, :-2])[mode]
    to_ends, to_z = root[mode, -2:], root[mode]
    centre_f = jnp.einsum("bgp,bp->bg", f.slopes, modes.z[:, :-2]) + f.constant
    centre = _Place(
        centre_f[mode], modes.z[mode, -2:], modes.z[mode], jnp.zeros_like(to_z[:, 0])
    )
    return _Ellipses(centre, to_f, to_ends, to_z)


def _away(ellipses, white):
    """The move away from the centres that standard normals stand for."""
    _, *maps = ellipses
    f, end, z = (jnp.einsum("sop,sp->so", to, white) for to in maps)
    return _Place(f, end, z, white)


def _slice(move, away, ratio, key):
    """One step of every chain; one that no angle suits stays."""
    key_normal, key_level, key_angle, key_shrink = jax.random.split(key, 4)
    dtype, count = move.f.dtype, len(move.f)
    other = away(jax.random.normal(key_normal, move.white.shape, dtype))
    least = ratio(move) + jnp.log(jax.random.uniform(key_level, (count,), dtype))
    angle = 2 * jnp.pi * jax.random.uniform(key_angle, (count,), dtype)

    def turned(angle):
        cosine, sine = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
        return jax.tree.map(lambda a, b: a * cosine + b * sine, move, other)

    def shrink(state, share):
        angle, low, high, done = state
        done = done | (ratio(turned(angle)) > least)
        low = jnp.where(~done & (angle < 0), angle, low)
        high = jnp.where(~done & (angle >= 0), angle, high)
        angle = jnp.where(done, angle, low + share * (high - low))
        return (angle, low, high, done), None

    state = angle, angle - 2 * jnp.pi, angle, jnp.zeros(count, bool)
    shares = jax.random.uniform(key_shrink, (_ANGLES, count), dtype)
    (angle, _, _, done), _ = jax.lax.scan(shrink, state, shares)
    return turned(jnp.where(done, angle, 0.0))


def _noise(relative, residual, known, key):
    """Shape node, its level integrated out, then the level given both."""
    key_node, key_level = jax.random.split(key)
    square = residual**2 @ (1 / relative).T + known
    half = 0.5 * (residual.shape[1] + known)
    log_weight = -0.5 * jnp.log(relative).sum(1)[None] - half * jnp.log(square)
    node = jax.random.categorical(key_node, log_weight)
    own = jnp.take_along_axis(square, node[:, None], axis=1)[:, 0]
    shape = jnp.broadcast_to(half, own.shape)
    return node, 0.5 * own / jax.random.gamma(key_level, shape, dtype=own.dtype)


def _precision(likelihood, square, key):
    """Of every frequency, given squared residuals [s r] in units of the variance."""
    real, imaginary = jnp.split(square, 2, axis=1)
    distance = real + imaginary
    if not isinstance(likelihood, StudentT):
        return jnp.ones_like(distance)
    freedom = likelihood.degrees_of_freedom
    half = jnp.broadcast_to(0.5 * freedom + 1, distance.shape)
    gamma = jax.random.gamma(key, half, dtype=distance.dtype)
    return 2 * gamma / (freedom + distance)
