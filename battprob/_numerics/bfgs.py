"""Quasi-Newton minimisation of a smooth function of tens of parameters, batched.

Written for objectives that cost far more than the update (an n × n factorisation): every
pass through the loop evaluates value and gradient **once**, at a trial point that is
taken or drawn nearer, so that under `vmap` starts at different stages share passes and
the program holds one copy of the objective to compile.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Bool, Float, Int

_SUFFICIENT = 1e-4  # Armijo's share of the promised decrease
_MAX_SHRINKS = 20


class Minimum(NamedTuple):
    """Where a minimisation ended."""

    x: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    memory: Any
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    x: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    memory: Any
    direction: Float[Array, " p"]
    step_size: Float[Array, ""]
    shrinks: Int[Array, ""]
    steps: Int[Array, ""]
    done: Bool[Array, ""]


def minimise(
    function: Callable[..., Any],
    x: Float[Array, " p"],
    inverse_hessian: Float[Array, "p p"] | None = None,
    *,
    memory: Any = None,
    max_steps: int = 200,
    gradient_tolerance: float = 1e-3,
    value_tolerance: float = 1e-8,
) -> Minimum:
    """BFGS with Armijo backtracking from `x`, with what is known of the curvature there.

    Stops when the largest gradient entry, or the decrease of the value relative to its
    size, falls below tolerance. A start with no finite value stops at once, unconverged;
    so does a line search that finds nothing though the gradient promises much.

    Args:
        function: x -> value. With a memory: (x, memory) -> (value, memory), where memory
            tells a solver inside where to start, and changes the value by no more than
            that solver's tolerance. The memory of the best point is passed on.
        x: start.
        inverse_hessian: there; None takes the identity, scaled by the first step.
        memory: at the start.
        max_steps: most evaluations.
        gradient_tolerance: of the largest entry.
        value_tolerance: of the decrease relative to the value.

    References:
        Nocedal and Wright, Numerical Optimization (2006), algorithm 6.1, eq. 6.17.
    """
    if memory is None:
        plain = function
        function = lambda x, memory: (plain(x), memory)  # noqa: E731
    value_and_gradient = jax.value_and_grad(function, has_aux=True)
    eps = jnp.finfo(x.dtype).eps
    value_tolerance = max(value_tolerance, 4 * float(eps))

    def running(state):
        return ~state.done & (state.steps < max_steps)

    def step(state):
        trial = state.x + state.step_size * state.direction
        (value, memory), gradient = value_and_gradient(trial, state.memory)
        promised = state.step_size * jnp.dot(state.gradient, state.direction)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        accept = finite & (value <= state.value + _SUFFICIENT * promised)
        near = _take(state, trial, value, gradient, gradient_tolerance, value_tolerance)
        near = near._replace(memory=memory)
        far = _shrink(state, value, promised, finite)
        chosen = jax.tree.map(lambda a, b: jnp.where(accept, a, b), near, far)
        return chosen._replace(steps=state.steps + 1)

    if inverse_hessian is None:
        inverse_hessian = jnp.eye(x.size, dtype=x.dtype)
    start = _start(x, inverse_hessian, memory)
    return _minimum(jax.lax.while_loop(running, step, start), value_tolerance)


def _start(x, inverse_hessian, memory):
    """The first pass evaluates the start itself: any finite value beats infinity."""
    zero = jnp.zeros_like(x)
    return _State(
        x=x,
        value=jnp.asarray(jnp.inf, x.dtype),
        gradient=zero,
        inverse_hessian=inverse_hessian,
        memory=memory,
        direction=zero,
        step_size=jnp.ones((), x.dtype),
        shrinks=jnp.zeros((), int),
        steps=jnp.zeros((), int),
        done=jnp.zeros((), bool),
    )


def _minimum(end, value_tolerance):
    """A line search may fail for want of digits, but not with a large decrease ahead."""
    stuck = end.shrinks > _MAX_SHRINKS
    ahead = -jnp.dot(end.gradient, end.direction)
    near = ahead <= value_tolerance**0.5 * jnp.maximum(1.0, jnp.abs(end.value))
    converged = end.done & jnp.isfinite(end.value) & (near | ~stuck)
    return Minimum(
        end.x,
        end.value,
        end.gradient,
        end.inverse_hessian,
        end.memory,
        converged,
        end.steps,
    )


def _take(state, trial, value, gradient, gradient_tolerance, value_tolerance):
    """Move to the trial point and aim anew."""
    inverse_hessian = _updated(state, trial - state.x, gradient - state.gradient)
    direction = -inverse_hessian @ gradient
    # Rounding can spoil descent; steepest descent is always there to fall back on.
    descends = jnp.dot(direction, gradient) < 0
    identity = jnp.eye(trial.size, dtype=trial.dtype)
    inverse_hessian = jnp.where(descends, inverse_hessian, identity)
    direction = jnp.where(descends, direction, -gradient)
    # Parameters are logarithms: no step should change any by more than a factor e².
    longest = jnp.max(jnp.abs(direction))
    decrease = state.value - value
    small = decrease <= value_tolerance * jnp.maximum(1.0, jnp.abs(value))
    return state._replace(
        x=trial,
        value=value,
        gradient=gradient,
        inverse_hessian=inverse_hessian,
        direction=direction,
        step_size=jnp.minimum(1.0, 2.0 / jnp.maximum(longest, 1e-12)),
        shrinks=jnp.zeros_like(state.shrinks),
        done=(jnp.max(jnp.abs(gradient)) <= gradient_tolerance) | small,
    )


def _updated(state, moved, turned):
    """Inverse Hessian after a step `moved` that changed the gradient by `turned`."""
    curvature = jnp.dot(moved, turned)
    first = jnp.isinf(state.value)
    usable = ~first & (curvature > 1e-10 * jnp.dot(turned, turned))
    safe = jnp.where(usable, curvature, 1.0)
    identity = jnp.eye(moved.size, dtype=moved.dtype)
    left = identity - jnp.outer(moved, turned) / safe
    # The first pair sets the scale of the starting matrix (Nocedal and Wright, eq. 6.20).
    untouched = jnp.all(state.inverse_hessian == identity)
    scale = jnp.where(
        untouched, safe / jnp.maximum(jnp.dot(turned, turned), 1e-30), 1.0
    )
    middle = scale * state.inverse_hessian
    updated = left @ middle @ left.T + jnp.outer(moved, moved) / safe
    return jnp.where(usable, updated, state.inverse_hessian)


def _shrink(state, value, promised, finite):
    """Draw the trial point nearer, by the parabola through what is known."""
    curvature = value - state.value - promised
    parabola = -0.5 * promised / jnp.where(curvature > 0, curvature, 1.0)
    factor = jnp.where(finite & (curvature > 0), jnp.clip(parabola, 0.1, 0.5), 0.1)
    shrinks = state.shrinks + 1
    # A line search that finds nothing has met the limit of the arithmetic.
    stuck = (shrinks > _MAX_SHRINKS) | jnp.isinf(state.value)
    return state._replace(
        step_size=state.step_size * factor.astype(state.step_size.dtype),
        shrinks=shrinks,
        done=stuck,
    )
