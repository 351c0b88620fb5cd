"""Maximum a posteriori: the best of several BFGS runs from different starts."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import FitError
from battprob._numerics.bfgs import Minimum, minimise
from battprob._parameters import map_parameters, ravel_parameters
from battprob._random import generator
from battprob._typing import PRNGKey
from battprob.inference.base import AbstractInference, LogJoint, Parameters
from battprob.inference.report import FitReport, Stopwatch, stopwatch

_START_STD = 1.0
# Relative changes of the log density at which a run stops: too small to matter for any
# posterior, and small enough to rank several modes.
_TOLERANCE, _PILOT_TOLERANCE = 1e-6, 1e-3


class MAP(AbstractInference):
    """The mode of the log joint density (maximum a posteriori), as one draw.

    Args:
        num_starts: number of starts. The first is the model's own; the others are drawn
            around it with a standard deviation of one (a factor e in a scale), because
            evidence surfaces have several modes. With many rows, models compare the starts
            on some of the rows.
        max_steps: maximal number of evaluations of the density for each start.
    """

    num_starts: int = eqx.field(default=4, static=True)
    max_steps: int = eqx.field(default=200, static=True)

    def run(self, log_joint, initial, data, *, key, pilot=None, warm_started=None):
        first = (data, _TOLERANCE) if pilot is None else (pilot, _PILOT_TOLERANCE)
        # As an array, another number of steps compiles nothing again.
        max_steps = np.asarray(self.max_steps)
        with stopwatch() as watch:
            starts = _scattered(initial, key, self.num_starts)
            densities = (log_joint, warm_started)
            best, minimum = _best_of_starts(densities, starts, *first, max_steps)
            if pilot is not None:
                best, minimum = _continued(densities, best, minimum, data, max_steps)
            jax.block_until_ready(best)
        return jax.tree.map(_one_draw, best), _report(minimum, watch)

    def run_many(
        self, log_joint: LogJoint, initial: Parameters, data: Any, *, key: PRNGKey
    ) -> tuple[Parameters, list[FitReport]]:
        """`run` for each of several data sets of the same shapes, in one program.

        Args:
            log_joint: as for `run`.
            initial: as for `run`; the same for all.
            data: as for `run`, every array with a leading axis of data sets.
            key: as for `run`; the same for all.

        Returns:
            The modes, with a leading axis of data sets, and a report of each.
        """
        with stopwatch() as watch:
            starts = _scattered(initial, key, self.num_starts)
            best, minima = jax.block_until_ready(
                _best_of_each(
                    (log_joint, None), starts, data, np.asarray(self.max_steps)
                )
            )
        minima = jax.tree.map(np.asarray, minima)
        num = len(minima.value)
        mean_watch = Stopwatch(watch.compile / num, watch.run / num)
        each = [jax.tree.map(lambda leaf: leaf[i], minima) for i in range(num)]  # noqa: B023
        return best, [_report(minimum, mean_watch) for minimum in each]


def _scattered(initial, key, num_starts):
    """Starts on a leading axis: the initial parameters, and others around them."""
    draw = generator(key)

    def repeated(leaf):
        return np.broadcast_to(leaf, (num_starts, *leaf.shape))

    def moved(leaf):
        noise = draw.normal(size=leaf.shape)
        noise[0] = 0.0
        return (leaf + _START_STD * noise).astype(leaf.dtype)

    starts = jax.tree.map(lambda leaf: repeated(np.asarray(leaf)), initial)
    return jax.tree.map(jnp.asarray, map_parameters(moved, starts))


def _one_draw(leaf):
    return jnp.asarray(np.asarray(leaf)[None])


@eqx.filter_jit
def _best_of_starts(densities, starts, data, tolerance, max_steps):
    unravel = ravel_parameters(jax.tree.map(lambda leaf: leaf[0], starts))[1]
    objective, warm_start = _objective(densities, unravel, data)

    def search(start):
        return minimise(
            objective,
            ravel_parameters(start)[0],
            warm_start=warm_start,
            max_steps=max_steps,
            value_tolerance=tolerance,
        )._replace(warm_start=None)

    # One after the other: under vmap, all starts take as many steps as the slowest one,
    # and so do the solvers inside the density.
    ends = jax.lax.map(search, starts)
    winner = jnp.argmin(jnp.where(jnp.isfinite(ends.value), ends.value, jnp.inf))
    best = jax.tree.map(lambda leaf: leaf[winner], ends)
    return unravel(best.x), best._replace(steps=ends.steps.sum())


@eqx.filter_jit
def _best_of_each(densities, starts, data, max_steps):
    # One after the other, for the reason in `_best_of_starts`.
    return jax.lax.map(
        lambda own: _best_of_starts(densities, starts, own, _TOLERANCE, max_steps), data
    )


@eqx.filter_jit
def _continued(densities, initial, pilot, data, max_steps):
    """One search on all rows, with the mode and inverse Hessian of the pilot run."""
    flat, unravel = ravel_parameters(initial)
    objective, warm_start = _objective(densities, unravel, data)
    best = minimise(
        objective,
        flat,
        pilot.inverse_hessian,
        warm_start=warm_start,
        max_steps=max_steps,
        value_tolerance=_TOLERANCE,
    )
    return unravel(best.x), best._replace(steps=best.steps + pilot.steps)


def _objective(densities, unravel, data):
    """The function to minimise, and its first warm start: the data, or None."""
    log_joint, warm_started = densities
    if warm_started is None:
        return lambda vector: -log_joint(unravel(vector), data), None

    def objective(vector, data):
        density, data = warm_started(unravel(vector), data)
        return -density, data

    return objective, data


def _report(minimum: Minimum, watch) -> FitReport:
    """The report of a minimisation.

    Raises:
        FitError: no start reached a finite density.
    """
    steepest = float(np.max(np.abs(minimum.gradient)))
    if not np.isfinite(minimum.value):
        message = (
            "no start reached a finite density: check for columns of very different "
            "scale or repeated rows, or call battprob.enable_x64()"
        )
    elif minimum.converged:
        message = f"mode found, largest gradient {steepest:.1e}"
    else:
        message = f"stopped before the mode, largest gradient {steepest:.1e}"
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
