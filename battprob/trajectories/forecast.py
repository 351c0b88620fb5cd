"""Forecast of one cell: its future capacities, and its life until a threshold."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._files.serialise import save
from battprob._typing import Array, ArrayLike, Float
from battprob.predictive import Predictive
from battprob.trajectories import _condition, _paths, _records
from battprob.trajectories._condition import CurveModel, ShapePosterior
from battprob.trajectories._population import PopulationDraws
from battprob.trajectories._records import Record
from battprob.transforms import Log

_STEPS = 256
_LONG_LIFE = 0.95  # quantile of the lives
_HORIZON = 4.0  # times a long life, or times the record if that is longer
_LEAST_VARIANCE = 1e-10  # of log life: keeps the density finite where all paths agree


class Forecast(eqx.Module):
    """Future capacities of one cell and their first crossing of a threshold.

    The population is not known exactly; draws of it disagree, and that disagreement is
    the epistemic variance, which more cells would reduce. Within a draw, the life and the
    shape of this cell (as far as its record does not determine them), the rough part of
    its path and the noise are aleatoric.

    Args:
        record: readings of the cell, thinned.
        curve_model: model of capacity curves.
        shapes: posterior of this cell's shape for sampled lives.
        start_ah: initial capacity in Ah.
        path_cycle: cycles at which paths are evaluated, up to the horizon.
        paths: capacity without noise at these cycles, as a fraction of `start_ah`.
        monotone: whether paths never rise.
    """

    record: Record
    curve_model: CurveModel
    shapes: ShapePosterior
    start_ah: Float[Array, ""]
    path_cycle: Float[Array, " h"]
    paths: Float[Array, "s p h"]
    monotone: bool = eqx.field(static=True)

    @property
    def horizon(self) -> float:
        """Last cycle of the forecast: four times a long life, or four times the record."""
        return float(self.path_cycle[-1])

    def capacity(self, cycles: ArrayLike) -> Predictive:
        """Predicted capacity reading at each of these cycles, in Ah.

        Args:
            cycles: list of cycles after the end of the record, up to `horizon`.

        Raises:
            DataError: a cycle lies outside this range.
        """
        cycles = jnp.asarray(cycles, self.path_cycle.dtype)
        last, horizon = float(self.record.last_cycle), self.horizon
        if cycles.ndim != 1 or not bool(jnp.all((cycles > last) & (cycles <= horizon))):
            raise DataError(
                f"cycles must be a list of cycles after {last:g} (the end of the record) "
                f"and up to the horizon {horizon:g}; got {np.asarray(cycles)}"
            )
        if self.monotone:
            # The running minimum of a path has no closed-form moments.
            mean = _paths.interpolate(self.paths, self.path_cycle, cycles)
            variance = jnp.zeros_like(mean)
        else:
            mean, variance = _paths.path_moments(
                self.record, self.shapes, self.curve_model, cycles
            )
        unit, zero = self.start_ah, jnp.zeros_like(mean)
        noise = unit**2 * (variance + self.record.noise_variance)
        return Predictive(unit * mean, noise, zero, zero)

    def life(self, threshold_ah: int | float) -> Predictive:
        """Predicted cycle at which the path, without noise, first falls to a threshold.

        A path that does not reach the threshold before the horizon counts as reaching it
        there. Upper quantiles are then lower bounds; `uncrossed` is the probability of
        these paths.

        Args:
            threshold_ah: capacity in Ah.

        Raises:
            DataError: the threshold is not between 0 and the initial capacity, or the
                record has reached it already.
        """
        threshold = jnp.asarray(self._fraction(threshold_ah))
        life = _paths.first_crossing(self.paths, self.path_cycle, threshold)
        location, variance = smooth_crossings(life)
        zero = jnp.zeros_like(location)
        return Predictive(location, variance + zero, zero, zero, Log())

    def uncrossed(self, threshold_ah: int | float) -> float:
        """Probability that the threshold is not reached before the horizon.

        Raises:
            DataError: as for `life`.
        """
        return float(jnp.mean(self.paths.min(-1) > self._fraction(threshold_ah)))

    def crossed(self, threshold_ah: int | float) -> bool:
        """Whether the record has already reached the threshold."""
        record = jax.tree.map(np.asarray, self.record)
        fraction = threshold_ah / float(self.start_ah)
        return bool(np.isfinite(_records.crossing(record, fraction)))

    def save(self, path: str | os.PathLike) -> None:
        """Write the forecast to one file; `battprob.load(path)` reads it back."""
        save(self, path)

    def _fraction(self, threshold_ah):
        start, fraction = float(self.start_ah), threshold_ah / float(self.start_ah)
        if not 0 < fraction < 1:
            raise DataError(
                "threshold_ah must lie between 0 and the initial capacity of "
                f"{start:.4g} Ah; got {threshold_ah:g}"
            )
        if self.crossed(threshold_ah):
            raise DataError(
                f"the record has already reached {threshold_ah:g} Ah: choose a lower "
                "threshold_ah or an earlier after_cycle"
            )
        return fraction


def make_forecast(
    curve_model: CurveModel,
    population: PopulationDraws,
    record: Record,
    start_ah: float,
    log_life: np.ndarray,
    rng: np.random.Generator,
    *,
    monotone: bool,
) -> Forecast:
    """Sample the shape for each of the log lives [s p], and a path to the horizon."""
    last = float(record.last_cycle)
    long_life = float(np.exp(np.quantile(log_life, _LONG_LIFE)))
    horizon = _HORIZON * max(long_life, last)
    cycles = jnp.asarray(last + np.geomspace(0.5, horizon - last, _STEPS))
    shapes = _condition.shape_posterior(
        curve_model, population, record, jnp.asarray(log_life)
    )
    paths = _paths.sample_paths(curve_model, shapes, record, cycles, rng)
    if monotone:
        paths = jax.lax.cummin(paths, axis=2)
    return Forecast(
        record, curve_model, shapes, jnp.asarray(start_ah), cycles, paths, monotone
    )


@eqx.filter_jit
def smooth_crossings(
    life: Float[Array, "s p"],
) -> tuple[Float[Array, "s p"], Float[Array, "s 1"]]:
    """Kernel density estimate of log life in each draw, as (locations, variance).

    The bandwidth h is 0.9 p^(-1/5) standard deviations (Silverman 1986, eq. 3.31). The
    locations are moved towards their mean, so that the density has the mean and variance
    of the sample; without this every forecast would be too wide.
    """
    log_life = jnp.log(life)
    num = log_life.shape[1]
    centre = log_life.mean(1, keepdims=True)
    variance = log_life.var(1, keepdims=True)
    ratio = (0.9 * num**-0.2) ** 2
    location = centre + (log_life - centre) / jnp.sqrt(1 + ratio)
    return location, variance * ratio / (1 + ratio) + _LEAST_VARIANCE
