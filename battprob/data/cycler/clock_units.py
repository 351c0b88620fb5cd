"""Unit of the time of a log, checked with the wall clock and the charge counter."""

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.log import Log

_FACTORS = (1000.0, 3600.0, 60.0, 1e6, 24.0, 86400.0, 1440.0)
_FACTOR_TOLERANCE = 0.03
_CHUNKS = 400
_LONGEST_INTERVAL_S = 7200.0
_LONGEST_TEST_S = 10 * 365.25 * 86400.0


def checked_unit(
    log: Log, time_s: Float[np.ndarray, " t"], wall_s: Float[np.ndarray, " t"] | None
) -> tuple[Float[np.ndarray, " t"], tuple[str, ...]]:
    """The time of the test in the right unit, and what shows that it is right.

    The rates of the two clocks are compared by the median over parts of the log, which
    pauses of the test do not change. Where they differ by the factor between two units,
    the charge counter, compared with the current times time, decides.

    Raises:
        DataError: the clocks differ by the factor between two units, or the intervals
            are implausible, and no counter shows which unit is right.
    """
    rate = None if wall_s is None else _relative_rate(time_s, wall_s)
    if rate is None:
        return _plausible(log, time_s)
    if abs(np.log(rate)) < _FACTOR_TOLERANCE:
        return time_s, (f"time checked with {log.header('unix_time_s')!r}",)
    factor = _unit_factor(rate)
    if factor is None:
        return time_s, (
            f"doubtful: {log.header('time_s')!r} runs {rate:.3g} times as fast as "
            f"{log.header('unix_time_s')!r}; the first is used",
        )
    return _decided(log, time_s, rate, factor)


def is_checked(log: Log, time_s: Float[np.ndarray, " t"]) -> bool:
    """Whether the wall clock confirms the unit of the time."""
    wall_s = log.get("unix_time_s")
    rate = None if wall_s is None else _relative_rate(time_s, wall_s)
    return rate is not None and bool(abs(np.log(rate)) < _FACTOR_TOLERANCE)


def _decided(log, time, rate, factor):
    """The time by the clock that the charge counter confirms."""
    header, wall_header = log.header("time_s"), log.header("unix_time_s")
    ratio = charge_ratio(log, time)
    disagreement = (
        f"{header!r} runs {rate:.4g} times as fast as {wall_header!r}, the factor "
        "between two units"
    )
    if ratio is not None and abs(np.log(ratio)) < 0.2:
        return time, (f"{disagreement}; the charge counter confirms {header!r}",)
    if ratio is not None and abs(np.log(ratio / factor)) < 0.2:
        return time / factor, (
            f"{disagreement}; the charge counter confirms {wall_header!r}: the time is "
            f"divided by {factor:g}",
        )
    if log.sources["time_s"].named:
        return time, (f"doubtful: {disagreement}; the named column is used",)
    raise DataError(
        f"{log.table.path}: {disagreement}, and no charge counter shows which clock is "
        f"right; correct the unit in the header, or name the right column, as in "
        f"read_timeseries(path, columns={{'time_s': {wall_header!r}}})"
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
    """Resolution of the wall clock in s: 1 ms, 1 s or 1 min."""
    wall = wall[:10_000]
    for resolution in (60.0, 1.0):
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
    if ratio is not None and abs(np.log(ratio)) < 0.2:
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
        "Correct the header, or read the file and give the right times, or name the "
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
