"""When a current starts or stops between two rows of a log."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

_REGULAR = 0.1  # relative deviation of an interval that still counts as regular
_IRREGULAR = 2.0  # factor between the intervals of an irregular logger
_PAUSE = 2.0  # logging intervals without rows that are stated as a pause
_NEIGHBOURS = 3


class Onsets(NamedTuple):
    """Change of the current in the intervals between two runs.

    Attributes:
        row: first row of each run after the first.
        new: fraction of the interval before `row` in which the current of `row` flowed.
        old: fraction in which the current of the row before flowed.
        doubt: half the width of the possible values of `new`, as a fraction.
        first_s: time for which the current of row 0 flowed before row 0, in s.
        longest_first_s: the longest time for which it can have flowed since the test
            clock started, in s; 0 if the log is a part of a longer test.
        pauses: rows before which time passes without rows, longer than two logging
            intervals, that is taken as rest although a current flows before or after.
        statement: how the fractions were decided; empty if nothing was decided.
    """

    row: Int[np.ndarray, " r"]
    new: Float[np.ndarray, " r"]
    old: Float[np.ndarray, " r"]
    doubt: Float[np.ndarray, " r"]
    first_s: float
    longest_first_s: float
    pauses: Int[np.ndarray, " p"]
    statement: str


_STATEMENTS = {
    "start": "a row is logged when a step starts, so no charge passes before it",
    "interval": (
        "the first row of a step comes one logging interval after its start, so the "
        "current is taken to flow since the row before"
    ),
    "clock": (
        "rows are logged by the clock and not at the start of steps: half of the "
        "interval counts for each side of a change of the current"
    ),
    "unknown": (
        "the log does not show when a current starts between two rows: no charge is "
        "counted before the first row of a step"
    ),
    "step time": "the time in the step shows when a current starts between two rows",
}


def onset_fractions(rows, seconds, direction, runs) -> Onsets:
    """Fractions of the intervals between runs in which each of the currents flowed.

    - With a time in the step, the new current flowed for that time. The old current
      flowed in the rest of the interval, unless that is longer than the logging
      interval (the log then lacks rows at rest).
    - Otherwise the log shows one of three styles. If most runs start much less than one
      logging interval after the row before, a row is logged at the start of each step,
      and nothing has passed before. If they start one logging interval after it, and
      runs end at irregular times, the last row of each step is logged, and the new
      current has flowed since. If all rows are equally spaced, the logger follows its
      clock, and the change is in the middle of the interval on average.
    - Where the interval is longer than the logging interval, rows at rest are missing,
      and at most one logging interval counts.

    Args:
        rows: columns of the log.
        seconds: duration of the interval before each row.
        direction: direction of the current in each row.
        runs: runs with one direction.
    """
    row = runs.first[1:-1]
    usual = _usual_interval(seconds, runs)
    usual_before, usual_after = usual[:-1], usual[1:]
    duration = seconds[row]
    ratio = duration / np.where(usual_after > 0, usual_after, np.inf)
    flows = direction[row] != 0
    one_rate = np.abs(usual_after / np.maximum(usual_before, 1e-300) - 1) <= _REGULAR
    ends = _regular_ends(seconds, direction, runs, usual)
    style = _style(ratio[flows], ends, one_rate[flows])
    new, old, doubt = _by_style(style, ratio)
    longer = duration > (1 + _REGULAR) * usual_before
    # A change of the current within one direction leaves no time without current.
    in_one_direction = (direction[row] == direction[row - 1]) & flows
    close = ~longer | (duration <= (1 + _REGULAR) * usual_after)
    old = np.where(in_one_direction & close, 1.0 - new, np.where(longer, 0.0, old))
    known, fraction = _by_step_time(rows.step_time_s, row, duration)
    remaining = (1.0 - fraction) * duration
    ended = _old_step_goes_on(remaining, usual_before, style)
    new, doubt = np.where(known, fraction, new), np.where(known, 0.0, doubt)
    old = np.where(known, np.where(ended, 1.0 - fraction, 0.0), old)
    used = "step time" if known[flows].any() else style
    first = _before_first_row(rows, direction, usual, style)
    return Onsets(
        row,
        new,
        old,
        doubt,
        *first,
        row[_pauses(duration * (1.0 - new - old), usual, flows, direction[row - 1])],
        _STATEMENTS[used] if flows.any() else "",
    )


def _old_step_goes_on(remaining, usual_before, style):
    """Whether the old current flowed until the new step began, by the step time.

    A short time is the pause between two steps, and a time longer than the logging
    interval a rest without rows; between them, the end of the old step is not logged.
    """
    long_enough = (remaining > _REGULAR * usual_before) | (style == "clock")
    return long_enough & (remaining <= (1 + _REGULAR) * usual_before)


def _pauses(without_current, usual, flows, direction_before):
    """Whether more than two logging intervals without rows pass between two runs."""
    longest = np.maximum(usual[:-1], usual[1:])
    return (flows | (direction_before != 0)) & (without_current > _PAUSE * longest)


def _usual_interval(seconds, runs):
    """Logging interval of each run in s: median of its first intervals inside."""
    first, end = runs.first[:-1], runs.first[1:]
    index = first[:, None] + np.arange(1, _NEIGHBOURS + 1)
    inside = index < end[:, None]
    values = seconds[np.minimum(index, len(seconds) - 1)]
    values = np.sort(np.where(inside & (values > 0), values, np.inf), axis=1)
    count = np.isfinite(values).sum(1)
    median = values[np.arange(len(first)), np.maximum((count - 1) // 2, 0)]
    # Runs of one row, as in a driving cycle: the interval to the next run.
    following = seconds[np.minimum(end, len(seconds) - 1)]
    return np.where(count > 0, median, following)


def _regular_ends(seconds, direction, runs, usual):
    """Whether the last interval inside each run with current is a usual one."""
    last = runs.first[1:] - 1
    long_enough = (last - runs.first[:-1] > _NEIGHBOURS) & (direction[last] != 0)
    ratio = seconds[last] / np.where(usual > 0, usual, np.inf)
    return np.abs(ratio[long_enough] - 1) <= _REGULAR


def _style(ratio, regular_ends, one_rate):
    """How the first row of a run is logged: see `onset_fractions`."""
    if not ratio.size:
        return "unknown"
    regular = np.abs(ratio - 1) <= _REGULAR
    at_start = ratio < 0.5
    if regular.sum() > at_start.sum():
        parts = (regular, one_rate, regular_ends)
        by_clock = all(part.size and part.mean() > 0.8 for part in parts)
        return "clock" if by_clock else "interval"
    return "start" if at_start.any() else "unknown"


def _by_style(style, ratio):
    """Fractions of the new and of the old current, and the doubt about them."""
    # The time without rows at rest is no time in which the current can have flowed.
    longest = 1.0 / np.maximum(ratio, 1.0)
    new = longest * {"start": 0.0, "interval": 1.0, "clock": 0.5, "unknown": 0.0}[style]
    old = np.full_like(ratio, 0.5 if style == "clock" else 0.0)
    doubt = longest * (0.5 if style == "clock" else 1.0)
    return new, old, doubt


def _by_step_time(step_time, row, duration):
    """Where the time in the step is known, and the fraction of the interval it is."""
    if step_time is None:
        return np.zeros(len(row), bool), np.zeros(len(row))
    value, before = step_time[row], step_time[row - 1]
    restarted = value < before + 0.5 * duration
    known = restarted & (value >= 0) & (value <= (1 + _REGULAR) * duration + 1e-3)
    known &= duration > 0
    fraction = value / np.where(duration > 0, duration, 1.0)
    return known, np.where(known, np.clip(fraction, 0.0, 1.0), 0.0)


def _before_first_row(rows, direction, usual, style):
    """Estimated and longest time, in s, for which the first current flowed before.

    The test clock starts at 0. If row 0 comes one logging interval later, the log
    begins with the test; otherwise it is a part of a longer test.
    """
    start, interval = float(rows.time_s[0]), usual[0]
    step_time = rows.step_time_s
    # Without an equal time in the step, the first interval must be a usual one.
    same = step_time is not None and abs(step_time[0] - start) <= 0.01 * start
    if step_time is not None and start == 0:
        start, same = float(step_time[0]), True
    longest = (_IRREGULAR if same else 1 + _REGULAR) * interval
    if direction[0] == 0 or not 0 < start <= longest:
        return 0.0, 0.0
    if step_time is not None and 0 <= step_time[0] <= (1 + _REGULAR) * start:
        return float(step_time[0]), float(step_time[0])
    return start * {"interval": 1.0, "clock": 0.5}.get(style, 0.0), start
