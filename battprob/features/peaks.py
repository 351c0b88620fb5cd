"""Position, height, area and width of peaks of incremental capacity, with their errors.

All four are computed from the mean curve. Their errors follow to first order from the
draws of the curve, which carry the correlation between neighbouring voltages. With d_s
the deviation of draw s from the mean g, for a peak at v* between the valleys a and b,

    δheight = d_s(v*),    δarea = ∫ d_s dv  (a to b),
    δwidth  = Σ ± (δlevel - d_s(v_±)) / g'(v_±),

where v_± are the voltages at which g equals the level halfway between the peak and its
higher valley. The area has an additional term g δv at each valley, whose position is
uncertain like that of the peak. The first-order error of the position, sd(g') / |g''|,
is too small for a weak peak, because its curvature is uncertain too. The maximum can be
at any voltage at which the sign of the slope is not significant, |g'| < 1.645 sd(g');
the standard deviation of the position is half the width of this interval over 1.645.
For a clear peak both definitions agree.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, Float, Numeric
from battprob.predictive import Predictive

_NUM_CANDIDATES = 24
_MIN_VARIANCE = 1e-30  # replaces a slope variance of zero in quotients
_SIGNIFICANT_SLOPE = 1.645  # standard deviations; the 95 % quantile of a Gaussian
_SIGNIFICANT_PROMINENCE = 3.0  # standard deviations of the difference to a valley


class Peaks(eqx.Module):
    """Peaks tracked over the cycles, one column per peak; NaN where a peak is absent.

    Args:
        position_v, position_sd: voltage of the maximum and its standard deviation, V.
        height, height_sd: |dQ/dV| at the maximum, Ah/V.
        area_ah, area_sd: charge between the two adjacent valleys, Ah.
        width_v, width_sd: full width at half height above the higher valley, V.
    """

    position_v: Float[Array, "*c p"]
    position_sd: Float[Array, "*c p"]
    height: Float[Array, "*c p"]
    height_sd: Float[Array, "*c p"]
    area_ah: Float[Array, "*c p"]
    area_sd: Float[Array, "*c p"]
    width_v: Float[Array, "*c p"]
    width_sd: Float[Array, "*c p"]


def ica_peaks(
    curve: Predictive,
    grid_v: Float[Numeric, " v"],
    *,
    max_peaks: int = 8,
    reach_v: float = 0.03,
) -> Peaks:
    """Find the peaks of dQ/dV in each cycle and track them over the cycles.

    A maximum is a peak if it exceeds the valleys on both sides by three standard errors
    of the difference. Peaks are assigned to tracks in order of distance to the last
    position of the track. A peak without a track within `reach_v` starts a new track. A
    track keeps its last position while its peak is absent.

    Args:
        curve: dQ/dV of consecutive cycles, [cycles, v] or [v], with draws, as returned
            by `differential_capacity`. For a discharge, the peaks of -dQ/dV are found.
        grid_v: voltages of the curve in V, increasing or decreasing, equally spaced.
        max_peaks: maximum number of peaks and of tracks; the highest peaks are used.
        reach_v: largest distance in V between consecutive positions of a track.

    Raises:
        DataError: the curve has no draws or another number of voltages than `grid_v`,
            or the grid is not equally spaced.

    Example:
        >>> import numpy as np
        >>> voltage = np.linspace(3.2, 3.8, 500)
        >>> capacity = voltage - 3.2 + 0.3 * np.tanh((voltage - 3.5) / 0.05)
        >>> from battprob.features import differential_capacity
        >>> grid = np.linspace(3.2, 3.8, 100)
        >>> curve = differential_capacity(voltage, capacity, grid, quantum_v=1e-4)
        >>> peaks = ica_peaks(curve, grid)
        >>> f"{peaks.position_v[0, 0]:.3f} V, {peaks.height[0, 0]:.1f} Ah/V"
        '3.500 V, 7.0 Ah/V'
    """
    if not isinstance(curve, Predictive) or max_peaks < 1 or not reach_v > 0:
        raise DataError(
            "ica_peaks needs a Predictive (from `differential_capacity`), max_peaks >= "
            f"1 and reach_v > 0; got {type(curve).__name__}, {max_peaks} and {reach_v}"
        )
    grid = jnp.asarray(grid_v, curve.location.dtype)
    steps = np.diff(np.asarray(grid))
    if not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
        raise DataError(
            "ica_peaks needs an equally spaced voltage grid; got steps from "
            f"{steps.min():g} to {steps.max():g} V"
        )
    if curve.location.shape[0] < 2 or curve.shape[-1:] != grid.shape:
        raise DataError(
            f"ica_peaks needs at least two draws of a curve over {grid.size} voltages; "
            f"got {curve.location.shape[0]} draws of shape {curve.shape}"
        )
    if steps[0] < 0:
        grid = grid[::-1]
        curve = jax.tree.map(lambda leaf: leaf[..., ::-1], curve)
    return _tracked_peaks(curve, grid, max_peaks, jnp.asarray(reach_v, grid.dtype))


@eqx.filter_jit
def _tracked_peaks(curve, grid, max_peaks, reach):
    size = grid.shape[0]
    mean = curve.mean.reshape(-1, size)
    sign = jnp.where(mean.sum(-1) < 0, -1.0, 1.0)[:, None]
    draws = curve.location.mean(1).reshape(-1, *mean.shape) - mean[None]
    draw_variance = jnp.mean(draws**2, axis=0)
    positive = draw_variance > 0
    # The draws may carry only a part of the variance. They are scaled to the total,
    # with the same correlation.
    epistemic = curve.epistemic.reshape(mean.shape)
    factor = epistemic / jnp.where(positive, draw_variance, 1.0)
    draws = draws * (sign * safe_sqrt(jnp.where(positive, factor, 0.0)))[None]
    find = partial(_peaks_of_cycle, grid, max_peaks)
    peaks = jax.vmap(find, in_axes=(0, 1))(sign * mean, draws)
    return _track(peaks, max_peaks, reach)


def _peaks_of_cycle(grid, max_peaks, g, draws):
    step = grid[1] - grid[0]
    top, left, right, is_peak = _significant(g, draws, max_peaks)
    slope = jnp.asarray(jnp.gradient(g))
    draw_slope = jnp.asarray(jnp.gradient(draws, axis=-1))
    curvature = g[top - 1] - 2 * g[top] + g[top + 1]
    curvature = jnp.where(is_peak, curvature, -1.0)
    # Vertex of the parabola through the three highest points, relative to the maximum.
    offset = -0.5 * (g[top + 1] - g[top - 1]) / curvature
    level = 0.5 * (g[top] + jnp.maximum(g[left], g[right]))
    draw_level = 0.5 * (
        draws[:, top]
        + jnp.where((g[left] > g[right])[None], draws[:, left], draws[:, right])
    )
    left_crossing, left_error = _crossing(g, slope, draws, top, left, level, draw_level)
    right_crossing, right_error = _crossing(
        g, slope, draws, top, right, level, draw_level
    )
    curves = jnp.vstack([g, draws])
    integral = jnp.cumsum(curves, axis=1) - 0.5 * curves  # trapezoidal rule
    area = step * (integral[:, right] - integral[:, left])
    valley_error = _valley_error(g, draw_slope, right)
    valley_error = valley_error - _valley_error(g, draw_slope, left)
    values = {
        "height": (g[top] - 0.5 * curvature * offset**2, draws[:, top]),
        "area_ah": (area[0], area[1:] + step * valley_error),
        "width_v": (
            step * (right_crossing - left_crossing),
            step * (right_error - left_error),
        ),
    }
    position_sd = step * _position_sd(slope, draw_slope, top, left, right)
    columns = {
        "position_v": jnp.where(is_peak, grid[top] + step * offset, jnp.nan),
        "position_sd": jnp.where(is_peak, position_sd, jnp.nan),
    }
    for name, (value, error) in values.items():
        sd = safe_sqrt(jnp.mean(error**2, axis=0))
        columns[name] = jnp.where(is_peak, value, jnp.nan)
        columns[name.split("_")[0] + "_sd"] = jnp.where(is_peak, sd, jnp.nan)
    return Peaks(**columns)


def _position_sd(slope, draw_slope, top, left, right):
    """Standard deviation of the position, from the slope's significance, in steps."""
    variance = jnp.mean(draw_slope**2, axis=0)
    z_score = slope / safe_sqrt(jnp.maximum(variance, _MIN_VARIANCE))
    # The search starts one step beyond the maximum, because the interval around a sharp
    # peak is shorter than a step.
    first_below = partial(_first_below, level=-_SIGNIFICANT_SLOPE)
    _, low = jax.vmap(partial(first_below, -z_score))(top + 1, left)
    _, high = jax.vmap(partial(first_below, z_score))(top - 1, right)
    return 0.5 * (high - low) / _SIGNIFICANT_SLOPE


def _valley_error(g, draw_slope, valley):
    """Change of the area as the valley moves; zero at the ends of the grid."""
    inner = jnp.clip(valley, 1, g.shape[0] - 2)
    curvature = g[inner - 1] - 2 * g[inner] + g[inner + 1]
    is_minimum = (valley == inner) & (curvature > 0)
    gain = -g[inner] / jnp.where(is_minimum, curvature, 1.0)
    return jnp.where(is_minimum, gain, 0.0)[None] * draw_slope[:, inner]


def _significant(g, draws, max_peaks):
    """Up to `max_peaks` maxima, their valleys, and whether each is a peak."""
    size = g.shape[0]
    index = jnp.arange(size)
    is_maximum = (g[1:-1] > g[:-2]) & (g[1:-1] >= g[2:]) & (g[1:-1] > 0)
    height = jnp.where(jnp.pad(is_maximum, 1), g, -jnp.inf)
    height, top = jax.lax.top_k(height, min(_NUM_CANDIDATES, size))
    top = top.astype(index.dtype)
    left, right = jax.vmap(partial(_valleys, g, index))(top)
    is_peak = (height > -jnp.inf) & _is_prominent(g, draws, top, left)
    is_peak = is_peak & _is_prominent(g, draws, top, right)
    order = jnp.argsort(~is_peak, stable=True)[:max_peaks]
    top, is_peak = top[order], is_peak[order]
    # Two neighbouring peaks have the same valley between them.
    below = is_peak[None] & (top[None] < top[:, None])
    above = is_peak[None] & (top[None] > top[:, None])
    previous = jnp.where(below, top[None], 0).max(1)
    following = jnp.where(above, top[None], size - 1).min(1)
    valley = jax.vmap(partial(_lowest, g, index))
    top = jnp.clip(top, 1, size - 2)
    return top, valley(previous, top), valley(top, following), is_peak


def _valleys(g, index, top):
    """Lowest points between a maximum and the nearest higher points on both sides."""
    higher = g > g[top]
    before = jnp.where(higher & (index < top), index, 0).max()
    after = jnp.where(higher & (index > top), index, g.shape[0] - 1).min()
    return _lowest(g, index, before, top), _lowest(g, index, top, after)


def _lowest(g, index, first, last):
    return jnp.argmin(jnp.where((index >= first) & (index <= last), g, jnp.inf))


def _is_prominent(g, draws, top, valley):
    error = draws[:, top] - draws[:, valley]
    sd = safe_sqrt(jnp.mean(error**2, axis=0))
    return g[top] - g[valley] > _SIGNIFICANT_PROMINENCE * sd


def _crossing(g, slope, draws, top, end, level, draw_level):
    """Position at which g equals `level` between a maximum and a valley, in steps."""

    def crossing(top, end, level, draw_level):
        first, position = _first_below(g, top, end, level)
        gradient = jnp.where(slope[first] != 0, slope[first], 1.0)
        return position, (draw_level - draws[:, first]) / gradient

    return jax.vmap(crossing, in_axes=(0, 0, 0, 1), out_axes=(0, 1))(
        top, end, level, draw_level
    )


def _first_below(curve, start, end, level):
    """First grid point after `start` towards `end` at or below a level.

    Returns:
        Index of the point (`end` if there is none), and the interpolated crossing.
    """
    index = jnp.arange(curve.shape[0])
    ahead = end > start
    between = jnp.where(
        ahead, (index > start) & (index <= end), (index < start) & (index >= end)
    )
    below = between & ((curve <= level) | (index == end))
    first = jnp.where(
        ahead, jnp.argmax(below), curve.shape[0] - 1 - jnp.argmax(below[::-1])
    )
    before = jnp.where(ahead, first - 1, first + 1)
    drop = curve[before] - curve[first]
    fraction = (curve[before] - level) / jnp.where(drop > 0, drop, 1.0)
    fraction = jnp.clip(fraction, 0.0, 1.0)
    step = (first - before).astype(curve.dtype)
    return first, before.astype(curve.dtype) + fraction * step


def _track(peaks, max_peaks, reach):
    """Arrange the peaks of each cycle in the columns of their tracks."""

    def step(last_position, peaks):
        column = _assign(last_position, peaks.position_v, reach)
        empty = jnp.full(max_peaks, jnp.nan, last_position.dtype)
        arranged = jax.tree.map(
            lambda value: empty.at[column].set(value, mode="drop"), peaks
        )
        position = arranged.position_v
        return jnp.where(jnp.isnan(position), last_position, position), arranged

    start = jnp.full(max_peaks, jnp.nan, peaks.position_v.dtype)
    return jax.lax.scan(step, start, peaks)[1]


def _assign(last_position, position, reach):
    """Column of each peak: its nearest track, else a free column, else out of range.

    Out-of-range columns are dropped by `_track`.
    """
    number = position.shape[0]
    distance = jnp.abs(position[:, None] - last_position[None])
    distance = jnp.where(distance <= reach, distance, jnp.inf)

    def assign_nearest(_, state):
        distance, column = state
        peak, track = jnp.unravel_index(jnp.argmin(distance), distance.shape)
        within_reach = distance[peak, track] < jnp.inf
        column = column.at[peak].set(jnp.where(within_reach, track, column[peak]))
        remaining = distance.at[peak].set(jnp.inf).at[:, track].set(jnp.inf)
        return jnp.where(within_reach, remaining, distance), column

    start = distance, jnp.full(number, number)
    column = jax.lax.fori_loop(0, number, assign_nearest, start)[1]
    is_new = jnp.isfinite(position) & (column == number)
    free = jnp.isnan(last_position)
    free_columns = jnp.argsort(~free, stable=True)
    rank = jnp.cumsum(is_new) - 1
    new_column = jnp.where(rank < free.sum(), free_columns[rank], number)
    return jnp.where(is_new, new_column, column)
