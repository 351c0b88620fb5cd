"""Time of each row of a log, from the clocks that the file has, compared to each other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.clock_units import checked_unit
from battprob.data.cycler.log import Log, count
from battprob.data.cycler.order import increasing_time, without_repeated_rows

_DAY = 86400.0
_SUMMER_TIME = 3600.0


class Clock(NamedTuple):
    """Time of the rows of a log.

    Args:
        log: the log, without repeated rows.
        time_s: time in s, not decreasing.
        statements: how the time was found and checked.
    """

    log: Log
    time_s: Float[np.ndarray, " t"]
    statements: tuple[str, ...]


def clock(log: Log) -> Clock:
    """Time of each row from the time of the test, the wall clock or the time in the step.

    The time of the test is preferred. Where it is missing or is the time in the step
    under another name, the wall clock is used, and without one the times in the steps
    are added. The time of the test is compared with the wall clock: a factor of 1000,
    3600 or 60 between them is an error of a unit, for which the charge counter decides.

    Raises:
        DataError: the clock falls, or the clocks disagree and the file does not show
            which one is right.
    """
    log = _with_wall_clock(log)
    if "time_s" in log and not _restarts_each_step(log, log["time_s"]):
        log = without_repeated_rows(log, "time_s")
        return _test_clock(log)
    if "time_s" in log:
        moved = (
            f"{log.header('time_s')!r} restarts at each step: taken as the time in the "
            "step"
        )
        log = log.with_values(moved, step_time_s=log["time_s"])
    if "unix_time_s" in log:
        log = without_repeated_rows(log, "unix_time_s")
        return _wall_clock(log)
    return _step_clock(log)


def _test_clock(log):
    wall = log.get("unix_time_s")
    header = log.header("time_s")
    time, statements = increasing_time(log, log["time_s"], wall, header)
    time, more = checked_unit(log, time, wall)
    if _is_date(log, "time_s"):
        time = time - time[0]
        more = (*more, f"{header!r} holds dates: the time starts at the first row")
    pauses = _pauses(log, time, wall)
    return Clock(log, time, (*statements, *more, *pauses))


def _wall_clock(log):
    """Time by the wall clock, within a step by the finer time in the step."""
    header = log.header("unix_time_s")
    wall = log["unix_time_s"]
    time, statements = increasing_time(log, wall - wall[0], None, header)
    if "step_time_s" in log:
        time = _refined(log, time)
    note = f"no time since the start of the test: from {header!r}, starting at 0 s"
    return Clock(log, time, (note, *statements))


def _refined(log, wall):
    """Wall clock of whole seconds, refined by the time in the step where both agree."""
    step = log["step_time_s"]
    first = _step_starts(step)
    start = np.maximum.accumulate(np.where(first, np.arange(len(step)), 0))
    fine = wall[start] + step - step[start]
    with np.errstate(invalid="ignore"):
        usable = np.abs(fine - wall) <= 1.5
    return np.maximum.accumulate(np.where(usable, fine, wall))


def _step_clock(log):
    """Time as the sum of the times in the steps."""
    header = log.header("time_s" if "time_s" in log else "step_time_s")
    step = log["step_time_s"]
    if not np.isfinite(step).all():
        row = int(np.flatnonzero(~np.isfinite(step))[0])
        raise DataError(
            f"{log.location(row)}: {header} must be a number, because it is the only "
            "clock of the file; remove or correct this row"
        )
    first = _step_starts(step)
    # A step's first reading is the time since it began.
    increments = np.where(first, np.maximum(step, 0.0), np.diff(step, prepend=step[0]))
    increments[0] = step[0]
    note = (
        f"no time since the start of the test and no wall clock: the times in the steps "
        f"({header!r}) are added, pauses between steps are unknown"
    )
    return Clock(log, np.cumsum(increments), (note,))


def _step_starts(step):
    starts = np.diff(step, prepend=np.inf) < 0
    starts[0] = True
    return starts


def _restarts_each_step(log, time):
    """Whether a column named like the time of the test is the time in the step."""
    falls = np.flatnonzero(np.diff(time) < 0) + 1
    if falls.size == 0:
        return False
    if not all(name in log for name in ("step",)) and "state" not in log:
        return False
    name = "step" if "step" in log else "state"
    changes = log[name][1:] != log[name][:-1]
    changes = np.flatnonzero(changes) + 1
    # Each new step restarts the clock, and nothing else does.
    both = np.intersect1d(changes, falls).size
    low = time[falls] <= 1.1 * np.median(np.diff(time)[np.diff(time) > 0])
    return (
        bool(
            both >= 0.9 * changes.size and both >= 0.9 * falls.size and low.mean() > 0.9
        )
        and changes.size >= 1
        and not _returns(time, falls)
    )


def _returns(time, falls):
    """Whether the clock falls for single rows only and then continues as before."""
    after = np.minimum(falls + 1, len(time) - 1)
    return bool(np.mean(time[after] > time[falls - 1]) > 0.5)


def _with_wall_clock(log):
    """The log with a wall clock that does not fall, or without one."""
    if "unix_time_s" not in log:
        return log
    header = log.header("unix_time_s")
    wall = _instants(log["unix_time_s"], is_text=_is_text(log, "unix_time_s"))
    only_clock = "time_s" not in log
    if not np.isfinite(wall).all() and not only_clock:
        return _without(log, "unix_time_s", f"{header!r} has missing values: not used")
    steps = np.diff(wall)
    repaired, statements = wall, []
    if (steps < 0).any() and (wall < _DAY).all():
        repaired = wall + _DAY * np.concatenate([[0.0], np.cumsum(steps < -_DAY / 2)])
        statements.append(f"{header!r} has times of day without a date: days counted")
    elif (
        (back := np.abs(steps + _SUMMER_TIME) < 600).sum() in (1, 2)
        and not ((steps < 0) & ~back).any()
        and only_clock
    ):
        repaired = wall + _SUMMER_TIME * np.concatenate([[0.0], np.cumsum(back)])
        statements.append(
            f"{header!r} falls by an hour (end of summer time): continued"
        )
    if only_clock:
        return log.with_values(*statements, unix_time_s=repaired)
    if (np.diff(repaired) < 0).any():
        row = int(np.flatnonzero(np.diff(repaired) < 0)[0]) + 1
        note = f"{header!r} falls at {log.line(row)}: not used to check the time"
        return _without(log, "unix_time_s", note)
    if repaired[-1] == repaired[0] and len(log) > 1:
        note = f"{header!r} is the same in all rows: not used"
        return _without(log, "unix_time_s", note)
    return log.with_values(*statements, unix_time_s=repaired)


def _without(log, name, statement):
    log = log.with_values(statement)
    values = {key: value for key, value in log.values.items() if key != name}
    return Log(log.table, log.sources, values, log.rows, log.statements)


def _instants(values, *, is_text):
    """Instants in s: numbers may count s, ms, µs or days since some epoch.

    Only differences are used, so that the epoch does not matter. Dates and times that
    were written as text are in s already.
    """
    if is_text:
        return values
    size = np.nanmedian(np.abs(values)) if np.isfinite(values).any() else 0.0
    if size > 1e17:
        return values * 1e-9
    if size > 1e14:
        return values * 1e-6
    if size > 1e11:
        return values * 1e-3
    return values * _DAY if 2e4 < size < 1e6 else values


def _is_date(log, quantity):
    """Whether a column of times holds dates: seconds since 1970 by their size."""
    return _is_text(log, quantity) and log[quantity][0] > 3e8


def _is_text(log, quantity):
    return log.table.columns[log.sources[quantity].column].dtype == object


def _pauses(log, time, wall):
    """Sentence about intervals in which only the wall clock runs."""
    if wall is None or len(time) < 2:
        return ()
    extra = np.diff(wall) - np.diff(time)
    pauses = np.flatnonzero(extra > np.maximum(60.0, 0.1 * np.diff(time)))
    if pauses.size == 0:
        return ()
    longest = int(pauses[np.argmax(extra[pauses])])
    return (
        f"the wall clock has {count(pauses.size, 'pause')} that the time of the test does not "
        f"count (longest {extra[longest] / 3600:.3g} h, before {log.line(longest + 1)})",
    )
