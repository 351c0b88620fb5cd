"""dQ/dV and dV/dQ with an error at every point, their smoothing chosen by the data.

Voltage is what is uncertain (noise, quantisation); charge is counted and taken as exact.
Near a node v_j of the grid, a reading (V_i, Q_i) with voltage error ε_i obeys

    Q_i = Q(V_i - ε_i)  ≈  Q(v_j) + g_j (V_i - v_j) - g_j ε_i,      g = dQ/dV,

so that Q_i - g_j (V_i - v_j) is a reading of Q(v_j) with variance g_j² σ², where a rough g
will do. Readings belong to the node whose charge they have (to sort them by their noisy
voltage would blur the peaks), are pooled there, and Q(V) is a Matérn-7/2 process smoothed
over the nodes: its state holds Q, g and dg/dV. The noise that drives it varies along the
grid, since one smoothing for all would blunt the sharp peaks and leave the broad ones
rough. Even that process is rougher than real curves where it cannot see: `_slopes` measures
by how much, or the bands would be too wide.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from battprob._errors import DataError
from battprob._typing import Float, Numeric
from battprob.features._blocks import in_blocks
from battprob.features._nodes import function_nodes
from battprob.features._slopes import Readings, choose_smoothing, slope_errors
from battprob.features.resample import (
    interpolate,
    require_grid,
    require_half_cycles,
    rising,
)
from battprob.features.signals import difference_noise
from battprob.predictive import Predictive

_PILOT_NODES = 8
_CYCLES_FOR_SMOOTHING = 16
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
    is at least that of the converter, ΔV²/12. How rough Q(V) is at each voltage maximises
    the evidence of up to 16 cycles spread evenly, so that sharp peaks are smoothed less
    than flat stretches; how much bias that smoothing leaves is measured on them too, and
    enters the band. Both are shared, so give the cycles of one cell, or of cells of one
    kind.

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
        together (see `ica_peaks`). Away from all readings the band opens wide.

    Raises:
        DataError: shapes disagree, a capacity falls, a cycle has fewer than four
            readings or none within the grid, the grid turns, or the quantum is no step.

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
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah, fewest=4)
    grid = require_grid("grid_v", grid_v, voltage, "V")
    return _differentiated(_charges_at_voltages, voltage, capacity, grid, quantum_v)


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
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah, fewest=4)
    grid = require_grid("grid_ah", grid_ah, capacity, "Ah")
    return _differentiated(_voltages_at_charges, voltage, capacity, grid, quantum_v)


def _differentiated(readings_of, voltage, capacity, grid, quantum):
    # A function of the grid alone: what falls is answered from its mirror image.
    rising_grid = jnp.asarray(np.sort(grid))
    quantum = _require_quantum(quantum, rising_grid.dtype)
    curve = _differential(readings_of, voltage, capacity, rising_grid, quantum)
    if grid[0] < grid[-1]:
        return curve
    return jax.tree.map(lambda leaf: leaf[..., ::-1], curve)


@eqx.filter_jit
def _differential(readings_of, voltage, capacity, grid, quantum):
    batch, time = voltage.shape[:-1], voltage.shape[-1]
    cycles = voltage.reshape(-1, time), capacity.reshape(-1, time)

    def read(voltage, capacity):
        half_cycle = rising(voltage, capacity)
        return readings_of(grid, half_cycle, _noise(half_cycle, quantum))

    stride = -(-len(cycles[0]) // _CYCLES_FOR_SMOOTHING)
    some, chord, _ = jax.vmap(read)(*(a[::stride] for a in cycles))
    smoothing = choose_smoothing(grid, some, chord)

    def slope(voltage, capacity):
        readings, chord, sign = read(voltage, capacity)
        mean, *errors = slope_errors(grid, readings, chord, smoothing)
        return sign * mean, *errors

    curves = [a.reshape(*batch, -1) for a in in_blocks(slope, *cycles)]
    return function_nodes(grid, *curves)


def _noise(half_cycle, quantum):
    voltage = half_cycle.voltage_v
    rounding = jnp.finfo(voltage.dtype).eps * jnp.abs(voltage).max()
    noise = difference_noise(jnp.where(half_cycle.present, voltage, jnp.nan))
    return jnp.maximum(noise, jnp.maximum(quantum, rounding) ** 2 / 12)


def _charges_at_voltages(grid, half_cycle, noise):
    """Readings of Q(v_j) less the chord, the chord's slope, and the sign of dQ/dV."""
    held, voltage = half_cycle.capacity_ah, half_cycle.voltage_v
    chord, middle_v, middle_ah = _chord(voltage, held)
    charge = interpolate(half_cycle, grid)
    slope = jnp.maximum(_secant(grid, charge), _SMALLEST_SLOPE * chord)
    count, held, voltage = _means_at(
        charge, held, half_cycle.present, (held - middle_ah, voltage - middle_v)
    )
    place = grid - middle_v
    value = held - slope * (voltage - place) - chord * place
    variance = slope**2 * noise / jnp.maximum(count, 1.0)
    return Readings(value, variance, count > 0), chord, half_cycle.direction


def _voltages_at_charges(grid, half_cycle, noise):
    """Readings of V(q_j) less the chord, as `_charges_at_voltages`."""
    passed = half_cycle.direction * half_cycle.capacity_ah
    voltage = half_cycle.voltage_v
    chord, middle_ah, middle_v = _chord(passed, voltage)
    chord = half_cycle.direction * chord
    count, place, voltage = _means_at(
        grid, passed, half_cycle.present, (passed - middle_ah, voltage - middle_v)
    )
    value, variance = voltage - chord * place, noise / jnp.maximum(count, 1.0)
    return Readings(value, variance, count > 0), chord, jnp.ones_like(chord)


def _chord(x, y):
    """Slope of the chord of a curve whose y rises, and the middle of its box."""
    run, rise = x.max() - x.min(), y.max() - y.min()
    slope = rise / jnp.where(run > 0, run, 1.0)
    # What stands still has no scale of its own, and needs one.
    slope = jnp.where(slope > 0, slope, 1.0)
    return slope, 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())


def _secant(grid, charge):
    n = grid.shape[0]
    ahead = np.minimum(np.arange(n) + _PILOT_NODES, n - 1)
    behind = np.maximum(np.arange(n) - _PILOT_NODES, 0)
    return (charge[ahead] - charge[behind]) / (grid[ahead] - grid[behind])


def _means_at(level, place, present, columns):
    """How many readings are nearest to each rising level, and each column's mean there."""
    nodes = level.shape[0]
    between = 0.5 * (level[1:] + level[:-1])
    low, high = 1.5 * level[0] - 0.5 * level[1], 1.5 * level[-1] - 0.5 * level[-2]
    inside = present & (place >= low) & (place <= high)
    node = jnp.where(inside, jnp.searchsorted(between, place), nodes)
    table = jnp.stack([jnp.ones_like(place), *columns], -1)
    count, *sums = jax.ops.segment_sum(table, node, nodes + 1)[:nodes].T
    return count, *(total / jnp.maximum(count, 1.0) for total in sums)


def _require_quantum(quantum_v, dtype):
    if not isinstance(quantum_v, Tracer) and not 0 <= quantum_v < 1:
        raise DataError(
            "quantum_v is the step of the converter in V, 0 or a small positive number "
            f"(5 / 2**16 for 16 bit on 5 V); got {quantum_v}"
        )
    return jnp.asarray(quantum_v, dtype)
