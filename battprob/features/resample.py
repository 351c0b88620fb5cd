"""Monotone curve Q(V) on a voltage grid, from V(t) and Q(t) of a half cycle."""

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
    r"""Interpolate Q(V) of each half cycle to a common voltage grid.

    A measured voltage is not strictly monotone, because of noise, pauses and
    quantisation. It is replaced by the centre of its monotone envelope, for a charge

    $$\tilde V_i = \tfrac12 \bigl(\max_{j \le i} V_j + \min_{j \ge i} V_j\bigr)$$

    (for a discharge, the same in reverse order). Samples of equal voltage are merged
    into one at the centre of their capacities. A curve that is already monotone is not
    changed.

    Args:
        voltage_v: voltages of one charge or one discharge in order of time, V; NaN if
            missing.
        capacity_ah: charge passed since the start, not decreasing, Ah; NaN where the
            voltage is NaN.
        grid_v: voltages of the result, V.

    Returns:
        Capacity in Ah at each voltage of the grid; NaN outside the measured range.

    Raises:
        DataError: shapes do not match, a value is infinite, a capacity decreases, or a
            cycle has fewer than two samples; the message names the cycle and the
            sample.

    Example:
        >>> import numpy as np
        >>> voltage = np.array([3.0, 3.1, 3.1, 3.2, np.nan])
        >>> capacity = np.array([0.0, 0.1, 0.3, 0.4, np.nan])
        >>> grid = np.array([2.9, 3.05, 3.1])
        >>> capacity_on_grid(voltage, capacity, grid).round(3).tolist()
        [nan, 0.1, 0.2]
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah)
    return _capacity_on_grid(voltage, capacity, jnp.asarray(grid_v, voltage.dtype))


class HalfCycle(NamedTuple):
    """Samples of one half cycle in order of increasing voltage.

    Args:
        voltage_v: voltages; missing samples are replaced by repetitions of the sample
            at one end.
        capacity_ah: `direction` times the charge passed, so that it increases too.
        present: False for these repetitions.
        direction: 1 for a charge, -1 for a discharge.
    """

    voltage_v: Float[Array, " t"]
    capacity_ah: Float[Array, " t"]
    present: Bool[Array, " t"]
    direction: Float[Array, ""]


def rising(voltage_v: Float[Array, " t"], capacity_ah: Float[Array, " t"]) -> HalfCycle:
    """Remove gaps, and reverse a discharge so that voltage and capacity increase."""
    present = ~jnp.isnan(voltage_v) & ~jnp.isnan(capacity_ah)
    index = jnp.arange(present.shape[0])
    rank, last = jnp.cumsum(present) - 1, present.sum() - 1
    order = index.at[jnp.where(present, rank, present.shape[0])].set(index, mode="drop")
    order = order[jnp.minimum(index, last)]
    voltage, capacity = voltage_v[order], capacity_ah[order]
    present = index <= last
    # Means of the two halves are less sensitive to noise than the end points.
    half = voltage.shape[0] // 2
    is_charge = voltage[half:].mean() >= voltage[: voltage.shape[0] - half].mean()
    # Both orders are computed and selected, because the direction is a traced value.
    direction = jnp.where(is_charge, 1.0, -1.0).astype(voltage.dtype)
    ordered = [jnp.where(is_charge, a, a[::-1]) for a in (voltage, capacity, present)]
    return HalfCycle(ordered[0], direction * ordered[1], ordered[2], direction)


def interpolate(
    half_cycle: HalfCycle, grid_v: Float[Array, " v"]
) -> Float[Array, " v"]:
    """Monotone capacity of a half cycle on a grid, constant outside its range."""
    voltage = half_cycle.voltage_v
    envelope = jax.lax.cummax(voltage) + jax.lax.cummin(voltage, reverse=True)
    voltage = 0.5 * envelope
    # First and last index of each group of equal voltages.
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
    function = partial(_half_cycle_on_grid, grid)
    return jnp.vectorize(function, signature="(t),(t)->(v)")(voltage, capacity)


def _half_cycle_on_grid(grid, voltage, capacity):
    half_cycle = rising(voltage, capacity)
    on_grid = half_cycle.direction * interpolate(half_cycle, grid)
    measured = half_cycle.voltage_v
    within = (grid >= measured.min()) & (grid <= measured.max())
    return jnp.where(within, on_grid, jnp.nan)


def require_half_cycles(
    voltage_v: Float[Numeric, "*b t"],
    capacity_ah: Float[Numeric, "*b t"],
    *,
    min_points: int = 2,
) -> tuple[Float[Array, "*b t"], Float[Array, "*b t"]]:
    """Validated arrays of voltage and capacity; values of tracers are not checked.

    Raises:
        DataError: as in `capacity_on_grid`.
    """
    dtype = jnp.result_type(float)
    voltage, capacity = jnp.asarray(voltage_v, dtype), jnp.asarray(capacity_ah, dtype)
    if (
        voltage.shape != capacity.shape
        or voltage.ndim < 1
        or voltage.shape[-1] < min_points
    ):
        raise DataError(
            "voltage and capacity must have the same shape [cycles, time], with at "
            f"least {min_points} samples per cycle; got {voltage.shape} and "
            f"{capacity.shape}"
        )
    if isinstance(voltage, Tracer) or isinstance(capacity, Tracer):
        return voltage, capacity
    # Evaluated in JAX, so that a sharded array is not gathered on one device.
    first_samples, count = (np.asarray(a) for a in _faults(voltage, capacity))
    for fault, sample in zip(_FAULTS, first_samples, strict=True):
        bad = np.flatnonzero(sample.ravel() >= 0)
        if bad.size:
            raise DataError(
                f"cycle {bad[0]}, sample {sample.ravel()[bad[0]]} (both counted from "
                f"0): {fault}"
            )
    too_few = np.flatnonzero(count.ravel() < min_points)
    if too_few.size:
        raise DataError(
            f"cycle {too_few[0]} has {count.ravel()[too_few[0]]} samples; it needs "
            f"{min_points}: leave it out"
        )
    return voltage, capacity


def require_grid(
    name: str,
    grid: Float[Numeric, " v"],
    values: Float[Array, "*b t"],
    unit: str,
) -> Float[np.ndarray, " v"]:
    """Validated grid as a NumPy array; it must overlap with the values of each cycle.

    Raises:
        DataError: the grid is not strictly monotone, has fewer than four points, does
            not overlap with the values, or is a tracer.
    """
    if isinstance(grid, Tracer):
        raise DataError(
            f"{name} must be a concrete array inside jit: use it from the enclosing "
            "scope"
        )
    grid = np.asarray(grid, values.dtype)
    steps = np.diff(grid) if grid.ndim == 1 else np.zeros(1)
    not_monotone = np.flatnonzero(steps * steps[:1] <= 0)
    if grid.size < 4 or not_monotone.size:
        has_index = grid.ndim == 1 and not_monotone.size > 0
        location = f", not monotone at index {not_monotone[0] + 1}" if has_index else ""
        raise DataError(
            f"{name} must be at least four strictly increasing or decreasing numbers; "
            f"got shape {grid.shape}{location}"
        )
    if isinstance(values, Tracer):
        return grid
    low, high = jnp.nanmin(values, -1), jnp.nanmax(values, -1)
    outside = np.asarray((high < grid.min()) | (low > grid.max())).ravel()
    if outside.any():
        cycle = int(np.argmax(outside))
        raise DataError(
            f"cycle {cycle} has no samples within {name}, {grid.min():g} to "
            f"{grid.max():g} {unit}: its range is {low.ravel()[cycle]:g} to "
            f"{high.ravel()[cycle]:g} {unit}. Check the units, or extend the grid"
        )
    return grid


_FAULTS = (
    "a voltage without a capacity, or a capacity without a voltage",
    "an infinite voltage or capacity (use NaN for a missing sample)",
    "the capacity decreases (give one charge or one discharge, counted from its start)",
)


@eqx.filter_jit
def _faults(voltage, capacity):
    """First sample with each fault in each cycle (-1: none), and number of samples."""
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
