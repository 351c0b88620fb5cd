"""Join the logs of one test that is spread over several files or was restarted."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob.data._charge_source import number_of
from battprob.data.timeseries import TimeSeries

_WALL_CLOCK = "unix_time_s"


def join(logs: Sequence[TimeSeries], *, name: str | None = None) -> TimeSeries:
    """One log from the parts of a test, in order of time.

    - **Order.** By `unix_time_s` if all logs have it, otherwise as given.
    - **Time.** With `unix_time_s`, the time between two parts is that of this clock.
      Otherwise the time of a part is kept if it starts after the end of the part
      before; if it starts again, it is continued one logging interval later.
    - **Cycles.** Numbers are kept if they go on: if the first number of a part is
      larger than the last one before, or equal to it while the time also goes on.
      Otherwise they are continued with the next number.
    - **Overlap.** Rows at the start of a part that repeat the last rows of the part
      before are left out. Different rows at the same time are refused.
    - **Other columns.** A column that a part lacks is NaN there. Step numbers are kept
      if all parts have them.

    Each decision is stated in `statements` of the result.

    Args:
        logs: two or more logs.
        name: name of the result; default: the name of the first log.

    Raises:
        DataError: fewer than two logs, the same log twice, or an overlap with different
            rows; the message names the logs.

    Example:
        >>> first = TimeSeries("a", [0, 60], [4.0, 3.9], [-1, -1], [1, 1])
        >>> second = TimeSeries("a_2", [0, 60], [3.2, 3.3], [1, 1], [1, 1])
        >>> log = join([first, second])
        >>> log.time_s.tolist(), log.cycle.tolist()
        ([0.0, 60.0, 120.0, 180.0], [1, 1, 2, 2])
        >>> log.statements[0]
        "2 logs joined in the given order: 'a', 'a_2'"
    """
    logs = list(logs)
    if len(logs) < 2:
        raise DataError(f"expected two or more logs to join, got {len(logs)}")
    _require_distinct(logs)
    by_clock = all(_has_clock(log) for log in logs)
    if by_clock:
        logs.sort(key=lambda log: log.other[_WALL_CLOCK][0])
    order = f"in the order of {_WALL_CLOCK}" if by_clock else "in the given order"
    names = ", ".join(repr(log.name) for log in logs)
    statements = [f"{len(logs)} logs joined {order}: {names}"]
    joined = _Parts(logs[0])
    for log in logs[1:]:
        statements += joined.append(log, by_clock=by_clock)
    for log in logs:
        statements += [f"{log.name}: {line}" for line in log.reader_statements]
    return joined.log(name or logs[0].name, statements)


def _has_clock(log):
    return _WALL_CLOCK in log.other and bool(np.isfinite(log.other[_WALL_CLOCK]).all())


def _require_distinct(logs):
    for index, log in enumerate(logs):
        for other in logs[:index]:
            if _same_rows(log, other, slice(None), slice(None)):
                raise DataError(
                    f"the logs {other.name!r} and {log.name!r} have the same rows; "
                    "expected different parts of a test: give each part once"
                )


def _same_rows(log, other, rows, other_rows):
    """Whether voltage and current are equal, and the time up to a constant."""
    times = log.time_s[rows], other.time_s[other_rows]
    return (
        len(times[0]) == len(times[1])
        and np.allclose(times[0] - times[0][0], times[1] - times[1][0], atol=1e-3)
        and np.array_equal(log.voltage_v[rows], other.voltage_v[other_rows])
        and np.array_equal(log.current_a[rows], other.current_a[other_rows])
    )


class _Parts:
    """Parts that are joined so far, with their continued time and cycle numbers."""

    def __init__(self, log):
        self.logs = [log]
        self.rows = [slice(None)]
        self.time = [log.time_s]
        self.cycle = [log.cycle]

    def append(self, log, *, by_clock):
        """Add a part; returns sentences about it."""
        last, statements = self.logs[-1], []
        start = self._overlap(log, by_clock=by_clock)
        if start:
            statements.append(
                f"{number_of(start, 'row')} at the start of {log.name!r} repeating the "
                f"end of {last.name!r} omitted"
            )
        end_s, previous = float(self.time[-1][-1]), int(self.cycle[-1][-1])
        goes_on = log.time_s[start] >= last.time_s[-1]
        shift = self._shift(log, start, goes_on, by_clock=by_clock)
        if shift:
            how = "by the wall clock" if by_clock else "one logging interval later"
            statements.append(
                f"time of {log.name!r} continued {how}: {shift:.6g} s added, so it "
                f"starts at {log.time_s[start] + shift:.6g} s after {end_s:.6g} s"
            )
        first = int(log.cycle[start])
        kept = first > previous or (first == previous and goes_on)
        offset = 0 if kept else previous + 1 - first
        if offset:
            statements.append(
                f"cycle numbers of {log.name!r} start again at {first}: continued with "
                f"{previous + 1}"
            )
        self.logs.append(log)
        self.rows.append(slice(start, None))
        self.time.append(log.time_s[start:] + shift)
        self.cycle.append(log.cycle[start:] + offset)
        return statements

    def _overlap(self, log, *, by_clock):
        """Number of rows at the start of a log that repeat the end of the last part."""
        last = self.logs[-1]
        clock = last.other[_WALL_CLOCK] if by_clock else last.time_s
        own = log.other[_WALL_CLOCK] if by_clock else log.time_s
        count = int(np.searchsorted(own, clock[-1], side="right"))
        begin = len(clock) - count
        if not count or own[0] < clock[0] or begin < 0:
            repeats = False
        else:
            repeats = _same_rows(log, last, slice(0, count), slice(begin, None))
        if repeats and count < len(own):
            return count
        if by_clock and count and own[0] < clock[-1]:
            raise DataError(
                f"the logs {last.name!r} and {log.name!r} overlap by "
                f"{clock[-1] - own[0]:.6g} s of {_WALL_CLOCK}, with different rows; "
                "expected parts of one test: leave out one of them"
            )
        return 0

    def _shift(self, log, start, goes_on, *, by_clock):
        """Seconds to add to the time of a log."""
        last, end_s = self.logs[-1], float(self.time[-1][-1])
        if by_clock:
            pause = log.other[_WALL_CLOCK][start] - last.other[_WALL_CLOCK][-1]
            shift = end_s + float(pause) - float(log.time_s[start])
            return 0.0 if abs(shift) < 1.0 else shift  # clocks are rounded to a second
        before = end_s - float(last.time_s[-1])
        if goes_on:
            return before
        steps = np.diff(log.time_s[start:])
        interval = float(np.median(steps)) if steps.size else 0.0
        return end_s + interval - float(log.time_s[start])

    def log(self, name, statements):
        """The joined log."""
        keys = dict.fromkeys(key for log in self.logs for key in log.other)
        other = {key: self._column(key) for key in keys}
        steps = None
        if all(log.step is not None for log in self.logs):
            steps = self._concatenate([log.step for log in self.logs])
        return TimeSeries(
            name,
            np.concatenate(self.time),
            self._concatenate([log.voltage_v for log in self.logs]),
            self._concatenate([log.current_a for log in self.logs]),
            np.concatenate(self.cycle),
            step=steps,
            other=other,
            statements=statements,
        )

    def _column(self, key):
        missing = [np.full(len(log.time_s), np.nan) for log in self.logs]
        return self._concatenate(
            [
                log.other.get(key, nan)
                for log, nan in zip(self.logs, missing, strict=True)
            ]
        )

    def _concatenate(self, columns):
        return np.concatenate(
            [column[rows] for column, rows in zip(columns, self.rows, strict=True)]
        )
