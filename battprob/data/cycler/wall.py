"""Wall clock of a log: dates, times of day or a count since some epoch, in s."""

from dataclasses import replace

import numpy as np

from battprob.data.cycler.log import Log

_DAY = 86400.0
_SUMMER_TIME = 3600.0


def with_wall_clock(log: Log) -> Log:
    """The log with a wall clock in s that does not fall, or without one.

    Times of day pass midnight. Where the wall clock is the only clock, one or two falls
    by an hour are the end of summer time. A wall clock that has missing values, stands
    or falls is not used if there is another clock.
    """
    if "unix_time_s" not in log:
        return log
    header = log.header("unix_time_s")
    wall = _instants(log["unix_time_s"], is_text=is_text(log, "unix_time_s"))
    only_clock = "time_s" not in log
    replaceable = not only_clock or "step_time_s" in log
    if replaceable and not np.isfinite(wall).all():
        return _without(log, f"{header!r} has missing values: not used")
    wall, statements = days_counted(wall, header)
    if only_clock:
        wall, more = _summer_time(wall, header)
        return log.with_values(*statements, *more, unix_time_s=wall)
    falls = np.flatnonzero(np.diff(wall) < 0)
    if falls.size:
        line = log.line(falls[0] + 1)
        return _without(log, f"{header!r} falls at {line}: not used to check the time")
    if len(log) > 1 and wall[-1] == wall[0]:
        return _without(log, f"{header!r} is the same in all rows: not used")
    return log.with_values(*statements, unix_time_s=wall)


def is_text(log: Log, quantity: str) -> bool:
    """Whether a clock is written as text, so that its unit is known."""
    return log.table.columns[log.sources[quantity].column].dtype == object


def days_counted(seconds: np.ndarray, header: str) -> tuple[np.ndarray, list[str]]:
    """Times of day continued past midnight, and a statement if there are any.

    A time of day falls only at midnight: from the end of one day to the start of the
    next, within twice the longest of the usual intervals.
    """
    steps = np.diff(seconds)
    falls = steps < 0
    if not falls.any() or not ((seconds >= 0) & (seconds < _DAY)).all():
        return seconds, []
    usual = float(np.max(steps[~falls], initial=0.0))
    midnights = falls & (steps + _DAY <= max(2 * usual, 120.0))
    if not midnights.any():
        return seconds, []
    days = np.concatenate([[0.0], np.cumsum(midnights)])
    note = f"{header!r} has times of day without a date: days counted"
    return seconds + _DAY * days, [note]


def _summer_time(wall, header):
    """Wall clock continued where summer time ends, once or twice in a log."""
    steps = np.diff(wall)
    usual = float(np.max(steps, initial=0.0))
    shifted = steps + _SUMMER_TIME
    back = (steps < 0) & (shifted >= -2) & (shifted <= max(2 * usual, 120.0))
    other = (steps < 0) & ~back
    if back.sum() not in (1, 2) or other.any():
        return wall, []
    hours = np.concatenate([[0.0], np.cumsum(back)])
    note = f"{header!r} falls by an hour (end of summer time): continued"
    return wall + _SUMMER_TIME * hours, [note]


def _without(log, statement):
    values = {name: v for name, v in log.values.items() if name != "unix_time_s"}
    return replace(log, values=values, statements=(*log.statements, statement))


def _instants(values, *, is_text):
    """Instants in s: numbers may count s, ms, µs or days since some epoch.

    Only differences are used, so that the epoch does not matter. Dates and times that
    were written as text are in s already.
    """
    if is_text:
        return values
    size = np.nanmedian(np.abs(values)) if np.isfinite(values).any() else 0.0
    for smallest, unit in ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3)):
        if size > smallest:
            return values * unit
    # Days since 1899-12-30 (spreadsheets) or since the year 0 (MATLAB).
    return values * _DAY if 2e4 < size < 1e6 else values
