"""Variational EM for responsibilities and hyper-parameters, from several initialisations.

The functions are integrated out. A few EM steps are taken from each initialisation, and
only the one with the largest lower bound continues to convergence (Biernacki, Celeux and
Govaert, Comput. Stat. Data Anal. 41 (2003) 561, "em-EM",
doi:10.1016/S0167-9473(02)00163-6). The M step takes a few quasi-Newton steps and keeps its
approximation of the Hessian for the next M step.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._numerics.bfgs import minimise
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Bool, Float, Int, PRNGKey
from battprob.models.mixture._bound import e_step, elbo
from battprob.models.mixture._initialisation import initial_responsibilities
from battprob.models.mixture._parameters import (
    MixtureData,
    MixtureParameters,
    vmapped,
)

# An incomplete M step is enough for EM to converge (generalised EM), and responsibilities
# change most in the first steps: evaluations of the bound in each M step.
_M_STEP_EVALUATIONS = 3
_SHORT_STEPS, _MAX_STEPS = 20, 1000
# Predictions and evidences change by less than their posterior uncertainty long before
# responsibilities and the bound (in nats) change by less than this.
_RESPONSIBILITY_TOLERANCE, _ELBO_TOLERANCE = 1e-5, 1e-7
_GRADIENT_TOLERANCE = 1e-4


class EMResult(NamedTuple):
    """Result of EM.

    Args:
        parameters: hyper-parameters of the last M step.
        responsibilities: of the last E step.
        elbo: lower bound after the last M step; -inf if it is not finite.
        converged: whether responsibilities and bound changed by less than the tolerance.
        steps: number of EM steps.
    """

    parameters: MixtureParameters
    responsibilities: Float[Array, "k n"]
    elbo: Float[Array, ""]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    flat: Float[Array, " p"]
    inverse_hessian: Float[Array, "p p"]
    responsibilities: Float[Array, "k n"]
    elbo: Float[Array, ""]
    responsibility_change: Float[Array, ""]
    elbo_change: Float[Array, ""]
    steps: Int[Array, ""]


@eqx.filter_jit
def best_initialisation(
    parameters: MixtureParameters, data: MixtureData, key: PRNGKey, num: int
) -> EMResult:
    """The result with the largest bound of short EM runs from `num` initialisations."""
    starts = initial_responsibilities(parameters, data, key, num)
    mapped = jax.lax.map if parameters.is_process else vmapped
    ends = mapped(lambda start: _em(parameters, data, start, _SHORT_STEPS), starts)
    best = jnp.argmax(ends.elbo)
    return jax.tree.map(lambda leaf: leaf[best], ends)


@eqx.filter_jit
def run_em(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
) -> EMResult:
    """EM until convergence."""
    return _em(parameters, data, responsibilities, _MAX_STEPS)


@eqx.filter_jit
def converged_responsibilities(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
) -> Float[Array, "k n"]:
    """E steps until convergence, with fixed hyper-parameters."""

    def running(state):
        _, change, steps = state
        return (change > _RESPONSIBILITY_TOLERANCE) & (steps < _MAX_STEPS)

    def step(state):
        old, _, steps = state
        new = e_step(parameters, data, old)
        return new, jnp.max(jnp.abs(new - old)), steps + 1

    infinite = jnp.asarray(jnp.inf, responsibilities.dtype)
    return jax.lax.while_loop(running, step, (responsibilities, infinite, 0))[0]


def _em(parameters, data, responsibilities, max_steps):
    """At most `max_steps` EM steps."""
    flat, unravel = ravel_parameters(parameters)

    def running(state):
        converged = (state.responsibility_change < _RESPONSIBILITY_TOLERANCE) & (
            state.elbo_change < _ELBO_TOLERANCE
        )
        return ~converged & (state.steps < max_steps)

    def step(state):
        mode = _m_step(state, unravel, data)
        finite = jnp.isfinite(mode.value)
        flat = jnp.where(finite, mode.x, state.flat)
        new = e_step(unravel(flat), data, state.responsibilities)
        new = jnp.where(jnp.isfinite(new), new, state.responsibilities)
        # A run whose bound is not finite stops: it keeps its state, has a bound of -inf
        # and no changes.
        elbo = jnp.where(finite, -mode.value, -jnp.inf)
        change = jnp.max(jnp.abs(new - state.responsibilities))
        return _State(
            flat=flat,
            inverse_hessian=jnp.where(
                finite, mode.inverse_hessian, state.inverse_hessian
            ),
            responsibilities=new,
            elbo=elbo,
            responsibility_change=jnp.where(finite, change, 0.0),
            elbo_change=jnp.where(finite, jnp.abs(elbo - state.elbo), 0.0),
            steps=state.steps + 1,
        )

    first = _initial_state(flat, responsibilities)
    end = jax.lax.while_loop(running, step, first)
    converged = (end.steps < max_steps) & jnp.isfinite(end.elbo)
    parameters = unravel(end.flat)
    return EMResult(parameters, end.responsibilities, end.elbo, converged, end.steps)


def _m_step(state, unravel, data):
    """A few quasi-Newton steps towards the maximum of the bound over the parameters."""

    def objective(vector):
        return -elbo(unravel(vector), (data, state.responsibilities))

    return minimise(
        objective,
        state.flat,
        state.inverse_hessian,
        max_steps=_M_STEP_EVALUATIONS,
        gradient_tolerance=_GRADIENT_TOLERANCE,
        value_tolerance=0.0,
    )


def _initial_state(flat, responsibilities):
    infinite = jnp.asarray(jnp.inf, flat.dtype)
    return _State(
        flat=flat,
        inverse_hessian=jnp.eye(flat.size, dtype=flat.dtype),
        responsibilities=responsibilities,
        elbo=-infinite,
        responsibility_change=infinite,
        elbo_change=infinite,
        steps=jnp.zeros((), int),
    )
