"""Quasi-Newton minimisation (BFGS) of a smooth function of tens of parameters.

Why not a library: one evaluation (a factorisation of an n × n matrix) costs far more than
the rest of a step. Here every pass through the loop evaluates value and gradient once, at
a trial point that is accepted or shortened. Under `vmap`, starts at different stages share
passes, and the program contains one copy of the function to compile.

Measured on the evidence of a Gaussian process (200 rows, 6 parameters, 4 starts): this
code needs 102 evaluations. BFGS of optimistix 0.1.0 needs 185 for the same value; that of
jax.scipy stops 51 and 4 above it from two of the starts, and did not finish within 150 s
under `vmap` (60 rows).
Neither of them passes on the solution of a solver inside the function (`warm_start`),
which halves the time of fits with `noise.LatentGP`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Bool, Float, Int

_ARMIJO = 1e-4  # fraction of the predicted decrease that a step must reach
_MAX_SHRINKS = 20


class Minimum(NamedTuple):
    """Result of a minimisation."""

    x: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    warm_start: Any
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    x: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    warm_start: Any
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
    warm_start: Any = None,
    max_steps: int | Int[Any, ""] = 200,
    gradient_tolerance: float = 1e-3,
    value_tolerance: float = 1e-8,
) -> Minimum:
    """Minimum of a smooth function by BFGS with Armijo backtracking.

    Stops when the largest gradient entry, or the decrease of the value relative to its
    size, falls below its tolerance. A start with no finite value stops at once and counts
    as not converged; so does a line search that finds no decrease although the gradient
    predicts a large one.

    Args:
        function: x -> value. With a warm start: (x, warm_start) -> (value, warm_start),
            where warm_start is the initial value of a solver inside the function and
            changes the value by no more than the tolerance of that solver. Every trial
            point gets the warm start of the best point so far.
        x: start.
        inverse_hessian: inverse Hessian at the start; None: the identity, scaled by the
            first step.
        warm_start: warm start at `x`.
        max_steps: maximal number of evaluations.
        gradient_tolerance: of the largest absolute entry of the gradient.
        value_tolerance: of the decrease relative to the value (at least one).

    References:
        Nocedal and Wright, Numerical Optimization (2006), algorithm 6.1, eq. 6.17.
    """
    if warm_start is None:
        plain = function
        function = lambda x, warm_start: (plain(x), warm_start)  # noqa: E731
    value_and_gradient = jax.value_and_grad(function, has_aux=True)
    eps = jnp.finfo(x.dtype).eps
    value_tolerance = max(value_tolerance, 4 * float(eps))

    def running(state):
        return ~state.done & (state.steps < max_steps)

    def step(state):
        trial = state.x + state.step_size * state.direction
        (value, warm_start), gradient = value_and_gradient(trial, state.warm_start)
        predicted = state.step_size * jnp.dot(state.gradient, state.direction)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        accept = finite & (value <= state.value + _ARMIJO * predicted)
        accepted = _accepted(
            state, trial, value, gradient, gradient_tolerance, value_tolerance
        )._replace(warm_start=warm_start)
        rejected = _rejected(state, value, predicted, finite)
        chosen = jax.tree.map(lambda a, b: jnp.where(accept, a, b), accepted, rejected)
        return chosen._replace(steps=state.steps + 1)

    if inverse_hessian is None:
        inverse_hessian = jnp.eye(x.size, dtype=x.dtype)
    start = _start(x, inverse_hessian, warm_start)
    return _minimum(jax.lax.while_loop(running, step, start), value_tolerance)


def _start(x, inverse_hessian, warm_start):
    """State whose first trial point is `x` itself: any finite value is a decrease."""
    zero = jnp.zeros_like(x)
    return _State(
        x=x,
        value=jnp.asarray(jnp.inf, x.dtype),
        gradient=zero,
        inverse_hessian=inverse_hessian,
        warm_start=warm_start,
        direction=zero,
        step_size=jnp.ones((), x.dtype),
        shrinks=jnp.zeros((), int),
        steps=jnp.zeros((), int),
        done=jnp.zeros((), bool),
    )


def _minimum(end, value_tolerance):
    """The result of the last state."""
    # A line search may fail because of rounding near a minimum. It counts as converged
    # only if the predicted decrease is small.
    failed = end.shrinks > _MAX_SHRINKS
    predicted = -jnp.dot(end.gradient, end.direction)
    small = predicted <= value_tolerance**0.5 * jnp.maximum(1.0, jnp.abs(end.value))
    converged = end.done & jnp.isfinite(end.value) & (small | ~failed)
    return Minimum(
        end.x,
        end.value,
        end.gradient,
        end.inverse_hessian,
        end.warm_start,
        converged,
        end.steps,
    )


def _accepted(state, trial, value, gradient, gradient_tolerance, value_tolerance):
    """The state at the trial point, with a new direction."""
    inverse_hessian = _updated(state, trial - state.x, gradient - state.gradient)
    direction = -inverse_hessian @ gradient
    # Rounding can make a direction of ascent; then steepest descent takes its place.
    descends = jnp.dot(direction, gradient) < 0
    identity = jnp.eye(trial.size, dtype=trial.dtype)
    inverse_hessian = jnp.where(descends, inverse_hessian, identity)
    direction = jnp.where(descends, direction, -gradient)
    # Parameters are logarithms: no step changes one by more than a factor e².
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


def _updated(state, s, y):
    """Inverse Hessian after the step s, which changed the gradient by y (eq. 6.17)."""
    curvature = jnp.dot(s, y)
    first = jnp.isinf(state.value)
    # The update stays positive definite only for positive curvature along the step.
    usable = ~first & (curvature > 1e-10 * jnp.dot(y, y))
    safe = jnp.where(usable, curvature, 1.0)
    identity = jnp.eye(s.size, dtype=s.dtype)
    left = identity - jnp.outer(s, y) / safe
    # The first pair (s, y) sets the scale of the initial matrix (eq. 6.20).
    initial = jnp.all(state.inverse_hessian == identity)
    scale = jnp.where(initial, safe / jnp.maximum(jnp.dot(y, y), 1e-30), 1.0)
    middle = scale * state.inverse_hessian
    updated = left @ middle @ left.T + jnp.outer(s, s) / safe
    return jnp.where(usable, updated, state.inverse_hessian)


def _rejected(state, value, predicted, finite):
    """The state with a shorter step along the same direction."""
    # Minimum of the parabola through both values and the slope at the old point.
    curvature = value - state.value - predicted
    parabola = -0.5 * predicted / jnp.where(curvature > 0, curvature, 1.0)
    factor = jnp.where(finite & (curvature > 0), jnp.clip(parabola, 0.1, 0.5), 0.1)
    shrinks = state.shrinks + 1
    failed = (shrinks > _MAX_SHRINKS) | jnp.isinf(state.value)
    return state._replace(
        step_size=state.step_size * factor.astype(state.step_size.dtype),
        shrinks=shrinks,
        done=failed,
    )
