"""`StepTable`: the steps of a test, with their kind, charge, energy and mean values."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from battprob.data._columns_table import ColumnTable
from battprob.data._current import runs_of
from battprob.data._log_rows import LogRows
from battprob.data.charge import charge_of

_SECONDS_PER_HOUR = 3600.0
_LONGEST_PULSE_S = 180.0
_LARGEST_PULSE = 0.05  # of the charge of the largest step
_CONSTANT_V = 0.01  # range of the voltage in V that counts as constant
_NEAR_END_V = 0.005
_FALL = 0.9  # last current by first current at constant voltage
_TAPER = 0.99  # current by the constant current before, where the taper begins
_FEW = 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StepTable(ColumnTable):
    """Steps of a test in order of time, one array per column.

    A step begins where the step number or the cycle number changes, or where the time
    in the step starts again. Without step numbers, it begins where the direction of the
    current changes, and where a charge at constant current becomes one at constant
    voltage. The first rule that applies gives its kind:

    1. `rest`: most rows have no current (see `battprob.data._current.rest_current_a`).
    2. `constant voltage`: from its second row on, the voltage varies by at most 10 mV
       and the current decreases by more than 10 % (four rows or more).
    3. `pulse`: it lasts at most 180 s and passes less than 5 % of the charge of the
       largest step.
    4. `charge` or `discharge`, by the sign of the charge.

    Attributes:
        kind: kind of each step.
        cycle: cycle number.
        step: step number of the log; 0, 1, … without one.
        first_row, last_row: rows, counted from 0, both included.
        start_s, end_s: time of the first row (of the start of the step, if the time in
            the step is known) and of the last row in s.
        duration_s: difference of the two in s.
        charge_ah: charge passed in Ah, positive while charging; NaN if unknown. It
            includes the interval before the first row.
        energy_wh: the same charge times the voltage in Wh.
        mean_current_a: mean over the time between the rows in A.
        mean_voltage_v, start_voltage_v, end_voltage_v: mean over the time, and first
            and last value in V.
        temperature_c: mean temperature in °C; NaN if unknown.
    """

    kind: tuple[str, ...]
    cycle: Int[np.ndarray, " s"]
    step: Int[np.ndarray, " s"]
    first_row: Int[np.ndarray, " s"]
    last_row: Int[np.ndarray, " s"]
    start_s: Float[np.ndarray, " s"]
    end_s: Float[np.ndarray, " s"]
    duration_s: Float[np.ndarray, " s"]
    charge_ah: Float[np.ndarray, " s"]
    energy_wh: Float[np.ndarray, " s"]
    mean_current_a: Float[np.ndarray, " s"]
    mean_voltage_v: Float[np.ndarray, " s"]
    start_voltage_v: Float[np.ndarray, " s"]
    end_voltage_v: Float[np.ndarray, " s"]
    temperature_c: Float[np.ndarray, " s"]

    def _shown(self):
        return (
            "kind", "cycle", "step", "first_row", "last_row", "duration_s", "charge_ah",
            "mean_current_a", "start_voltage_v", "end_voltage_v",
        )  # fmt: skip


def step_table(log: LogRows) -> StepTable:
    """Divide a log into steps; see `StepTable` for the rules."""
    first = _first_rows(log)
    last = np.append(first[1:], len(log.time_s)) - 1
    signed = charge_of(log).charge_ah - charge_of(log).discharge_ah
    start = _starts(log, first)
    charge = np.add.reduceat(signed, first)
    number = np.arange(len(first)) if log.step is None else log.step[first]
    return StepTable(
        kind=_kinds(log, first, last, charge, log.time_s[last] - start),
        cycle=log.cycle[first],
        step=number,
        first_row=first,
        last_row=last,
        start_s=start,
        end_s=log.time_s[last],
        duration_s=log.time_s[last] - start,
        charge_ah=charge,
        energy_wh=np.add.reduceat(signed * mean_voltage(log.voltage_v), first),
        mean_current_a=_mean_over_time(log.current_a, log.time_s, first, last),
        mean_voltage_v=_mean_over_time(log.voltage_v, log.time_s, first, last),
        start_voltage_v=log.voltage_v[first],
        end_voltage_v=log.voltage_v[last],
        temperature_c=mean_of_present(log.other.get("temperature_c"), first),
    )


def mean_voltage(voltage_v: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """Mean voltage of the interval before each row."""
    return 0.5 * (voltage_v + np.concatenate([voltage_v[:1], voltage_v[:-1]]))


def mean_of_present(
    column: Float[np.ndarray, " t"] | None, first: Int[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """Mean of the values that are not NaN in each group of rows; NaN without any."""
    if column is None:
        return np.full(len(first), np.nan)
    present = np.isfinite(column)
    count = np.add.reduceat(present.astype(np.int64), first)
    total = np.add.reduceat(np.where(present, column, 0.0), first)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def is_pulse(
    duration_s: Float[np.ndarray, " s"], charge_ah: Float[np.ndarray, " s"]
) -> Bool[np.ndarray, " s"]:
    """Whether steps are short and pass little charge; see `StepTable`."""
    size = np.abs(charge_ah)
    largest = np.nanmax(size, initial=0.0)
    return (duration_s <= _LONGEST_PULSE_S) & ~(size >= _LARGEST_PULSE * largest)


def _first_rows(log):
    """First row of each step."""
    if log.step is None:
        first = runs_of(charge_of(log).direction, log.cycle).first[:-1]
        return _with_tapers(log, first)
    starts = np.zeros(len(log.time_s), bool)
    starts[0] = True
    starts[1:] = (np.diff(log.step) != 0) | (np.diff(log.cycle) != 0)
    step_time = log.other.get("step_time_s")
    if step_time is not None:
        starts[1:] |= np.diff(step_time) < 0
    return np.flatnonzero(starts)


def _with_tapers(log, first):
    """Divide charges at constant current and then constant voltage into two steps."""
    ends = np.append(first[1:], len(log.time_s))
    tapers = [
        taper
        for begin, end in zip(first, ends, strict=True)
        if end - begin > 2 * _FEW
        and charge_of(log).direction[begin] > 0
        and (taper := _taper(log.voltage_v[begin:end], log.current_a[begin:end], begin))
    ]
    return np.sort(np.concatenate([first, np.array(tapers, np.int64)]))


def _taper(voltage, current, begin):
    """First row of the constant voltage at the end of a charge, or None."""
    end = np.median(voltage[-_FEW:])
    away = np.flatnonzero(np.abs(voltage - end) > _NEAR_END_V)
    start = int(away[-1]) + 1 if away.size else 0
    if start < 2 or len(voltage) - start < _FEW:
        return None
    before = np.median(current[:start])
    below = np.flatnonzero(current[start:] < _TAPER * before)
    if not below.size or len(voltage) - start - below[0] < _FEW:
        return None
    start += int(below[0])
    return begin + start if current[-1] < _FALL * current[start] else None


def _starts(log, first):
    """Start of each step in s."""
    start = log.time_s[first]
    step_time = log.other.get("step_time_s")
    if step_time is None:
        return start
    elapsed = step_time[first]
    before = log.time_s[np.maximum(first - 1, 0)]
    known = (elapsed >= 0) & (start - elapsed >= before - 1e-3) & (first > 0)
    return np.where(known, start - np.where(known, elapsed, 0.0), start)


def _mean_over_time(column, time, first, last):
    """Trapezoidal mean between the first and the last row of each step."""
    seconds = np.diff(time, prepend=time[0])
    seconds[first] = 0.0
    before = np.concatenate([column[:1], column[:-1]])
    total = np.add.reduceat(0.5 * (column + before) * seconds, first)
    duration = np.add.reduceat(seconds, first)
    rows = np.add.reduceat(column, first) / (last - first + 1)
    return np.where(duration > 0, total / np.where(duration > 0, duration, 1.0), rows)


def _kinds(log, first, last, charge, duration):
    still = np.add.reduceat((charge_of(log).direction == 0).astype(np.int64), first)
    rest = still > 0.5 * (last - first + 1)
    constant = _constant_voltage(log, first, last)
    pulse = is_pulse(duration, charge)
    direction = np.add.reduceat(charge_of(log).direction.astype(np.int64), first)
    charges = np.where(np.isfinite(charge) & (charge != 0), charge, direction) > 0
    kinds = np.where(charges, "charge", "discharge").astype(object)
    for mask, name in (
        (pulse, "pulse"),
        (constant, "constant voltage"),
        (rest, "rest"),
    ):
        kinds[mask] = name
    return tuple(kinds)


def _constant_voltage(log, first, last):
    """Whether the voltage is constant and the current decreases, per step."""
    second = np.minimum(first + 1, last)
    pairs = np.stack([second, last + 1], 1).ravel()
    padded = np.append(log.voltage_v, log.voltage_v[-1])
    high = np.maximum.reduceat(padded, pairs)[::2]
    low = np.minimum.reduceat(padded, pairs)[::2]
    current = np.abs(log.current_a)
    return (
        (last - first + 1 >= _FEW)
        & (high - low <= _CONSTANT_V)
        & (current[last] < _FALL * current[second])
    )
