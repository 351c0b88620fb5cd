"""Time of each row of a log, from the clocks that the file has, compared to each other."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.clock_units import checked_unit
from battprob.data.cycler.log import Log, count
from battprob.data.cycler.order import increasing_time, without_repeated_rows
from battprob.data.cycler.wall import days_counted, is_text, with_wall_clock

_EPOCH_S = 3e8  # ten years: a date, no test
_NEARLY_ALL = 0.9


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
    if "time_s" in log and _restarts_each_step(log, log["time_s"]):
        log = _as_step_time(log)
    if "time_s" in log:
        log = without_repeated_rows(log, "time_s")
        return _test_clock(with_wall_clock(log))
    log = with_wall_clock(log)
    if "unix_time_s" in log:
        return _wall_clock(without_repeated_rows(log, "unix_time_s"))
    return _step_clock(log)


def _as_step_time(log):
    """The log with its time as the time in the step."""
    note = (
        f"{log.header('time_s')!r} restarts at each step: taken as the time in the step"
    )
    values = {name: value for name, value in log.values.items() if name != "time_s"}
    values["step_time_s"] = log["time_s"]
    sources = {**log.sources, "step_time_s": log.sources["time_s"]}
    statements = (*log.statements, note)
    return replace(log, values=values, sources=sources, statements=statements)


def _test_clock(log):
    wall, header = log.get("unix_time_s"), log.header("time_s")
    time, statements = log["time_s"], []
    if is_text(log, "time_s"):
        time, statements = days_counted(time, header)
    time, joined = increasing_time(log, time, wall, header)
    time, checked = checked_unit(log, time)
    if time[0] > _EPOCH_S:
        time = time - time[0]
        statements.append(f"{header!r} counts from an epoch: the time starts at 0")
    pauses = _pauses(log, time, wall)
    return Clock(log, time, (*statements, *joined, *checked, *pauses))


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
    header = log.header("step_time_s")
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
    name = next((one for one in ("step", "state") if one in log), None)
    intervals = np.diff(time)
    falls = np.flatnonzero(intervals < 0) + 1
    if name is None or falls.size == 0 or not (intervals > 0).any():
        return False
    changes = np.flatnonzero(log[name][1:] != log[name][:-1]) + 1
    # Each new step restarts the clock, and nothing else does.
    both = np.intersect1d(changes, falls).size
    usual = np.median(intervals[intervals > 0])
    # A step may have a logging interval of its own.
    following = time[np.minimum(falls + 1, len(time) - 1)] - time[falls]
    first = np.maximum(usual, following)
    low = np.mean(time[falls] <= 1.1 * first) > _NEARLY_ALL
    same = changes.size and both >= _NEARLY_ALL * max(changes.size, falls.size)
    return bool(same and low and not _returns(time, falls))


def _returns(time, falls):
    """Whether the clock falls for single rows only and then continues as before."""
    after = np.minimum(falls + 1, len(time) - 1)
    return bool(np.mean(time[after] > time[falls - 1]) > 0.5)


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
