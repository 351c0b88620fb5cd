"""What is known of one cell's fade after a part of it: capacities to come, and life."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.models import _fade_population as people
from battprob.models import _fade_records as records
from battprob.models._fade_records import Record
from battprob.models._fade_shape import Roughness, Shape, clock, rough_covariance
from battprob.predictive import Predictive
from battprob.transforms import Log

_LIVES = 128
_PATHS = 32
_STEPS = 256
_FARTHEST = (
    4.0  # of the longest life the population holds likely, and of the cycles seen
)
# Quarters of Gamma(ν/2, ν/2) for ν = 6, each by its middle.
_TAILS = np.array([0.4069, 0.7305, 1.0745, 1.6653])


class Setting(NamedTuple):
    """What was learned of curves: their shape, roughness, and the reference of life."""

    shape: Shape
    roughness: Roughness
    level: Float[Array, ""]
    typical: Float[Array, ""]

    def aged(self, record: Record) -> Record:
        """The record with its cycles in units of a typical life."""
        record = jax.tree.map(jnp.asarray, record)
        return record._replace(age=record.cycle / self.typical)


class Nodes(NamedTuple):
    """Lives and shapes that a cell may have: several in each draw of the population."""

    log_life: Float[Array, "s p"]
    location: Float[Array, "s p k"]
    root: Float[Array, "s p k k"]  # of the precision


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
        """Last cycle looked at: four times the longest life that is at all likely."""
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
            mean = _between(self.paths, self.ahead, cycles)
            variance = jnp.zeros_like(mean)
        else:
            mean, variance = _capacity(self.record, self.nodes, self.setting, cycles)
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
        life = _first_crossing(self.paths, self.ahead, self._level(threshold_ah))
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
    population: people.Population,
    record: Record,
    start_ah: float,
    key: PRNGKey,
    *,
    monotone: bool,
) -> Forecast:
    """Condition the population on a record, and draw paths to the horizon."""
    last = float(record.last)
    highest = population.centre[..., 0].max(1)
    spread = 3 * jnp.sqrt(population.covariance[:, 0, 0])
    longest = float(jnp.exp(jnp.median(highest + spread)))
    horizon = _FARTHEST * max(longest, last)
    ahead = jnp.asarray(last + np.geomspace(0.5, horizon - last, _STEPS))
    key_nodes, key_paths = jax.random.split(key)
    grid = _lives(setting, record)
    nodes = _nodes(setting, population, record, grid, key_nodes)
    paths = _paths(setting, nodes, record, ahead, key_paths)
    if monotone:
        paths = jax.lax.cummin(paths, axis=2)
    return Forecast(
        record, setting, nodes, jnp.asarray(start_ah), ahead, paths, monotone
    )


def impute(
    setting: Setting, population: people.Population, record: Record, key: PRNGKey
) -> Float[Array, "s p"]:
    """One (log life, x) of a cell in each draw of the population."""
    key_nodes, key_shape = jax.random.split(key)
    nodes = _nodes(setting, population, record, _lives(setting, record), key_nodes)
    return _one_each(nodes, key_shape)


def _lives(setting, record):
    """Log lives that the record leaves open: dense where they are near."""
    record = jax.tree.map(np.asarray, record)
    life = records.crossing(record, float(setting.level))
    if np.isfinite(life):
        return jnp.asarray(np.log(life) + np.linspace(-0.05, 0.05, _LIVES))
    return jnp.asarray(np.log(record.last) + np.geomspace(2e-3, 4.0, _LIVES))


@eqx.filter_jit
def _one_each(nodes, key):
    key_which, key_shape = jax.random.split(key)
    num, paths = nodes.log_life.shape
    which = jax.random.randint(key_which, (num,), 0, paths)
    nodes = jax.tree.map(lambda leaf: leaf[jnp.arange(num), which], nodes)
    noise = jax.random.normal(key_shape, nodes.location.shape)
    x = nodes.location + jax.vmap(_coloured)(nodes.root, noise)
    return jnp.concatenate([nodes.log_life[:, None], x], axis=1)


@eqx.filter_jit
def _nodes(setting, population, record, grid, key):
    known = people.seen(record, setting.roughness)
    said = jax.vmap(people.evidence, (None, 0, None, None))(
        known, grid, setting.shape, setting.level
    )
    keys = jax.random.split(key, len(population.centre))
    return jax.vmap(lambda one, key: _nodes_of(one, grid, said, key))(population, keys)


def _nodes_of(population, grid, said, key):
    """Tails, lives and neighbourhoods by their posterior, drawn evenly along lives."""
    log_share, centre, covariance = population
    slope = covariance[1:, 0] / covariance[0, 0]
    rest = covariance[1:, 1:] - slope[:, None] * covariance[None, 0, 1:]
    precision = people.inverse(rest)
    tails = jnp.asarray(_TAILS, grid.dtype)

    def log_weight(log_life, said, tail):
        """Every neighbourhood at once: they have their precision in common."""
        away = log_life - centre[:, 0]
        mean = centre[:, 1:] + slope[None] * away[:, None]
        root = jnp.linalg.cholesky(tail * precision + said.matrix)
        pulled = tail * mean @ precision
        white = solve_triangular(root, (pulled + said.vector[None]).T, lower=True)
        fit = 0.5 * (jnp.sum(white**2, axis=0) - jnp.sum(mean * pulled, axis=1))
        prior = log_share - 0.5 * tail * away**2 / covariance[0, 0]
        size = 0.5 * (len(slope) + 1) * jnp.log(tail)
        size = size - jnp.sum(jnp.log(jnp.diagonal(root)))
        return prior + fit + size + said.constant

    def node(g, t, n):
        mean = centre[n, 1:] + slope * (grid[g] - centre[n, 0])
        own = tails[t] * precision
        root = jnp.linalg.cholesky(own + said.matrix[g])
        return Nodes(
            grid[g], cho_solve((root, True), own @ mean + said.vector[g]), root
        )

    over = jax.vmap(jax.vmap(log_weight, (None, None, 0)), (0, 0, None))
    weight = over(grid, said, tails) + jnp.log(_widths(grid))[:, None, None]
    share = jnp.cumsum(jax.nn.softmax(weight.ravel()))
    points = (np.arange(_PATHS, dtype=float) + jax.random.uniform(key)) / _PATHS
    chosen = jnp.clip(jnp.searchsorted(share, points), 0, share.size - 1)
    return jax.vmap(node)(*jnp.unravel_index(chosen, weight.shape))


@eqx.filter_jit
def _paths(setting, nodes, record, ahead, key):
    """Paths given the record: drawn without it, and moved by what it says of them."""
    shape, roughness, level, typical = setting
    known = people.seen(record, roughness)
    ages = jnp.concatenate([record.age, ahead / typical])
    size = len(record.age)
    _, gain = _gain(known, roughness, ahead / typical)

    def path(node, key):
        key_shape, key_rough, key_error = jax.random.split(key, 3)
        noise = jax.random.normal(key_shape, node.location.shape)
        x = node.location + _coloured(node.root, noise)
        fraction = jnp.concatenate([record.cycle, ahead]) / jnp.exp(node.log_life)
        smooth = level + shape.middle(fraction) + shape.departures(fraction) @ x
        drawn = smooth + _rough(ages, roughness, key_rough)
        error = jnp.sqrt(record.variance) * jax.random.normal(key_error, (size,))
        left = jnp.where(record.mask, record.capacity - drawn[:size] - error, 0.0)
        return drawn[size:] + gain @ left

    keys = jax.random.split(key, nodes.log_life.shape)
    return jax.vmap(jax.vmap(path))(nodes, keys)


def _widths(grid):
    """Of the cells of a grid whose points are their middles."""
    step = jnp.diff(grid)
    return 0.5 * (jnp.append(step, step[-1]) + jnp.append(step[0], step))


def _coloured(root, noise):
    """Noise of the precision root rootᵀ."""
    return solve_triangular(root, noise, lower=True, trans=1)


def _gain(known, roughness, ages):
    """Covariance of the rough part with what was read, and its share of a surprise there."""
    record, root = known
    cross = rough_covariance(roughness, ages, record.age)
    cross = jnp.where(record.mask[None, :], cross, 0.0)
    return cross, cho_solve((root, True), cross.T).T


def _rough(ages, roughness, key):
    """One path of the rough part along ages in order."""
    key_bump, key_wiener = jax.random.split(key)
    step = jnp.maximum(jnp.diff(ages, prepend=0.0), 0.0)
    tick = jnp.maximum(jnp.diff(clock(ages), prepend=0.0), 0.0)
    wiener = jnp.cumsum(jnp.sqrt(tick) * jax.random.normal(key_wiener, tick.shape))
    kept = jnp.exp(-step * jnp.exp(-roughness.log_length)).at[0].set(0.0)
    push = jnp.sqrt(1 - kept**2) * jax.random.normal(key_bump, step.shape)

    def carry(state, inputs):
        kept, push = inputs
        state = kept * state + push
        return state, state

    bump = jax.lax.scan(carry, jnp.zeros_like(push[0]), (kept, push))[1]
    return wiener * jnp.exp(roughness.log_wiener) + bump * jnp.exp(roughness.log_bump)


@eqx.filter_jit
def _capacity(record, nodes, setting, cycles):
    """Mean and variance of the path at these cycles, node by node."""
    shape, roughness, level, typical = setting
    known = people.seen(record, roughness)
    ages = cycles / typical
    cross, gain = _gain(known, roughness, ages)
    prior = jnp.exp(2 * roughness.log_bump)
    prior = prior + jnp.exp(2 * roughness.log_wiener) * clock(ages)
    rough = jnp.maximum(prior - jnp.sum(cross * gain, axis=1), 0.0)

    def one(node):
        life = jnp.exp(node.log_life)
        old, new = record.cycle / life, cycles / life
        left = record.capacity - level - shape.middle(old)
        left = jnp.where(record.mask, left, 0.0)
        seen = jnp.where(record.mask[:, None], shape.departures(old), 0.0)
        slopes = shape.departures(new) - gain @ seen
        mean = level + shape.middle(new) + slopes @ node.location + gain @ left
        spread = solve_triangular(node.root, slopes.T, lower=True)
        return mean, jnp.sum(spread**2, axis=0) + rough

    return jax.vmap(jax.vmap(one))(nodes)


@eqx.filter_jit
def _between(paths, ahead, cycles):
    """Paths at these cycles; before the first step the first value."""
    one = jax.vmap(lambda path: jnp.interp(cycles, ahead, path))
    return jax.vmap(one)(paths)


@eqx.filter_jit
def _first_crossing(paths, ahead, level):
    """On the line between the last step above and the first below."""
    below = paths <= level
    first = jnp.argmax(below, axis=-1)
    before = jnp.maximum(first - 1, 0)
    high, low = (
        jnp.take_along_axis(paths, place[..., None], axis=-1)[..., 0]
        for place in (before, first)
    )
    apart = jnp.where(high > low, high - low, 1.0)
    share = jnp.clip((high - level) / apart, 0.0, 1.0)
    life = ahead[before] + share * (ahead[first] - ahead[before])
    return jnp.where(jnp.any(below, axis=-1), life, ahead[-1])


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
