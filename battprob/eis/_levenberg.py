r"""Damped Gauss-Newton (Levenberg-Marquardt), written to be vmapped over starts and spectra.

Minimises, over the unconstrained parameters z and with the noise level profiled out,

    F(z) = (N/2) log Σ_i w_i (y_i - m_i(z))² + ½ Σ_j ((z_j - prior_j) / sd_j)²

Every pass evaluates the model and its Jacobian **once**, at a trial point that is taken
or drawn nearer, so that fits at different stages share passes.

References:
    Marquardt, J. Soc. Indust. Appl. Math. 11 (1963) 431, doi:10.1137/0111030.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Bool, Float, Int
from battprob.eis._scales import Prior

_LONGEST_STEP = 2.0  # a factor e² in a positive parameter
_FIRST_DAMPING = 1e-2
_MOST_DAMPING = 1e8


class Misfit(NamedTuple):
    """A weighted least-squares problem; `model` answers values and slopes."""

    model: Callable[
        [Float[Array, " p"]], tuple[Float[Array, " r"], Float[Array, "p r"]]
    ]
    target: Float[Array, " r"]
    weight: Float[Array, " r"]
    prior: Prior


class Point(NamedTuple):
    """Misfit, slope and curvature at z, the noise level estimated there."""

    z: Float[Array, " p"]
    value: Float[Array, ""]
    descent: Float[Array, " p"]
    curvature: Float[Array, "p p"]


class Fit(NamedTuple):
    """Where a fit ended."""

    z: Float[Array, " p"]
    value: Float[Array, ""]
    converged: Bool[Array, ""]
    steps: Int[Array, ""]


class _State(NamedTuple):
    best: Point
    trial: Float[Array, " p"]
    damping: Float[Array, ""]
    done: Bool[Array, ""]
    steps: Int[Array, ""]


def solve(matrix: Float[Array, "p p"], right: Float[Array, " p"]) -> Float[Array, " p"]:
    """matrix⁻¹ right for a symmetric matrix scaled to a unit diagonal first."""
    scale = 1 / jnp.sqrt(jnp.diagonal(matrix))
    factor = jnp.linalg.cholesky(scale[:, None] * matrix * scale[None, :])
    return scale * jax.scipy.linalg.cho_solve((factor, True), scale * right)


def levenberg(
    misfit: Misfit,
    start: Float[Array, " p"],
    max_steps: int | Int[Array, ""],
    *,
    tolerance: float = 1e-5,
) -> Fit:
    """The minimum that `start` leads to, until the expected decrease is below tolerance."""

    def running(state):
        return ~state.done & (state.steps < max_steps)

    def step(state):
        found = _evaluate(misfit, state.trial)
        better = found.value < state.best.value
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), found, state.best)
        damping = jnp.where(better, 0.2 * state.damping, 5.0 * state.damping)
        diagonal = jnp.diagonal(best.curvature)
        move = solve(best.curvature + damping * jnp.diag(diagonal), best.descent)
        longest = jnp.max(jnp.abs(move))
        move = move * jnp.minimum(1.0, _LONGEST_STEP / jnp.maximum(longest, 1e-30))
        promised = 0.5 * jnp.dot(best.descent, move)
        done = (better & (promised < tolerance)) | (damping > _MOST_DAMPING)
        return _State(
            best,
            best.z + move,
            damping,
            done | ~jnp.isfinite(promised),
            state.steps + 1,
        )

    size = start.size
    nowhere = Point(
        start,
        jnp.asarray(jnp.inf, start.dtype),
        jnp.zeros_like(start),
        jnp.eye(size, dtype=start.dtype),
    )
    first = jnp.asarray(_FIRST_DAMPING / 0.2, start.dtype)
    state = _State(nowhere, start, first, jnp.zeros((), bool), jnp.zeros((), int))
    end = jax.lax.while_loop(running, step, state)
    converged = end.done & jnp.isfinite(end.best.value)
    return Fit(end.best.z, end.best.value, converged, end.steps)


def _evaluate(misfit, z):
    mean, slopes = misfit.model(z)
    residual = misfit.target - mean
    weighted = misfit.weight[None] * slopes
    square = jnp.sum(misfit.weight * residual**2) + _floor(misfit)
    variance = square / residual.size
    away = (z - misfit.prior.mean) / misfit.prior.sd
    value = 0.5 * residual.size * jnp.log(square) + 0.5 * jnp.sum(away**2)
    descent = weighted @ residual / variance - away / misfit.prior.sd
    curvature = weighted @ slopes.T / variance + jnp.diag(1 / misfit.prior.sd**2)
    value = jnp.where(jnp.all(jnp.isfinite(curvature)), value, jnp.inf)
    return Point(z, value, descent, curvature)


def _floor(misfit):
    """What rounding leaves of a perfect fit: the log of the misfit stays finite."""
    eps = jnp.finfo(misfit.target.dtype).eps
    return (100 * eps) ** 2 * jnp.sum(misfit.weight * misfit.target**2)
