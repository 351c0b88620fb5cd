"""Maximum a posteriori: the best of several BFGS starts, tried on a part of the data."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from battprob._errors import FitError
from battprob._numerics.bfgs import Minimum, minimise
from battprob._random import generator
from battprob._typing import PRNGKey
from battprob.inference.base import AbstractInference, LogJoint, Parameters
from battprob.inference.report import FitReport, Stopwatch, stopwatch

_START_SPREAD = 1.0
_FLAT = 1e-6  # relative change of the log density that no posterior would notice
_NEARLY_FLAT = 1e-3  # enough to tell which of several modes is the highest


class MAP(AbstractInference):
    """The mode of the log joint density, as one draw.

    Args:
        num_starts: the first start is the model's own, the others are scattered around
            it by one unit (a factor e in a scale); evidence surfaces have several modes.
            Where rows are many, the model has the starts compared on some of them.
        max_steps: most evaluations of the density for each start.
    """

    num_starts: int = eqx.field(default=4, static=True)
    max_steps: int = eqx.field(default=200, static=True)

    def run(self, log_joint, initial, data, *, key, pilot=None, remembering=None):
        first, flat = (data, _FLAT) if pilot is None else (pilot, _NEARLY_FLAT)
        with stopwatch() as watch:
            starts = _scattered(initial, key, self.num_starts)
            densities = (log_joint, remembering)
            best, minimum = _best_of_starts(
                densities, starts, first, self.max_steps, flat
            )
            if pilot is not None:
                best, minimum = _go_on(densities, best, minimum, data, self.max_steps)
            jax.block_until_ready(best)
        return jax.tree.map(_one_draw, best), _report(minimum, watch)

    def run_many(
        self, log_joint: LogJoint, initial: Parameters, data: Any, *, key: PRNGKey
    ) -> tuple[Parameters, list[FitReport]]:
        """`run` for each of many data of the same shapes, stacked, in one program.

        Returns:
            The modes, stacked as `data` are, and a report of each.
        """
        with stopwatch() as watch:
            starts = _scattered(initial, key, self.num_starts)
            found = _best_of_each((log_joint, None), starts, data, self.max_steps)
            best, minima = jax.block_until_ready(found)
        minima = jax.tree.map(np.asarray, minima)
        num = len(minima.value)
        share = Stopwatch(watch.compile / num, watch.run / num)
        each = [jax.tree.map(lambda leaf: leaf[i], minima) for i in range(num)]  # noqa: B023
        return best, [_report(minimum, share) for minimum in each]


def _scattered(initial, key, num_starts):
    """Starts around the model's own, which is the first."""
    draw = generator(key)

    def around(leaf):
        noise = draw.normal(size=(num_starts, *leaf.shape))
        noise[0] = 0.0
        return jnp.asarray((leaf + _START_SPREAD * noise).astype(leaf.dtype))

    return jax.tree.map(around, jax.tree.map(np.asarray, initial))


def _one_draw(leaf):
    return jnp.asarray(np.asarray(leaf)[None])


@eqx.filter_jit
def _best_of_starts(densities, starts, data, max_steps, tolerance):
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], starts))[1]
    objective, memory = _objective(densities, unravel, data)

    def search(start):
        return minimise(
            objective,
            ravel_pytree(start)[0],
            memory=memory,
            max_steps=max_steps,
            value_tolerance=tolerance,
        )._replace(memory=None)

    # Side by side, all would take as many steps as the slowest of them, inner ones too.
    ends = jax.lax.map(search, starts)
    winner = jnp.argmin(jnp.where(jnp.isfinite(ends.value), ends.value, jnp.inf))
    best = jax.tree.map(lambda leaf: leaf[winner], ends)
    return unravel(best.x), best._replace(steps=ends.steps.sum())


@eqx.filter_jit
def _best_of_each(densities, starts, data, max_steps):
    # One after the other: side by side, all would take the steps of the slowest.
    return jax.lax.map(
        lambda own: _best_of_starts(densities, starts, own, max_steps, _FLAT), data
    )


@eqx.filter_jit
def _go_on(densities, initial, found, data, max_steps):
    """One search from where another ended, with the curvature that it learned."""
    flat, unravel = ravel_pytree(initial)
    objective, memory = _objective(densities, unravel, data)
    best = minimise(
        objective,
        flat,
        found.inverse_hessian,
        memory=memory,
        max_steps=max_steps,
        value_tolerance=_FLAT,
    )
    return unravel(best.x), best._replace(steps=best.steps + found.steps)


def _objective(densities, unravel, data):
    """What is minimised, and its memory: the data, where the density remembers."""
    log_joint, remembering = densities
    if remembering is None:
        return lambda vector: -log_joint(unravel(vector), data), None

    def objective(vector, data):
        density, data = remembering(unravel(vector), data)
        return -density, data

    return objective, data


def _report(minimum: Minimum, watch) -> FitReport:
    """How a search went; a search that found no finite density is refused."""
    steepest = float(np.max(np.abs(minimum.gradient)))
    if not np.isfinite(minimum.value):
        message = (
            "no start reached a finite density: look for columns of wildly different "
            "scale or repeated rows, or call battprob.enable_x64()"
        )
    elif minimum.converged:
        message = f"mode found, steepest gradient {steepest:.1e}"
    else:
        message = f"stopped short of the mode, steepest gradient {steepest:.1e}"
    report = FitReport(
        converged=bool(minimum.converged),
        message=message,
        steps=int(minimum.steps),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
    if not np.isfinite(minimum.value):
        raise FitError(message, report)
    return report
