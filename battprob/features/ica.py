"""dQ/dV and dV/dQ with error bands; the amount of smoothing is estimated from the data.

Only the voltage is uncertain (noise, quantisation); the charge is treated as exact.
Near a grid voltage v_j, a measurement (V_i, Q_i) with voltage error ε_i satisfies

    Q_i = Q(V_i - ε_i)  ≈  Q(v_j) + g_j (V_i - v_j) - g_j ε_i,      g = dQ/dV,

so Q_i - g_j (V_i - v_j) is a measurement of Q(v_j) with variance g_j² σ². A rough
estimate of g_j is sufficient for this correction. Each measurement is assigned to the
grid point whose charge is nearest (assigning by noisy voltage would broaden the peaks),
and the measurements of a grid point are averaged. Q(V) is then modelled as a Matérn-7/2
process over the grid, whose state contains Q, g and dg/dV. The intensity of its driving
noise varies along the grid, because one degree of smoothing for all voltages would
flatten sharp peaks and leave broad ones noisy. On scales that the data do not resolve,
the process is rougher than real curves; `_slope_errors` estimates by how much, since
the bands would otherwise be too wide.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from battprob._errors import DataError
from battprob._typing import Float, Numeric
from battprob.features._blocks import map_in_blocks
from battprob.features._curve_draws import curve_predictive
from battprob.features._slope_errors import GridData, fit_smoothing, slope_errors
from battprob.features.resample import (
    interpolate,
    require_grid,
    require_half_cycles,
    rising,
)
from battprob.features.signals import difference_noise
from battprob.predictive import Predictive

_PILOT_POINTS = 8  # grid points to either side for the rough estimate of g
_MAX_CYCLES_FOR_SMOOTHING = 16
_MIN_PILOT_SLOPE = 0.02  # of the mean slope; keeps the variance g² σ² positive


def differential_capacity(
    voltage_v: Float[Numeric, "*b t"],
    capacity_ah: Float[Numeric, "*b t"],
    grid_v: Float[Numeric, " v"],
    *,
    quantum_v: float = 0.0,
) -> Predictive:
    r"""Incremental capacity dQ/dV of each half cycle, with its error at each voltage.

    The noise variance of the voltage is estimated from third differences for each
    cycle, with the quantisation variance ΔV²/12 as a lower limit. The roughness of Q(V)
    at each voltage maximises the marginal likelihood of up to 16 equally spaced cycles,
    so sharp peaks are smoothed less than flat sections. The remaining smoothing bias is
    estimated from the same cycles and included in the error. Both are common to all
    cycles: evaluate cycles of one cell, or of similar cells, in one call.

    Args:
        voltage_v: voltages of one charge or one discharge in order of time, V; NaN if
            missing.
        capacity_ah: charge passed since the start, not decreasing, Ah; NaN where the
            voltage is NaN.
        grid_v: voltages of the result in V, increasing or decreasing, with a spacing of
            at most a few mV, because measurements are moved to the nearest grid point
            along a straight line. Measurements outside the grid are not used.
        quantum_v: quantisation step of the analogue-digital converter in V, for example
            5 / 2**16 for 16 bit and a range of 5 V.

    Returns:
        dQ/dV in Ah/V, [*b, v], negative for a discharge. All of its variance is
        epistemic, because more measurements would reduce it. The draws carry the
        correlation between neighbouring voltages, which `ica_peaks` needs. Far from all
        measurements the variance is large.

    Raises:
        DataError: shapes do not match, the capacity decreases, a cycle has fewer than
            four measurements or none within the grid, or the grid or `quantum_v` is
            invalid.

    Example:
        >>> import numpy as np
        >>> voltage = np.linspace(3.0, 4.0, 500)
        >>> curve = differential_capacity(voltage, 2.0 * (voltage - 3.0), voltage[::5])
        >>> f"{curve.mean[50]:.3f}"
        '2.000'

    References:
        Incremental capacity analysis: Dubarry, Svoboda, Hwu and Liaw, Electrochem.
        Solid-State Lett. 9, A454 (2006), doi:10.1149/1.2221767. The error analysis is
        specific to this package.
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah, min_points=4)
    grid = require_grid("grid_v", grid_v, voltage, "V")
    return _differentiate(_capacity_data, voltage, capacity, grid, quantum_v)


def differential_voltage(
    capacity_ah: Float[Numeric, "*b t"],
    voltage_v: Float[Numeric, "*b t"],
    grid_ah: Float[Numeric, " v"],
    *,
    quantum_v: float = 0.0,
) -> Predictive:
    """Differential voltage dV/dQ of each half cycle in V/Ah, on a grid of capacities.

    The method is that of `differential_capacity`, with V(Q) as the smooth function.

    Args:
        capacity_ah: charge passed since the start, not decreasing, Ah; NaN if missing.
        voltage_v: voltage at each capacity, V; NaN where the capacity is NaN.
        grid_ah: capacities of the result in Ah, increasing or decreasing.
        quantum_v: quantisation step of the analogue-digital converter in V.

    Raises:
        DataError: as in `differential_capacity`.

    Example:
        >>> import numpy as np
        >>> capacity = np.linspace(0.0, 2.0, 500)
        >>> curve = differential_voltage(capacity, 3.0 + 0.5 * capacity, capacity[::5])
        >>> f"{curve.mean[50]:.3f}"
        '0.500'
    """
    voltage, capacity = require_half_cycles(voltage_v, capacity_ah, min_points=4)
    grid = require_grid("grid_ah", grid_ah, capacity, "Ah")
    return _differentiate(_voltage_data, voltage, capacity, grid, quantum_v)


def _differentiate(grid_data, voltage, capacity, grid, quantum):
    # The derivative is computed on a rising grid and reversed for a falling one.
    rising_grid = jnp.asarray(np.sort(grid))
    quantum = _require_quantum(quantum, rising_grid.dtype)
    curve = _derivative(grid_data, voltage, capacity, rising_grid, quantum)
    if grid[0] < grid[-1]:
        return curve
    return jax.tree.map(lambda leaf: leaf[..., ::-1], curve)


@eqx.filter_jit
def _derivative(grid_data, voltage, capacity, grid, quantum):
    batch, time = voltage.shape[:-1], voltage.shape[-1]
    cycles = voltage.reshape(-1, time), capacity.reshape(-1, time)

    def prepare(voltage, capacity):
        half_cycle = rising(voltage, capacity)
        return grid_data(grid, half_cycle, _noise_variance(half_cycle, quantum))

    stride = -(-len(cycles[0]) // _MAX_CYCLES_FOR_SMOOTHING)
    data, chord, _ = jax.vmap(prepare)(*(a[::stride] for a in cycles))
    smoothing = fit_smoothing(grid, data, chord)

    def slope(voltage, capacity):
        data, chord, sign = prepare(voltage, capacity)
        mean, *errors = slope_errors(grid, data, chord, smoothing)
        return sign * mean, *errors

    curves = [a.reshape(*batch, -1) for a in map_in_blocks(slope, *cycles)]
    return curve_predictive(grid, *curves)


def _noise_variance(half_cycle, quantum):
    voltage = half_cycle.voltage_v
    rounding = jnp.finfo(voltage.dtype).eps * jnp.abs(voltage).max()
    noise = difference_noise(jnp.where(half_cycle.present, voltage, jnp.nan))
    return jnp.maximum(noise, jnp.maximum(quantum, rounding) ** 2 / 12)


def _capacity_data(grid, half_cycle, noise_variance):
    """Measurements of Q(v_j) minus the chord, slope of the chord, and sign of dQ/dV."""
    capacity, voltage = half_cycle.capacity_ah, half_cycle.voltage_v
    chord, centre_v, centre_ah = _chord(voltage, capacity)
    grid_charge = interpolate(half_cycle, grid)
    slope = jnp.maximum(_secant(grid, grid_charge), _MIN_PILOT_SLOPE * chord)
    # Centred values keep their digits in the sums of float32.
    columns = (capacity - centre_ah, voltage - centre_v)
    count, mean_ah, mean_v = _grid_means(
        grid_charge, capacity, half_cycle.present, columns
    )
    centred_grid = grid - centre_v
    value = mean_ah - slope * (mean_v - centred_grid) - chord * centred_grid
    variance = slope**2 * noise_variance / jnp.maximum(count, 1.0)
    return GridData(value, variance, count > 0), chord, half_cycle.direction


def _voltage_data(grid, half_cycle, noise_variance):
    """Measurements of V(q_j) minus the chord; otherwise as `_capacity_data`."""
    passed = half_cycle.direction * half_cycle.capacity_ah
    voltage = half_cycle.voltage_v
    chord, centre_ah, centre_v = _chord(passed, voltage)
    chord = half_cycle.direction * chord
    columns = (passed - centre_ah, voltage - centre_v)
    count, mean_ah, mean_v = _grid_means(grid, passed, half_cycle.present, columns)
    value, variance = mean_v - chord * mean_ah, noise_variance / jnp.maximum(count, 1.0)
    return GridData(value, variance, count > 0), chord, jnp.ones_like(chord)


def _chord(x, y):
    """Slope of the chord of a curve with rising y, and the centres of its ranges."""
    run, rise = x.max() - x.min(), y.max() - y.min()
    slope = rise / jnp.where(run > 0, run, 1.0)
    # The slope sets the scale of the prior, which must be positive.
    slope = jnp.where(slope > 0, slope, 1.0)
    return slope, 0.5 * (x.max() + x.min()), 0.5 * (y.max() + y.min())


def _secant(grid, charge):
    n = grid.shape[0]
    ahead = np.minimum(np.arange(n) + _PILOT_POINTS, n - 1)
    behind = np.maximum(np.arange(n) - _PILOT_POINTS, 0)
    return (charge[ahead] - charge[behind]) / (grid[ahead] - grid[behind])


def _grid_means(grid, position, present, columns):
    """Number of measurements nearest to each grid point, and means of the columns."""
    size = grid.shape[0]
    boundaries = 0.5 * (grid[1:] + grid[:-1])
    low, high = 1.5 * grid[0] - 0.5 * grid[1], 1.5 * grid[-1] - 0.5 * grid[-2]
    inside = present & (position >= low) & (position <= high)
    # Unused measurements go to an extra segment, which is discarded.
    point = jnp.where(inside, jnp.searchsorted(boundaries, position), size)
    table = jnp.stack([jnp.ones_like(position), *columns], -1)
    count, *sums = jax.ops.segment_sum(table, point, size + 1)[:size].T
    return count, *(total / jnp.maximum(count, 1.0) for total in sums)


def _require_quantum(quantum_v, dtype):
    if not isinstance(quantum_v, Tracer) and not 0 <= quantum_v < 1:
        raise DataError(
            "quantum_v must be the quantisation step of the converter in V, 0 or a "
            f"small positive number (5 / 2**16 for 16 bit and 5 V); got {quantum_v}"
        )
    return jnp.asarray(quantum_v, dtype)
