"""Discharge curves Q(V) of the cycles of a log, and a common voltage grid of logs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from battprob._errors import DataError
from battprob.data._charge_source import number_of
from battprob.data._discharges import Discharges, discharges_of, known_sum
from battprob.data._log_rows import LogRows
from battprob.data.charge import charge_of

_ONE = 0.9  # of the discharge of a cycle; the largest discharge with less is not alone
_HOLD_V = 0.02  # the curve is constant at most so far below its last voltage, V
_HOLD_CHARGE = 0.01  # of the capacity that the curve can gain in this range at most
_SPIKE_V = 0.01  # smallest deviation in V of a false voltage from its neighbours
_SPIKE_FACTOR = 6.0  # the same by the noise of the voltage
_WINDOW = 3  # rows before and after with which a suspicious voltage is compared
_RELAXED_V = 1e-3


class Curves(NamedTuple):
    """Discharge curves on one grid of voltages.

    Attributes:
        cycle: cycles with a curve.
        capacity_ah: charge in Ah discharged down to each voltage, one row per cycle.
        statements: cycles without a curve, and voltages that were left out.
    """

    cycle: Int[np.ndarray, " j"]
    capacity_ah: Float[np.ndarray, "j v"]
    statements: tuple[str, ...]


def discharge_curves(log: LogRows, voltage_v: ArrayLike) -> Curves:
    """Charge discharged down to each voltage of a grid, for each cycle.

    - **Which rows.** The rows that discharge, without rows at rest. The discharge of a
      cycle may be interrupted by rests, changes of the current and small charges. If a
      cycle has several discharges and the largest passes less than 90 % of their
      charge, it has no curve, because no single Q(V) describes it; otherwise the curve
      is that of the largest.
    - **False voltages.** Where the voltage rises from row to row by more than 10 mV and
      six times its noise, the rows (at most three) without which it is smoothest
      are left out. A monotone section is never changed, so steep ends are kept.
    - **Relaxed rows.** After an interruption, rows are left out until the voltage is
      back at the voltage before the interruption.
    - **Noise.** The voltage is replaced by the centre of its monotone envelope, and
      rows of equal voltage are merged at the centre of their charges, as in
      `battprob.features.capacity_on_grid` (implemented here in NumPy, because records
      do not depend on JAX). The charge is interpolated linearly.
    - **Ends.** The curve is 0 above the first voltage. Below the last voltage it is
      constant for at most 20 mV, and only so far that less than 1 % of the capacity can
      be missing if the slope of the last 20 mV continues; below that it is NaN.

    Args:
        log: the log.
        voltage_v: grid in V, increasing or decreasing.
    """
    grid = np.asarray(voltage_v, float)
    discharges = discharges_of(log)
    discharged = known_sum(charge_of(log).discharge_ah)
    unknown = np.isnan(charge_of(log).discharge_ah)
    cycles, rows, false = [], [], []
    several = []
    for index, alone in _largest_of_cycles(discharges):
        if not alone:
            several.append(int(discharges.cycle[index]))
            continue
        voltage, charge, omitted = _cleaned(log, discharges, index, discharged)
        false += omitted
        first, last = discharges.row[
            [discharges.start[index], discharges.end[index] - 1]
        ]
        if unknown[first : last + 1].any():
            continue  # the statements about the charge name the row
        voltage, charge = _monotone(voltage, charge)
        if len(voltage) > 1:
            cycles.append(int(discharges.cycle[index]))
            rows.append(_on_grid(voltage, charge, grid))
    return Curves(
        np.array(cycles, np.int64),
        np.array(rows).reshape(len(rows), len(grid)),
        tuple(_statements(several, false)),
    )


def voltage_range(
    log: LogRows, cycles: Sequence[int] | None = None
) -> tuple[float, float]:
    """Lowest and highest voltage in V that the discharges of a log have in common.

    Each discharge ends at its own voltage: the cut-off is passed by some millivolts, or
    by tens of millivolts if rows are sparse. The lowest common voltage is the highest
    final voltage of all discharges, except for those that end much higher than the
    others (more than six times the median deviation from the median, and at least
    20 mV): partial discharges, whose curves are NaN below their end. The highest common
    voltage is the median of the initial voltages; above it, curves are 0.

    Args:
        log: the log.
        cycles: cycles to use; cycles that the log does not have are ignored. Default:
            all. If none of them has a discharge curve, all are used.

    Raises:
        DataError: no cycle has a single discharge.
    """
    discharges = discharges_of(log)
    discharged = known_sum(charge_of(log).discharge_ah)
    limits = {}
    for index, alone in _largest_of_cycles(discharges):
        if alone:
            voltage, charge, _ = _cleaned(log, discharges, index, discharged)
            voltage, _ = _monotone(voltage, charge)
            limits[int(discharges.cycle[index])] = voltage[0], voltage[-1]
    chosen = [limits[cycle] for cycle in cycles or () if cycle in limits]
    if not limits:
        raise DataError(f"{log.name!r} has no cycle with one discharge, so no Q(V)")
    low, high = np.array(chosen or list(limits.values())).T
    middle = np.median(low)
    deviation = np.median(np.abs(low - middle))
    usual = low <= middle + max(_HOLD_V, 6.0 * deviation)
    if chosen:
        usual[:] = True  # the caller needs exactly these cycles
    return float(low[usual].max()), float(np.median(high[usual]))


def common_voltages(
    logs: Sequence[LogRows],
    *,
    cycles: Sequence[int] | None = None,
    num_voltages: int = 1000,
) -> Float[np.ndarray, " v"]:
    """Equally spaced decreasing voltages that the discharges of all logs cover.

    See `voltage_range` for the range of each log. The grid ends at the highest of the
    lowest and starts at the lowest of the highest voltages. Curves that end up to 20 mV
    above the end of the grid are complete (see `discharge_curves`).

    Args:
        logs: the logs.
        cycles: cycles whose curves must be complete; default: all that are usual.
        num_voltages: number of voltages.

    Raises:
        DataError: the logs have no common range; the message names the two logs.

    Example:
        >>> from battprob.data import TimeSeries
        >>> hour, one = np.linspace(0, 1, 5), np.ones(5)
        >>> log = TimeSeries("a", 3600 * hour, 4 - hour, -one, one)
        >>> common_voltages([log], num_voltages=3)
        array([4. , 3.5, 3. ])
    """
    ranges = np.array([voltage_range(log, cycles) for log in logs])
    lowest, highest = int(ranges[:, 0].argmax()), int(ranges[:, 1].argmin())
    low, high = ranges[lowest, 0], ranges[highest, 1]
    if not low < high:
        raise DataError(
            f"the discharges of the logs need a common voltage range; those of "
            f"{logs[lowest].name!r} end at {low:g} V, those of {logs[highest].name!r} "
            f"start at {high:g} V: leave out one of them"
        )
    return np.linspace(high, low, num_voltages)


def _largest_of_cycles(discharges: Discharges):
    """Index of the largest discharge of each cycle, and whether it is the only one."""
    if not len(discharges.cycle):
        return
    first = np.flatnonzero(np.diff(discharges.cycle, prepend=discharges.cycle[0] - 1))
    ends = np.append(first[1:], len(discharges.cycle))
    for begin, end in zip(first, ends, strict=True):
        charge = discharges.charge_ah[begin:end]
        largest = int(np.argmax(charge))
        yield begin + largest, bool(charge[largest] >= _ONE * charge.sum())


def _cleaned(log, discharges, index, discharged):
    """Voltages and charges of one discharge without false and relaxed rows."""
    rows = discharges.row[discharges.start[index] : discharges.end[index]]
    voltage = log.voltage_v[rows]
    before = discharged[rows[0] - 1] if rows[0] > 0 else 0.0
    charge = np.maximum.accumulate(discharged[rows] - before)
    valid = ~_spikes(voltage)
    omitted = [int(row) for row in rows[~valid]]
    breaks = np.flatnonzero(np.diff(rows) > 1) + 1
    if breaks.size:
        valid &= ~_relaxed(voltage, valid, breaks)
    return voltage[valid], charge[valid], omitted


def _spikes(voltage):
    """Rows whose voltage does not fit to the rows around them.

    In a discharge each false voltage makes the voltage rise before or after it. At each
    rise, those rows are false (at most three) without which the curve is smoothest.
    """
    spikes = np.zeros(len(voltage), bool)
    change = voltage[1:] - voltage[:-1]
    if len(voltage) < 2 * _WINDOW or change.max() <= _SPIKE_V:
        return spikes
    limit = max(_SPIKE_V, _SPIKE_FACTOR * _noise(voltage))
    for rise in np.flatnonzero(change > limit):
        low, high = max(0, rise - _WINDOW), min(len(voltage), rise + _WINDOW + 2)
        near = np.arange(low, high)[~spikes[low:high]]
        if (np.diff(voltage[near]) > limit).any():
            spikes[near[_false_rows(voltage[near])]] = True
    return spikes


def _false_rows(voltage):
    """Slice of the rows that cause the largest rise, or an empty one.

    The roughness is the sum of the second differences. A row that is removed must
    lower it by more than the usual change from row to row, a row at an end by more than
    three times as much, because the range of the curve depends on it.
    """
    rises = np.maximum(np.diff(voltage), 0.0)
    allowed = rises.sum() - 0.9 * rises.max()
    usual = float(np.median(np.abs(np.diff(voltage))))
    best, lowest = slice(0), np.inf
    for width in range(1, min(_WINDOW, len(voltage) - 3) + 1):
        for first in range(len(voltage) - width + 1):
            rest = np.diff(np.delete(voltage, slice(first, first + width)))
            at_end = first == 0 or first + width == len(voltage)
            cost = np.abs(np.diff(rest)).sum() + (width + 2 * at_end) * usual
            if np.maximum(rest, 0.0).sum() <= allowed and cost < lowest:
                best, lowest = slice(first, first + width), cost
    return best


def _noise(voltage):
    """A quantile of the second differences of the voltage.

    With white noise it is 1.1 times its standard deviation. Each false row changes
    three second differences, so a fifth of the rows may be false.
    """
    return float(np.quantile(np.abs(np.diff(voltage, 2)), 0.35))


def _relaxed(voltage, valid, breaks):
    """Rows after each break whose voltage is still above that before the break."""
    relaxed = np.zeros(len(voltage), bool)
    ends = np.append(breaks[1:], len(voltage))
    first = np.flatnonzero(valid[: breaks[0]])
    level = voltage[first[-1]] if first.size else np.inf
    for begin, end in zip(breaks, ends, strict=True):
        below = valid[begin:end] & (voltage[begin:end] <= level + _RELAXED_V)
        count = int(np.argmax(below)) if below.any() else end - begin
        relaxed[begin : begin + count] = True
        if below.any():
            level = voltage[begin:end][valid[begin:end]][-1]
    return relaxed


def _monotone(voltage, charge):
    """Strictly increasing voltages and their charge, from a noisy falling voltage.

    The voltage is the centre of its monotone envelope; rows of equal voltage are merged
    at the centre of their charges.
    """
    lower = np.minimum.accumulate(voltage)
    upper = np.maximum.accumulate(voltage[::-1])[::-1]
    centre = 0.5 * (lower + upper)[::-1]
    first = np.flatnonzero(np.diff(centre, prepend=-np.inf) > 0)
    last = np.append(first[1:], len(centre)) - 1
    charge = charge[::-1]
    return centre[first], 0.5 * (charge[first] + charge[last])


def _on_grid(voltage, charge, grid):
    """Interpolated charge: 0 above the curve, constant a little below it, then NaN."""
    end = charge[0]
    gained = end - np.interp(voltage[0] + _HOLD_V, voltage, charge)
    allowed = _HOLD_CHARGE * end
    hold = _HOLD_V if gained <= allowed else _HOLD_V * allowed / gained
    values = np.interp(grid, voltage, charge, right=0.0)
    values[grid < voltage[0] - hold] = np.nan
    return values


def _statements(several, false):
    if several:
        yield (
            f"no discharge curve for {number_of(len(several), 'cycle')} with several "
            f"discharges (first: {several[0]}); number the cycles anew with with_cycles"
        )
    if false:
        yield (
            f"the voltage of {number_of(len(false), 'row')} does not fit to the rows "
            f"around them; left out of the discharge curves (first: row {false[0]}, "
            "counting from 0)"
        )
