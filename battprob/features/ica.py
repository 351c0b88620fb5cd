"""dQ/dV and dV/dQ with an error at every point, their smoothing chosen by the data.

Voltage is what is uncertain (noise, quantisation); charge is counted and taken as exact.
Near a node v_j of the grid, a reading (V_i, Q_i) with voltage error ε_i obeys

    Q_i = Q(V_i - ε_i)  ≈  Q(v_j) + g_j (V_i - v_j) - g_j ε_i,      g = dQ/dV,

so that Q_i - g_j (V_i - v_j) is a reading of Q(v_j) with variance g_j² σ², where a rough g
will do. Readings belong to the node whose charge they have (to sort them by their noisy
voltage would blur the peaks), are pooled there, and Q(V) is a Matérn-7/2 process smoothed
over the nodes: its state holds Q, g and dg/dV. Matérn-5/2 is rougher than real curves and
makes the bands too wide.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Float, Numeric
from battprob.features._nodes import function_nodes
from battprob.features.resample import interpolate, require_half_cycles, rising
from battprob.features.signals import difference_noise
from battprob.predictive import Predictive
from battprob.state_space import MaternProcess

_PILOT_NODES = 8
_LENGTHS = 16
_CYCLES_FOR_LENGTH = 16
_SMALLEST_SLOPE = 0.02  # of the mean slope


def differential_capacity(
    voltage_v: Float[Numeric, "*b t"],
    capacity_ah: Float[Numeric, "*b t"],
    grid_v: Float[Numeric, " v"],
    *,
    quantum_v: float = 0.0,
) -> Predictive:
    r"""Incremental capacity dQ/dV of every half cycle, with its error at each voltage.

    The noise of the voltage is estimated from its third differences, cycle by cycle, and
    is at least that of the converter, ΔV²/12. The length over which Q(V) is smooth
    maximises the evidence, summed over up to 16 cycles spread evenly; it is shared, so
    give the cycles of one cell, or of cells of one kind.

    Args:
        voltage_v: readings of one charge or one discharge in order of time, V; NaN where
            a cycle has none.
        capacity_ah: charge passed until then, never falling, Ah; NaN where voltage is.
        grid_v: voltages to answer at, V, rising or falling, at most a few mV apart: a
            reading is taken to its nearest node along a straight line. Readings beyond
            its ends do not count.
        quantum_v: step of the analogue-digital converter, V; 5 / 2**16 for 16 bit on 5 V.

    Returns:
        dQ/dV in Ah/V, [*b v], negative on a discharge. All of its variance is epistemic:
        more readings would remove it. Draws carry how errors at neighbouring voltages go
        together (see `ica_peaks`). Away from all readings it returns to the mean slope.

    Raises:
        DataError: shapes disagree, a capacity falls, a cycle has fewer than four
            readings, or the grid is not monotone.

    Example:
        >>> import numpy as np
        >>> voltage = np.linspace(3.0, 4.0, 500)
        >>> curve = differential_capacity(voltage, 2.0 * (voltage - 3.0), voltage[::5])
        >>> f"{curve.mean[50]:.3f}"
        '2.000'

    References:
        Dubarry, Svoboda, Hwu and Liaw, Electrochem. Solid-State Lett. 9, A454 (2006),
        doi:10.1149/1.2221767, for incremental capacity. The treatment of the errors is
        ours.
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah)
    grid = _require_grid("grid_v", grid_v, voltage.dtype)
    return _on_rising_grid(
        partial(_differential_capacity, voltage, capacity), grid, quantum_v
    )


def differential_voltage(
    capacity_ah: Float[Numeric, "*b t"],
    voltage_v: Float[Numeric, "*b t"],
    grid_ah: Float[Numeric, " v"],
    *,
    quantum_v: float = 0.0,
) -> Predictive:
    """Differential voltage dV/dQ of every half cycle, in V/Ah, over a grid of capacities.

    As `differential_capacity`, with V(Q) the smooth function: its readings have their
    error in the value, not in the place.

    Args:
        capacity_ah: charge passed, never falling, Ah; NaN where a cycle has no reading.
        voltage_v: voltage at each, V; NaN where capacity is.
        grid_ah: capacities to answer at, Ah, rising or falling.
        quantum_v: step of the analogue-digital converter, V.

    Raises:
        DataError: as `differential_capacity`.

    Example:
        >>> import numpy as np
        >>> capacity = np.linspace(0.0, 2.0, 500)
        >>> curve = differential_voltage(capacity, 3.0 + 0.5 * capacity, capacity[::5])
        >>> f"{curve.mean[50]:.3f}"
        '0.500'
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah)
    grid = _require_grid("grid_ah", grid_ah, voltage.dtype)
    return _on_rising_grid(
        partial(_differential_voltage, voltage, capacity), grid, quantum_v
    )


def _on_rising_grid(differential, grid, quantum):
    quantum = jnp.asarray(quantum, grid.dtype)
    if grid[0] < grid[-1]:
        return differential(grid, quantum)
    # A function of the grid alone: what falls is answered from its mirror image.
    mirrored = differential(grid[::-1], quantum)
    return jax.tree.map(lambda leaf: leaf[..., ::-1], mirrored)


@eqx.filter_jit
def _differential_capacity(voltage, capacity, grid, quantum):
    halves, noise, batch = _half_cycles(voltage, capacity, quantum)
    chord = jax.vmap(_chord)(halves.voltage_v, halves.capacity_ah)
    charge = jax.vmap(interpolate, in_axes=(0, None))(halves, grid)
    slope = jnp.maximum(_secant(grid, charge), _SMALLEST_SLOPE * chord[0][:, None])
    pool = jax.vmap(_pool_at_voltages, in_axes=(None, 0, 0, 0, 0, 0))
    readings = pool(grid, halves, charge, slope, noise, chord)
    mean, covariance = _slopes(grid, readings, chord[0])
    mean = halves.direction[:, None] * mean
    return _shaped(function_nodes(grid, mean, covariance), batch)


@eqx.filter_jit
def _differential_voltage(voltage, capacity, grid, quantum):
    halves, noise, batch = _half_cycles(voltage, capacity, quantum)
    passed = halves.direction[:, None] * halves.capacity_ah
    chord = jax.vmap(_chord)(passed, halves.voltage_v)
    chord = (halves.direction * chord[0], *chord[1:])
    pool = jax.vmap(_pool_at_charges, in_axes=(None, 0, 0, 0, 0))
    readings = pool(grid, halves, passed, noise, chord)
    mean, covariance = _slopes(grid, readings, chord[0])
    return _shaped(function_nodes(grid, mean, covariance), batch)


def _half_cycles(voltage, capacity, quantum):
    batch, time = voltage.shape[:-1], voltage.shape[-1]
    halves = jax.vmap(rising)(voltage.reshape(-1, time), capacity.reshape(-1, time))
    noise = jax.vmap(difference_noise)(halves.voltage_v)
    return halves, jnp.maximum(noise, quantum**2 / 12), batch


def _shaped(predictive, batch):
    return jax.tree.map(
        lambda leaf: leaf.reshape(*leaf.shape[:2], *batch, leaf.shape[-1]), predictive
    )


def _chord(x, y):
    """Slope of the chord of a curve whose y rises, and the middle of its box."""
    rise = x.max() - x.min()
    slope = (y.max() - y.min()) / jnp.where(rise > 0, rise, 1.0)
    return slope, 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())


def _secant(grid, charge):
    n = grid.shape[0]
    ahead = np.minimum(np.arange(n) + _PILOT_NODES, n - 1)
    behind = np.maximum(np.arange(n) - _PILOT_NODES, 0)
    return (charge[:, ahead] - charge[:, behind]) / (grid[ahead] - grid[behind])[None]


def _pool_at_voltages(grid, half_cycle, charge, slope, noise, chord):
    """Readings of Q(v_j) less the chord: value, variance, and whether there are any."""
    held = half_cycle.capacity_ah
    between = 0.5 * (charge[1:] + charge[:-1])
    low, high = 1.5 * charge[0] - 0.5 * charge[1], 1.5 * charge[-1] - 0.5 * charge[-2]
    inside = half_cycle.present & (held >= low) & (held <= high)
    mean_slope, middle_v, middle_ah = chord
    count, held, voltage = _means(
        jnp.searchsorted(between, held),
        inside,
        (held - middle_ah, half_cycle.voltage_v - middle_v),
        grid.shape[0],
    )
    place = grid - middle_v
    value = held - slope * (voltage - place) - mean_slope * place
    return value, slope**2 * noise / jnp.maximum(count, 1.0), count > 0


def _pool_at_charges(grid, half_cycle, passed, noise, chord):
    """Readings of V(q_j) less the chord, as `_pool_at_voltages`."""
    between = 0.5 * (grid[1:] + grid[:-1])
    low, high = 1.5 * grid[0] - 0.5 * grid[1], 1.5 * grid[-1] - 0.5 * grid[-2]
    inside = half_cycle.present & (passed >= low) & (passed <= high)
    mean_slope, middle_ah, middle_v = chord
    count, place, voltage = _means(
        jnp.searchsorted(between, passed),
        inside,
        (passed - middle_ah, half_cycle.voltage_v - middle_v),
        grid.shape[0],
    )
    return voltage - mean_slope * place, noise / jnp.maximum(count, 1.0), count > 0


def _means(node, inside, columns, nodes):
    """How many readings each node has, and the mean of each column over them."""
    table = jnp.stack([jnp.ones_like(columns[0]), *columns], -1)
    number = jnp.where(inside, node, nodes)
    count, *sums = jax.ops.segment_sum(table, number, nodes + 1)[:nodes].T
    return count, *(total / jnp.maximum(count, 1.0) for total in sums)


def _slopes(grid, readings, chord):
    """Mean of the derivative, and covariance of its error and the error's slope."""
    length = _choose_length(grid, readings, chord)

    def smooth(readings, scale):
        path = _process(scale, length).smooth(grid, *readings)
        return path.mean[:, 1], path.covariance[:, 1:3, 1:3]

    mean, covariance = jax.vmap(smooth)(readings, chord)
    return mean + chord[:, None], jnp.moveaxis(covariance, (-2, -1), (0, 1))


def _process(chord, length):
    """A curve whose slope varies by as much as the slope of its chord."""
    variance = chord**2 * (5 / 7) * length**2  # the slope's is 7/5 variance / length²
    return MaternProcess(variance, length, derivatives=3)


def _choose_length(grid, readings, chord):
    """Length of the largest evidence: the best of a ladder, refined by a parabola."""
    stride = -(-chord.shape[0] // _CYCLES_FOR_LENGTH)
    some = jax.tree.map(lambda a: a[::stride], (*readings, chord))
    step = (grid[-1] - grid[0]) / (grid.shape[0] - 1)
    ladder = jnp.geomspace(1.0, 0.5 * grid.shape[0], _LENGTHS, dtype=grid.dtype)
    lengths = step * ladder

    def evidence(length):
        def one(y, variance, seen, scale):
            return _process(scale, length).log_evidence(grid, y, variance, seen)

        return jax.vmap(one)(*some).sum()

    value = jax.vmap(evidence)(lengths)
    best = jnp.clip(jnp.argmax(value), 1, _LENGTHS - 2)
    left, top, right = value[best - 1], value[best], value[best + 1]
    bend = left - 2 * top + right
    rungs = jnp.where(bend < 0, 0.5 * (left - right) / jnp.minimum(bend, -1e-30), 0.0)
    return lengths[best] * ladder[1] ** jnp.clip(rungs, -1.0, 1.0)


def _require_grid(name, grid, dtype):
    grid = jnp.asarray(grid, dtype)
    steps = np.diff(np.asarray(grid)) if grid.ndim == 1 else np.zeros(1)
    if grid.size < 4 or not ((steps > 0).all() or (steps < 0).all()):
        raise DataError(
            f"{name} must be at least four numbers that rise or fall throughout; got "
            f"shape {grid.shape}"
        )
    return grid
