"""Peaks of incremental capacity: where, how high, how much charge, each with its error.

All four are read off the mean curve; their errors are those of the curve to first order,
summed over its draws so that errors at neighbouring voltages go together. With d_s the
deviation of draw s from the mean g, at a peak v* with ends a and b,

    δheight = d_s(v*),    δarea = ∫ d_s dv  (a to b),
    δwidth  = Σ ± (δlevel - d_s(v_±)) / g'(v_±),

v_± being where g falls to the level halfway down to the higher valley. To the area comes
g δv at either end, where the valley moves as the top does. The first order of the position,
sd(g') / |g''|, is too small for a faint peak, whose bend is itself uncertain: the top may be
wherever the slope's sign is open, |g'| < 1.645 sd(g'), and the position's sd is half the
width of that stretch over 1.645. Of a clear peak it is the same.
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

_CANDIDATES = 24
_EXACT = 1e-30  # variance of a slope that has no error
_OPEN = 1.645  # a slope's sign is open within as many of its errors
_TIMES_SD = 3.0  # a peak must stand out of its flanks by as many of its own errors


class Peaks(eqx.Module):
    """Peaks tracked over cycles, a column a peak; NaN where a cycle does not show it.

    Args:
        position_v, position_sd: place of the top, V.
        height, height_sd: |dQ/dV| there, Ah/V.
        area_ah, area_sd: charge between the valleys on either side, Ah.
        width_v, width_sd: full width halfway down to the higher valley, V.
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
    """Find the peaks of dQ/dV in every cycle and follow each over the cycles.

    A maximum is a peak if it stands out of the valley on either side by three of the
    standard errors of that very difference. From cycle to cycle peaks are matched to
    tracks, nearest first, by where each track was seen last; one that finds no track
    within `reach_v` opens a new one, and a track without a peak waits for it to return.

    Args:
        curve: dQ/dV of cycles in order, [cycles v] or [v], with draws, as
            `differential_capacity` gives it; on a discharge its mirror image counts.
        grid_v: its voltages, V, rising or falling, evenly spaced.
        max_peaks: how many peaks, and tracks, at most; the highest go first.
        reach_v: how far a peak may move between two sightings, V.

    Raises:
        DataError: the curve has no draws or is not over `grid_v`, or the grid is not
            even.

    Example:
        >>> import numpy as np
        >>> voltage = np.linspace(3.2, 3.8, 601)
        >>> capacity = voltage - 3.2 + 0.3 * np.tanh((voltage - 3.5) / 0.05)
        >>> from battprob.features import differential_capacity
        >>> curve = differential_capacity(voltage, capacity, voltage, quantum_v=1e-4)
        >>> peaks = ica_peaks(curve, voltage)
        >>> f"{peaks.position_v[0, 0]:.3f} V, {peaks.height[0, 0]:.1f} Ah/V"
        '3.500 V, 7.0 Ah/V'
    """
    if not isinstance(curve, Predictive) or max_peaks < 1 or not reach_v > 0:
        raise DataError(
            "ica_peaks needs a Predictive (of `differential_capacity`), max_peaks >= 1 "
            f"and reach_v > 0; got {type(curve).__name__}, {max_peaks} and {reach_v}"
        )
    grid = jnp.asarray(grid_v, curve.location.dtype)
    steps = np.diff(np.asarray(grid))
    if not np.allclose(steps, steps.mean(), rtol=1e-3, atol=0):
        raise DataError(
            "ica_peaks needs an evenly spaced grid of voltages; steps run from "
            f"{steps.min():g} to {steps.max():g} V"
        )
    if curve.location.shape[0] < 2 or curve.shape[-1:] != grid.shape:
        raise DataError(
            f"ica_peaks needs draws of a curve over {grid.size} voltages; got "
            f"{curve.location.shape[0]} draws of shape {curve.shape}"
        )
    if steps[0] < 0:
        grid = grid[::-1]
        curve = jax.tree.map(lambda leaf: leaf[..., ::-1], curve)
    return _tracked_peaks(curve, grid, max_peaks, jnp.asarray(reach_v, grid.dtype))


@eqx.filter_jit
def _tracked_peaks(curve, grid, max_peaks, reach):
    size = grid.shape[0]
    mean = curve.mean.reshape(-1, size)
    upright = jnp.where(mean.sum(-1) < 0, -1.0, 1.0)[:, None]
    draws = curve.location.mean(1).reshape(-1, *mean.shape) - mean[None]
    spread = jnp.mean(draws**2, axis=0)
    known = spread > 0
    # Draws may carry a part of the variance only; the rest goes together as they do.
    whole = curve.epistemic.reshape(mean.shape) / jnp.where(known, spread, 1.0)
    draws = draws * (upright * safe_sqrt(jnp.where(known, whole, 0.0)))[None]
    find = partial(_peaks_of_one, grid, max_peaks)
    found = jax.vmap(find, in_axes=(0, 1))(upright * mean, draws)
    return _follow(found, max_peaks, reach)


def _peaks_of_one(grid, max_peaks, g, draws):
    step = grid[1] - grid[0]
    top, left, right, real = _significant(g, draws, max_peaks)
    slope = jnp.asarray(jnp.gradient(g))
    draw_slope = jnp.asarray(jnp.gradient(draws, axis=-1))
    bend = g[top - 1] - 2 * g[top] + g[top + 1]
    bend = jnp.where(real, bend, -1.0)
    offset = -0.5 * (g[top + 1] - g[top - 1]) / bend
    level = 0.5 * (g[top] + jnp.maximum(g[left], g[right]))
    draw_level = 0.5 * (
        draws[:, top]
        + jnp.where((g[left] > g[right])[None], draws[:, left], draws[:, right])
    )
    down, down_error = _crossing(g, slope, draws, top, left, level, draw_level)
    up, up_error = _crossing(g, slope, draws, top, right, level, draw_level)
    curves = jnp.vstack([g, draws])
    running = jnp.cumsum(curves, axis=1) - 0.5 * curves
    area = step * (running[:, right] - running[:, left])
    end_error = _end_error(g, draw_slope, right) - _end_error(g, draw_slope, left)
    values = {
        "height": (g[top] - 0.5 * bend * offset**2, draws[:, top]),
        "area_ah": (area[0], area[1:] + step * end_error),
        "width_v": (step * (up - down), step * (up_error - down_error)),
    }
    position_sd = step * _position_sd(slope, draw_slope, top, left, right)
    columns = {
        "position_v": jnp.where(real, grid[top] + step * offset, jnp.nan),
        "position_sd": jnp.where(real, position_sd, jnp.nan),
    }
    for name, (value, error) in values.items():
        sd = safe_sqrt(jnp.mean(error**2, axis=0))
        columns[name] = jnp.where(real, value, jnp.nan)
        columns[name.split("_")[0] + "_sd"] = jnp.where(real, sd, jnp.nan)
    return Peaks(**columns)


def _position_sd(slope, draw_slope, top, left, right):
    """How far the slope's sign is open on either side of a top, in steps."""
    spread = jnp.mean(draw_slope**2, axis=0)
    times_sd = slope / safe_sqrt(jnp.maximum(spread, _EXACT))
    # From a step beyond the top: of a sharp peak the stretch is shorter than a step.
    _, low = jax.vmap(partial(_fall, -times_sd, -_OPEN))(top + 1, left)
    _, high = jax.vmap(partial(_fall, times_sd, -_OPEN))(top - 1, right)
    return 0.5 * (high - low) / _OPEN


def _end_error(g, draw_slope, valley):
    """Charge that a peak gains as its end moves with the valley; edges stay."""
    inner = jnp.clip(valley, 1, g.shape[0] - 2)
    bend = g[inner - 1] - 2 * g[inner] + g[inner + 1]
    real = (valley == inner) & (bend > 0)
    gain = jnp.where(real, -g[inner] / jnp.where(real, bend, 1.0), 0.0)
    return gain[None] * draw_slope[:, inner]


def _significant(g, draws, max_peaks):
    """Tops, their valleys, and whether each is a peak at all: at most `max_peaks`."""
    size = g.shape[0]
    index = jnp.arange(size)
    top_of_three = (g[1:-1] > g[:-2]) & (g[1:-1] >= g[2:]) & (g[1:-1] > 0)
    height = jnp.where(jnp.pad(top_of_three, 1), g, -jnp.inf)
    height, top = jax.lax.top_k(height, min(_CANDIDATES, size))
    top = top.astype(index.dtype)
    left, right = jax.vmap(partial(_bases, g, index))(top)
    stands = (height > -jnp.inf) & _stands(g, draws, top, left)
    stands = stands & _stands(g, draws, top, right)
    order = jnp.argsort(~stands, stable=True)[:max_peaks]
    top, real = top[order], stands[order]
    # Neighbours share the valley between them, whichever is higher.
    others = jnp.where(real[None] & (top[None] < top[:, None]), top[None], 0).max(1)
    beyond = jnp.where(real[None] & (top[None] > top[:, None]), top[None], size - 1)
    valley = jax.vmap(partial(_lowest, g, index))
    top = jnp.clip(top, 1, size - 2)
    return top, valley(others, top), valley(top, beyond.min(1)), real


def _bases(g, index, top):
    """Lowest points between a top and the nearest higher ones on either side."""
    higher = g > g[top]
    before = jnp.where(higher & (index < top), index, 0).max()
    after = jnp.where(higher & (index > top), index, g.shape[0] - 1).min()
    return _lowest(g, index, before, top), _lowest(g, index, top, after)


def _lowest(g, index, first, last):
    return jnp.argmin(jnp.where((index >= first) & (index <= last), g, jnp.inf))


def _stands(g, draws, top, base):
    error = draws[:, top] - draws[:, base]
    return g[top] - g[base] > _TIMES_SD * safe_sqrt(jnp.mean(error**2, axis=0))


def _crossing(g, slope, draws, top, end, level, draw_level):
    """Where g falls to `level` between a top and one of its valleys, in steps."""

    def one(top, end, level, draw_level):
        first, place = _fall(g, level, top, end)
        steep = jnp.where(slope[first] != 0, slope[first], 1.0)
        return place, (draw_level - draws[:, first]) / steep

    return jax.vmap(one, in_axes=(0, 0, 0, 1), out_axes=(0, 1))(
        top, end, level, draw_level
    )


def _fall(curve, level, start, end):
    """First node on the way at which a curve has fallen to a level, and where it did so;
    the end if nowhere.
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
    inner = jnp.where(ahead, first - 1, first + 1)
    fall = curve[inner] - curve[first]
    share = (curve[inner] - level) / jnp.where(fall > 0, fall, 1.0)
    share = jnp.clip(share, 0.0, 1.0)
    return first, inner.astype(curve.dtype) + share * (first - inner).astype(
        curve.dtype
    )


def _follow(found, max_peaks, reach):
    """Put every cycle's peaks into the columns of their tracks."""

    def step(last_seen, peaks):
        column = _match(last_seen, peaks.position_v, reach)
        nothing = jnp.full(max_peaks, jnp.nan, last_seen.dtype)
        placed = jax.tree.map(
            lambda value: nothing.at[column].set(value, mode="drop"), peaks
        )
        seen = placed.position_v
        return jnp.where(jnp.isnan(seen), last_seen, seen), placed

    start = jnp.full(max_peaks, jnp.nan, found.position_v.dtype)
    return jax.lax.scan(step, start, found)[1]


def _match(last_seen, position, reach):
    """Column of each peak: nearest track first, then a free one; else out of range."""
    number = position.shape[0]
    distance = jnp.abs(position[:, None] - last_seen[None])
    distance = jnp.where(distance <= reach, distance, jnp.inf)

    def pair(_, state):
        distance, column = state
        peak, track = jnp.unravel_index(jnp.argmin(distance), distance.shape)
        close = distance[peak, track] < jnp.inf
        column = column.at[peak].set(jnp.where(close, track, column[peak]))
        taken = distance.at[peak].set(jnp.inf).at[:, track].set(jnp.inf)
        return jnp.where(close, taken, distance), column

    start = distance, jnp.full(number, number)
    column = jax.lax.fori_loop(0, number, pair, start)[1]
    new = jnp.isfinite(position) & (column == number)
    free = jnp.argsort(~jnp.isnan(last_seen), stable=True)
    rank = jnp.cumsum(new) - 1
    opened = jnp.where(rank < jnp.isnan(last_seen).sum(), free[rank], number)
    return jnp.where(new, opened, column)
