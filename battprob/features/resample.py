"""From V(t) and Q(t) of one half cycle to Q(V): monotone, on a grid of voltages."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from battprob._errors import DataError
from battprob._typing import Array, Bool, Float, Numeric


def capacity_on_grid(
    voltage_v: Float[Numeric, "*b t"],
    capacity_ah: Float[Numeric, "*b t"],
    grid_v: Float[Numeric, " v"],
) -> Float[Array, "*b v"]:
    r"""Interpolate Q(V) of every half cycle to a common grid of voltages.

    Noise makes voltage turn back, and pauses and quantisation make it stand still. A
    turn back is replaced by the middle of its envelope,

    $$\tilde V_i = \tfrac12 \bigl(\max_{j \le i} V_j + \min_{j \ge i} V_j\bigr)$$

    (of a charge; a discharge is mirrored), and readings at one voltage by one reading at
    the middle of their capacities. A curve that is monotone already is not changed.

    Args:
        voltage_v: readings of one charge or one discharge in order of time, V; NaN where
            a cycle has none.
        capacity_ah: charge passed until then, never falling, Ah; NaN where voltage is.
        grid_v: voltages to interpolate to.

    Returns:
        Capacity at each voltage, Ah; NaN beyond the voltages that were reached.

    Raises:
        DataError: shapes disagree, a value is infinite, a capacity falls, or a cycle has
            fewer than two readings; the message names cycle and reading.

    Example:
        >>> import numpy as np
        >>> voltage = np.array([3.0, 3.1, 3.1, 3.2, np.nan])
        >>> capacity = np.array([0.0, 0.1, 0.3, 0.4, np.nan])
        >>> capacity_on_grid(voltage, capacity, np.array([2.9, 3.05, 3.1])).round(3).tolist()
        [nan, 0.1, 0.2]
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah)
    return _capacity_on_grid(voltage, capacity, jnp.asarray(grid_v, voltage.dtype))


class HalfCycle(NamedTuple):
    """Readings of one half cycle, ordered so that voltage rises along them.

    Args:
        voltage_v: voltage; at one end the outermost reading is repeated in place of
            those that are missing.
        capacity_ah: `direction` times the charge passed, so that it rises too.
        present: False for such a repetition.
        direction: 1 for a charge, -1 for a discharge.
    """

    voltage_v: Float[Array, " t"]
    capacity_ah: Float[Array, " t"]
    present: Bool[Array, " t"]
    direction: Float[Array, ""]


def rising(voltage_v: Float[Array, " t"], capacity_ah: Float[Array, " t"]) -> HalfCycle:
    """Mirror a discharge, so that voltage and capacity both rise; close up the gaps."""
    present = ~jnp.isnan(voltage_v) & ~jnp.isnan(capacity_ah)
    index = jnp.arange(present.shape[0])
    rank, last = jnp.cumsum(present) - 1, present.sum() - 1
    order = index.at[jnp.where(present, rank, present.shape[0])].set(index, mode="drop")
    order = order[jnp.minimum(index, last)]
    voltage, capacity = voltage_v[order], capacity_ah[order]
    present = index <= last
    half = voltage.shape[0] // 2
    climbs = voltage[half:].mean() >= voltage[: voltage.shape[0] - half].mean()
    direction = jnp.where(climbs, 1.0, -1.0).astype(voltage.dtype)
    turned = [jnp.where(climbs, a, a[::-1]) for a in (voltage, capacity, present)]
    return HalfCycle(turned[0], direction * turned[1], turned[2], direction)


def interpolate(
    half_cycle: HalfCycle, grid_v: Float[Array, " v"]
) -> Float[Array, " v"]:
    """Monotone capacity of a rising half cycle on a grid, its ends held beyond."""
    voltage = half_cycle.voltage_v
    envelope = jax.lax.cummax(voltage) + jax.lax.cummin(voltage, reverse=True)
    voltage = 0.5 * envelope
    index = jnp.arange(voltage.shape[0])
    rises = voltage[1:] > voltage[:-1]
    first = jax.lax.cummax(jnp.where(jnp.append(True, rises), index, 0))
    last = jax.lax.cummin(
        jnp.where(jnp.append(rises, True), index, index[-1]), reverse=True
    )
    capacity = 0.5 * (half_cycle.capacity_ah[first] + half_cycle.capacity_ah[last])
    return jnp.interp(grid_v, voltage, capacity)


@eqx.filter_jit
def _capacity_on_grid(voltage, capacity, grid):
    one = partial(_one_on_grid, grid)
    return jnp.vectorize(one, signature="(t),(t)->(v)")(voltage, capacity)


def _one_on_grid(grid, voltage, capacity):
    half_cycle = rising(voltage, capacity)
    on_grid = half_cycle.direction * interpolate(half_cycle, grid)
    reached = half_cycle.voltage_v
    within = (grid >= reached.min()) & (grid <= reached.max())
    return jnp.where(within, on_grid, jnp.nan)


def require_half_cycles(
    voltage_v: Float[Numeric, "*b t"],
    capacity_ah: Float[Numeric, "*b t"],
    *,
    fewest: int = 2,
) -> tuple[Float[Array, "*b t"], Float[Array, "*b t"]]:
    """The two as arrays, checked (as far as their caller's `jit` or `grad` lets one look).

    Raises:
        DataError: see `capacity_on_grid`.
    """
    dtype = jnp.result_type(float)
    voltage, capacity = jnp.asarray(voltage_v, dtype), jnp.asarray(capacity_ah, dtype)
    if (
        voltage.shape != capacity.shape
        or voltage.ndim < 1
        or voltage.shape[-1] < fewest
    ):
        raise DataError(
            f"voltage and capacity must have one shape [cycles, time] with {fewest} or "
            f"more readings a cycle; got {voltage.shape} and {capacity.shape}"
        )
    if isinstance(voltage, Tracer) or isinstance(capacity, Tracer):
        return voltage, capacity
    # Judged where they lie: a sharded array must not be gathered to be looked at.
    places, number = (np.asarray(a) for a in _faults(voltage, capacity))
    for fault, place in zip(_FAULTS, places, strict=True):
        bad = np.flatnonzero(place.ravel() >= 0)
        if bad.size:
            raise DataError(
                f"cycle {bad[0]}, reading {place.ravel()[bad[0]]} (both counted from 0): "
                f"{fault}"
            )
    scarce = np.flatnonzero(number.ravel() < fewest)
    if scarce.size:
        raise DataError(
            f"cycle {scarce[0]} has {number.ravel()[scarce[0]]} readings; it needs "
            f"{fewest}: leave it out"
        )
    return voltage, capacity


def require_grid(
    name: str,
    grid: Float[Numeric, " v"],
    readings: Float[Array, "*b t"],
    unit: str,
) -> Float[np.ndarray, " v"]:
    """The grid in NumPy, checked to be one and to meet the readings of every cycle.

    Raises:
        DataError: it turns, has fewer than four places, lies beside all readings, or is
            not known while its caller is compiled.
    """
    if isinstance(grid, Tracer):
        raise DataError(f"{name} must be known when compiling: close over it")
    grid = np.asarray(grid, readings.dtype)
    steps = np.diff(grid) if grid.ndim == 1 else np.zeros(1)
    turns = np.flatnonzero(steps * steps[:1] <= 0)
    if grid.size < 4 or turns.size:
        stops = grid.ndim == 1 and turns.size > 0
        where = f", which does not go on at number {turns[0] + 1}" if stops else ""
        raise DataError(
            f"{name} must be at least four numbers that rise or fall throughout; got "
            f"shape {grid.shape}{where}"
        )
    if isinstance(readings, Tracer):
        return grid
    low, high = jnp.nanmin(readings, -1), jnp.nanmax(readings, -1)
    beside = np.asarray((high < grid.min()) | (low > grid.max())).ravel()
    if beside.any():
        cycle = int(np.argmax(beside))
        raise DataError(
            f"cycle {cycle} has no readings within {name}, {grid.min():g} to "
            f"{grid.max():g} {unit}: its own run from {low.ravel()[cycle]:g} to "
            f"{high.ravel()[cycle]:g} {unit}. Check the units, or widen the grid"
        )
    return grid


_FAULTS = (
    "a voltage without a capacity, or a capacity without a voltage",
    "a voltage or capacity that is infinite (NaN marks a missing reading)",
    "the capacity falls (give one charge or one discharge, counted from its own start)",
)


@eqx.filter_jit
def _faults(voltage, capacity):
    """Of each fault, the first reading that has it in each cycle, else -1; readings."""
    present = ~jnp.isnan(voltage) & ~jnp.isnan(capacity)
    highest = jax.lax.cummax(
        jnp.where(present, capacity, -jnp.inf), axis=capacity.ndim - 1
    )
    flags = jnp.stack(
        [
            jnp.isnan(voltage) != jnp.isnan(capacity),
            jnp.isinf(voltage) | jnp.isinf(capacity),
            present & (capacity < highest),
        ]
    )
    return jnp.where(flags.any(-1), jnp.argmax(flags, -1), -1), present.sum(-1)
