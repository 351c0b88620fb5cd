"""What is known of one cell's fade after a part of it: capacities to come, and life."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.predictive import Predictive
from battprob.trajectories import _condition as condition
from battprob.trajectories import _paths as roads
from battprob.trajectories import _records as records
from battprob.trajectories._condition import Nodes, Setting
from battprob.trajectories._population import Population
from battprob.trajectories._records import Record
from battprob.transforms import Log

_STEPS = 256
_LIKELY = 0.95
_FARTHEST = 4.0  # times the longest likely life, or the cycles seen


class Forecast(eqx.Module):
    """Capacities to come and the first crossing of a threshold.

    Draws of the population disagree: that is epistemic, more cells would settle it. Inside
    each, the cell's own life and shape as far as its record leaves them open, the rough
    path and the noise are aleatoric.

    Args:
        ahead: cycles at which paths are held, to the horizon.
        paths: capacity without noise along them, as a fraction of the start.
        start_ah: capacity of which it is a fraction.
    """

    record: Record
    setting: Setting
    nodes: Nodes
    start_ah: Float[Array, ""]
    ahead: Float[Array, " h"]
    paths: Float[Array, "s p h"]
    monotone: bool = eqx.field(static=True)

    @property
    def horizon(self) -> float:
        """Last cycle looked at: four times a long life, or the record."""
        return float(self.ahead[-1])

    def capacity(self, cycles: ArrayLike) -> Predictive:
        """Capacity that will be read at each of these cycles, Ah.

        Raises:
            DataError: a cycle is not after the record's last, or beyond the horizon.
        """
        cycles = jnp.asarray(cycles, self.ahead.dtype)
        last, horizon = float(self.record.last), self.horizon
        if cycles.ndim != 1 or not bool(jnp.all((cycles > last) & (cycles <= horizon))):
            raise DataError(
                f"cycles must be a list of cycles after {last:g} and up to the horizon "
                f"{horizon:g}"
            )
        if self.monotone:
            mean = roads.between(self.paths, self.ahead, cycles)
            variance = jnp.zeros_like(mean)
        else:
            mean, variance = roads.moments(
                self.record, self.nodes, self.setting, cycles
            )
        unit = self.start_ah
        noise, zero = unit**2 * (variance + self.record.white), jnp.zeros_like(mean)
        return Predictive(unit * mean, noise, zero, zero)

    def life(self, threshold_ah: int | float) -> Predictive:
        """Cycle at which the path, free of reading noise, first crosses a threshold.

        A path that does not cross before the horizon counts as crossing there: upper
        quantiles are then lower bounds, and `uncrossed` says how much lies beyond.

        Raises:
            DataError: the threshold is not positive, or the record is below it already.
        """
        level = jnp.asarray(self._level(threshold_ah))
        life = roads.first_crossing(self.paths, self.ahead, level)
        location, bandwidth = _smoothed(life)
        zero = jnp.zeros_like(location)
        return Predictive(location, bandwidth + zero, zero, zero, Log())

    def uncrossed(self, threshold_ah: int | float) -> float:
        """Probability that the threshold is not crossed before the horizon.

        Raises:
            DataError: as for `life`.
        """
        return float(jnp.mean(self.paths.min(-1) > self._level(threshold_ah)))

    def crossed(self, threshold_ah: int | float) -> bool:
        """Whether the record is below the threshold already."""
        record = jax.tree.map(np.asarray, self.record)
        level = threshold_ah / float(self.start_ah)
        return bool(np.isfinite(records.crossing(record, level)))

    def _level(self, threshold_ah):
        start, level = float(self.start_ah), threshold_ah / float(self.start_ah)
        if not 0 < level < 1:
            raise DataError(
                f"threshold_ah must lie between 0 and the capacity at the start, {start:.4g} "
                f"Ah; got {threshold_ah:g}"
            )
        if self.crossed(threshold_ah):
            raise DataError(
                f"the record has crossed {threshold_ah:g} Ah already: there is nothing to "
                "forecast"
            )
        return level


def look_ahead(
    setting: Setting,
    population: Population,
    record: Record,
    start_ah: float,
    log_life: np.ndarray,
    rng: np.random.Generator,
    *,
    monotone: bool,
) -> Forecast:
    """Shapes for each of the lives that a cell may have, and paths to the horizon."""
    last = float(record.last)
    longest = float(np.exp(np.quantile(log_life, _LIKELY)))
    horizon = _FARTHEST * max(longest, last)
    ahead = jnp.asarray(last + np.geomspace(0.5, horizon - last, _STEPS))
    nodes = condition.nodes(setting, population, record, jnp.asarray(log_life))
    paths = roads.paths(setting, nodes, record, ahead, rng)
    if monotone:
        paths = jax.lax.cummin(paths, axis=2)
    return Forecast(
        record, setting, nodes, jnp.asarray(start_ah), ahead, paths, monotone
    )


@eqx.filter_jit
def _smoothed(life):
    """Crossings of each draw as a density of the same mean and variance.

    Silverman's bandwidth; crossings are drawn together by what the kernels add.
    """
    log_life = jnp.log(life)
    num = log_life.shape[1]
    centre = log_life.mean(1, keepdims=True)
    variance = log_life.var(1, keepdims=True)
    share = (0.9 * num**-0.2) ** 2
    location = centre + (log_life - centre) / jnp.sqrt(1 + share)
    return location, variance * share / (1 + share) + 1e-10
