"""The search for shares and hyper-parameters: short climbs from many starts, one to the top.

Expectation-maximisation with the functions integrated out. Starts are compared where a few
steps took them and only the best goes on (Biernacki, Celeux and Govaert, Comput. Stat. Data
Anal. 41 (2003) 561, "em-EM", doi:10.1016/S0167-9473(02)00163-6). The maximisation takes a
few quasi-Newton steps, whose curvature is kept from one round to the next.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._numerics.bfgs import minimise
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Bool, Float, Int, PRNGKey
from battprob.models.mixture._bound import (
    MixtureData,
    MixtureParameters,
    log_joint,
    shares,
)
from battprob.models.mixture._starts import starting_shares


class Climb(NamedTuple):
    """Where a climb ended."""

    parameters: MixtureParameters
    share: Float[Array, "k n"]
    height: Float[Array, ""]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    flat: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    share: Float[Array, "k n"]
    height: Float[Array, ""]
    change: Float[Array, ""]
    moved: Float[Array, ""]
    steps: Int[Array, ""]


def climb(
    parameters: MixtureParameters,
    data: MixtureData,
    share: Float[Array, "k n"],
    max_steps: int,
) -> Climb:
    """Rounds of both steps until neither shares nor the bound move, or `max_steps`."""
    flat, unravel = ravel_parameters(parameters)

    def running(state):
        still = (state.change < _SHARE_STILL) & (state.moved < _BOUND_STILL)
        return ~still & (state.steps < max_steps)

    def step(state):
        def objective(vector):
            return -log_joint(unravel(vector), (data, state.share))

        found = minimise(
            objective,
            state.flat,
            state.inverse_hessian,
            max_steps=_INNER_STEPS,
            gradient_tolerance=_GRADIENT_STILL,
            value_tolerance=0.0,
        )
        sound = jnp.isfinite(found.value)
        flat = jnp.where(sound, found.x, state.flat)
        share = shares(unravel(flat), data, state.share)
        # A start that broke down stays what it was, and loses.
        share = jnp.where(jnp.isfinite(share), share, state.share)
        height = jnp.where(sound, -found.value, -jnp.inf)
        moved = jnp.where(sound, jnp.abs(height - state.height), 0.0)
        change = jnp.max(jnp.abs(share - state.share))
        return _State(
            flat,
            jnp.where(sound, found.inverse_hessian, state.inverse_hessian),
            share,
            height,
            jnp.where(sound, change, 0.0),
            moved,
            state.steps + 1,
        )

    infinite = jnp.asarray(jnp.inf, flat.dtype)
    first = _State(
        flat,
        jnp.eye(flat.size, dtype=flat.dtype),
        share,
        -infinite,
        infinite,
        infinite,
        jnp.zeros((), int),
    )
    end = jax.lax.while_loop(running, step, first)
    done = (end.steps < max_steps) & jnp.isfinite(end.height)
    return Climb(unravel(end.flat), end.share, end.height, done, end.steps)


@eqx.filter_jit
def best_start(
    parameters: MixtureParameters, data: MixtureData, key: PRNGKey, num_starts: int
) -> Climb:
    """The highest of short climbs from as many starts, side by side if they are cheap."""
    starts = starting_shares(parameters, data, key, num_starts)
    side_by_side = jax.lax.map if parameters.is_process else _vmapped
    ends = side_by_side(lambda share: climb(parameters, data, share, _SHORT), starts)
    winner = jnp.argmax(ends.height)
    return jax.tree.map(lambda leaf: leaf[winner], ends)


def _vmapped(function, starts):
    return jax.vmap(function)(starts)


@eqx.filter_jit
def to_the_top(
    parameters: MixtureParameters, data: MixtureData, share: Float[Array, "k n"]
) -> Climb:
    """One climb until it stands still."""
    return climb(parameters, data, share, _LONG)


@eqx.filter_jit
def settled_shares(
    parameters: MixtureParameters, data: MixtureData, share: Float[Array, "k n"]
) -> Float[Array, "k n"]:
    """Shares that given hyper-parameters and rows agree on."""

    def running(state):
        _, change, steps = state
        return (change > _SHARE_STILL) & (steps < _LONG)

    def step(state):
        old, _, steps = state
        new = shares(parameters, data, old)
        return new, jnp.max(jnp.abs(new - old)), steps + 1

    far = jnp.asarray(jnp.inf, share.dtype)
    return jax.lax.while_loop(running, step, (share, far, 0))[0]


_INNER_STEPS = 3  # evaluations of the bound in each round
_SHORT, _LONG = 20, 1000
_SHARE_STILL, _BOUND_STILL = 1e-5, 1e-7
_GRADIENT_STILL = 1e-4
