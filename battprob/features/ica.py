"""dQ/dV and dV/dQ with an error at every point, their smoothing chosen by the data.

Voltage is what is uncertain (noise, quantisation); charge is counted and taken as exact.
Near a node v_j of the grid, a reading (V_i, Q_i) with voltage error ε_i obeys

    Q_i = Q(V_i - ε_i)  ≈  Q(v_j) + g_j (V_i - v_j) - g_j ε_i,      g = dQ/dV,

so that Q_i - g_j (V_i - v_j) is a reading of Q(v_j) with variance g_j² σ², where a rough g
will do. Readings belong to the node whose charge they have (to sort them by their noisy
voltage would blur the peaks), are pooled there, and Q(V) is a Matérn-7/2 process smoothed
over the nodes: its state holds Q, g and dg/dV. The noise that drives it varies along the
grid, since one smoothing for all would blunt the sharp peaks and leave the broad ones
rough. Matérn-5/2 is rougher than real curves and makes the bands too wide.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from battprob._errors import DataError
from battprob._typing import Float, Numeric
from battprob.features._nodes import function_nodes
from battprob.features.resample import (
    interpolate,
    require_grid,
    require_half_cycles,
    rising,
)
from battprob.features.signals import difference_noise
from battprob.predictive import Predictive
from battprob.state_space import MaternProcess

_PILOT_NODES = 8
_CYCLES_FOR_ROUGHNESS = 16
_LEVELS = 10.0 ** np.arange(-3, 8)
_UPDATES = 4
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
    than flat stretches; it is shared, so give the cycles of one cell, or of cells of one
    kind. Curves smoother than a Matérn-7/2 process have bands on the wide side.

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
    halves = jax.vmap(rising)(voltage.reshape(-1, time), capacity.reshape(-1, time))
    rounding = jnp.finfo(voltage.dtype).eps * jnp.abs(halves.voltage_v).max(-1)
    noise = difference_noise(jnp.where(halves.present, halves.voltage_v, jnp.nan))
    noise = jnp.maximum(noise, jnp.maximum(quantum, rounding) ** 2 / 12)
    readings, chord, sign = jax.vmap(partial(readings_of, grid))(halves, noise)
    mean, *errors = _slopes(grid, readings, chord)
    mean = sign[:, None] * mean
    return jax.tree.map(
        lambda leaf: leaf.reshape(*leaf.shape[:2], *batch, leaf.shape[-1]),
        function_nodes(grid, mean, *errors),
    )


def _charges_at_voltages(grid, half_cycle, noise):
    """Readings of Q(v_j) less the chord, the chord's slope, and the sign of dQ/dV.

    A reading is a value, its variance, and whether there is one.
    """
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
    return (value, variance, count > 0), chord, half_cycle.direction


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
    return (value, variance, count > 0), chord, jnp.ones_like(chord)


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


def _slopes(grid, readings, chord):
    """Mean of the derivative; variance of its error, covariance with the error's slope,
    and variance of that.
    """
    roughness = _choose_roughness(grid, readings, chord)

    def smooth(readings, scale):
        path = _process(grid, scale, roughness).smooth(grid, *readings)
        error = path.covariance
        return path.mean[1] + scale, error[1][1], error[1][2], error[2][2]

    return jax.vmap(smooth)(readings, chord)


def _process(grid, chord, roughness):
    """A curve longer than its peaks: it bends as far as noise drives it to."""
    length = 0.25 * (grid[-1] - grid[0])
    variance = chord**2 * (5 / 7) * length**2  # the slope's is 7/5 variance / length²
    return MaternProcess(variance, length, derivatives=3, intensity=roughness)


def _choose_roughness(grid, readings, chord):
    """How rough the curves are over the grid: one level by evidence, then place by place.

    The evidence rises most by multiplying the roughness of a stretch with its energy over
    its freedom. A stretch reaches one degree of freedom either way, so that it is short
    where the readings resolve much; one more keeps it from chasing the noise.
    """
    stride = -(-chord.shape[0] // _CYCLES_FOR_ROUGHNESS)
    *some, scale = jax.tree.map(lambda a: a[::stride], (*readings, chord))

    def evidence(level):
        def one(scale, *readings):
            return _process(grid, scale, level).log_evidence(grid, *readings)

        return jax.vmap(one)(scale, *some).sum()

    def update(roughness, _):
        def one(scale, *readings):
            return _process(grid, scale, roughness).drive(grid, *readings)

        drive = jax.vmap(one)(scale, *some)
        return roughness * _excess(drive.energy.mean(0), drive.freedom.mean(0)), None

    levels = jnp.asarray(_LEVELS, grid.dtype)
    level = levels[jnp.argmax(jax.vmap(evidence)(levels))]
    start = jnp.full(grid.shape, level)
    return jax.lax.scan(update, start, None, length=_UPDATES)[0]


def _excess(energy, freedom):
    """Energy over freedom, both summed over a degree of freedom before and after."""
    spent, used = jnp.cumsum(freedom), jnp.cumsum(energy)
    ends = jnp.stack(
        [jnp.maximum(spent - 1, spent[0]), jnp.minimum(spent + 1, spent[-1])]
    )
    before, after = jnp.interp(ends, spent, used)
    return (after - before + 1) / (ends[1] - ends[0] + 1)


def _require_quantum(quantum_v, dtype):
    if not isinstance(quantum_v, Tracer) and not 0 <= quantum_v < 1:
        raise DataError(
            "quantum_v is the step of the converter in V, 0 or a small positive number "
            f"(5 / 2**16 for 16 bit on 5 V); got {quantum_v}"
        )
    return jnp.asarray(quantum_v, dtype)
