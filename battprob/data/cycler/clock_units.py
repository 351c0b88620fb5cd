"""Unit of the time of a log, checked with its other clocks and its charge counter."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.log import Log
from battprob.data.cycler.wall import is_text

_FACTORS = (1000.0, 3600.0, 60.0, 1e6, 24.0, 86400.0, 1440.0)
_FACTOR_TOLERANCE = 0.03
_CHARGE_TOLERANCE = 0.2  # of the logarithm
_CHUNKS = 400
_LONGEST_INTERVAL_S = 7200.0
_LONGEST_TEST_S = 10 * 365.25 * 86400.0


class _Reference(NamedTuple):
    """The other clock of a log.

    Args:
        header: its column.
        rate: seconds of the test's clock per second of this one.
    """

    header: str
    rate: float


def checked_unit(
    log: Log, time_s: Float[np.ndarray, " t"]
) -> tuple[Float[np.ndarray, " t"], tuple[str, ...]]:
    """The time of the test in the right unit, and what shows that it is right.

    The time is compared with the wall clock, or without one with the time in the step,
    by the median rate over parts of the log, which pauses of the test do not change.
    Where the clocks differ by the factor between two units, the charge counter,
    compared with the current times time, decides.

    Raises:
        DataError: the clocks differ by the factor between two units, or the intervals
            are implausible, and no counter shows which unit is right.
    """
    other = _reference(log, time_s)
    if other is None:
        return _plausible(log, time_s)
    if abs(np.log(other.rate)) < _FACTOR_TOLERANCE:
        return time_s, (f"time checked with {other.header!r}",)
    factor = _unit_factor(other.rate)
    if factor is None:
        return time_s, (
            f"doubtful: {log.header('time_s')!r} runs {other.rate:.3g} times as fast as "
            f"{other.header!r}; the first is used",
        )
    return _decided(log, time_s, other, factor)


def is_checked(log: Log, time_s: Float[np.ndarray, " t"]) -> bool:
    """Whether another clock of the log confirms the unit of the time."""
    other = _reference(log, time_s)
    return other is not None and bool(abs(np.log(other.rate)) < _FACTOR_TOLERANCE)


def _reference(log, time):
    """The other clock of a log with its relative rate; None without one."""
    if "unix_time_s" in log:
        rate = _relative_rate(time, log["unix_time_s"])
        if rate is not None:
            return _Reference(log.header("unix_time_s"), rate)
    step = log.get("step_time_s")
    if step is None or not np.isfinite(step).all():
        return None
    if not log.sources["step_time_s"].unit and not is_text(log, "step_time_s"):
        return None
    # Only intervals inside a step count; the rest of the two clocks is left out.
    rise = np.diff(step, prepend=step[0])
    inside = rise > 0
    step_clock = np.cumsum(np.where(inside, rise, 0.0))
    test_clock = np.cumsum(np.where(inside, np.diff(time, prepend=time[0]), 0.0))
    rate = _relative_rate(test_clock, step_clock)
    return None if rate is None else _Reference(log.header("step_time_s"), rate)


def _decided(log, time, other, factor):
    """The time by the clock that the charge counter confirms."""
    header = log.header("time_s")
    ratio = charge_ratio(log, time)
    disagreement = (
        f"{header!r} runs {other.rate:.4g} times as fast as {other.header!r}, the "
        "factor between two units"
    )
    if ratio is not None and abs(np.log(ratio)) < _CHARGE_TOLERANCE:
        return time, (f"{disagreement}; the charge counter confirms {header!r}",)
    if ratio is not None and abs(np.log(ratio / factor)) < _CHARGE_TOLERANCE:
        return time / factor, (
            f"{disagreement}; the charge counter confirms {other.header!r}: the time is "
            f"divided by {factor:g}",
        )
    remedy = "correct the unit in the header"
    if "unix_time_s" in log and other.header == log.header("unix_time_s"):
        remedy += (
            ", or if the other clock is right, use it: read_timeseries(path, "
            f"columns={{'time_s': {other.header!r}}})"
        )
    raise DataError(
        f"{log.table.path}: {disagreement}, and no charge counter shows which clock is "
        f"right; {remedy}"
    )


def _relative_rate(time, wall):
    """Median rate of the test's clock per s of wall clock; None if the log is short."""
    resolution = _resolution(wall)
    rows = np.unique(np.linspace(0, len(time) - 1, _CHUNKS + 1).astype(int))
    for step in (1, 4, 20, 100):
        ends = np.append(rows[:-1:step], rows[-1])
        test, clock = np.diff(time[ends]), np.diff(wall[ends])
        usable = (clock > 50 * resolution) & (test > 0)
        # Single long parts are skipped: a pause of the test may be in them.
        if usable.sum() >= max(3, 0.5 * len(clock)):
            return float(np.median(test[usable] / clock[usable]))
    return None


def _resolution(wall):
    """Resolution of the wall clock in s: 1 ms, 1 s, 1 min or 1 day."""
    wall = wall[:10_000]
    for resolution in (86400.0, 60.0, 1.0):
        if np.all(np.abs(wall / resolution - np.round(wall / resolution)) < 1e-6):
            return resolution
    return 1e-3


def _unit_factor(rate):
    """The factor between two units of time that a rate is equal to, or None."""
    for factor in (*_FACTORS, *(1 / factor for factor in _FACTORS)):
        if abs(np.log(rate / factor)) < _FACTOR_TOLERANCE:
            return factor
    return None


def _plausible(log, time):
    """The time if its intervals are possible, or divided by what the counter shows."""
    current = np.abs(log["current_a"]) if "current_a" in log else None
    if current is None or not current.any():
        return time, ()
    intervals = np.diff(time)[current[1:] > 1e-3 * current.max()]
    median = float(np.median(intervals)) if intervals.size >= 20 else 0.0
    span = time[-1] - time[0]
    if median <= _LONGEST_INTERVAL_S and span <= _LONGEST_TEST_S:
        return time, ()
    ratio = charge_ratio(log, time)
    if ratio is not None and abs(np.log(ratio)) < _CHARGE_TOLERANCE:
        return time, ()
    header = log.header("time_s") if "time_s" in log else "time"
    problem = (
        f"{header!r} read in s gives a row every {median / 3600:.3g} h while current "
        f"flows, {span / 86400 / 365.25:.3g} years in all"
    )
    factor = None if ratio is None else _unit_factor(ratio)
    if factor is not None:
        return time / factor, (
            f"{problem}; the charge counter shows that it is {factor:g} times too long: "
            "divided by it",
        )
    if "time_s" in log and log.sources["time_s"].named:
        return time, (f"doubtful: {problem}",)
    raise DataError(
        f"{log.table.path}: {problem}; the unit of the header is probably wrong. "
        "Write the unit into the header (as in 'Test Time / h'), or name the "
        f"column if it is right: read_timeseries(path, columns={{'time_s': {header!r}}})"
    )


def charge_ratio(log: Log, time_s: Float[np.ndarray, " t"]) -> float | None:
    """Current times time divided by the charge that the counters count; None without.

    Only intervals are used in which a counter rises and the current of both ends flows
    in one direction: resets and the first interval of a step do not count.
    """
    if "current_a" not in log:
        return None
    current = log["current_a"]
    flow = 0.5 * np.abs(current[1:] + current[:-1])
    same = current[1:] * current[:-1] > 0
    names = [
        name for name in ("charge_capacity_ah", "discharge_capacity_ah") if name in log
    ]
    names = names or [name for name in ("capacity_ah", "net_charge_ah") if name in log]
    integrated = counted = 0.0
    for name in names:
        counter = log[name]
        rise = np.abs(np.diff(counter)) if name == "net_charge_ah" else np.diff(counter)
        with np.errstate(invalid="ignore"):
            rows = same & (rise > 0)
        if rows.sum() < 3:
            continue
        charge = flow[rows] * np.diff(time_s)[rows] / 3600
        # The median over rows resists single glitches of the counter.
        ratio = np.median(charge / rise[rows])
        integrated += ratio * rise[rows].sum()
        counted += rise[rows].sum()
    return float(integrated / counted) if counted > 0 else None
