"""Order of the rows of a log: repeated rows, clocks that restart, clocks that fall."""

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.log import Log, count

# Columns in which a repeated row equals the row that it repeats.
_COMPARED = ("time_s", "unix_time_s", "voltage_v", "current_a", "charge_increment_ah", "cycle",
             "charge_capacity_ah", "discharge_capacity_ah", "capacity_ah")  # fmt: skip
_TINY_FALL_S = 1.0  # events are logged up to a second late
_RETURNING_ROWS = 3


def without_repeated_rows(log: Log, clock: str) -> Log:
    """The log without blocks of rows that repeat earlier rows exactly.

    A block is searched for only where the clock falls. Rows that repeat the time,
    voltage and current of earlier rows, but not the other columns, are kept.

    Args:
        log: the log.
        clock: the quantity that orders the rows.
    """
    time = log[clock]
    falls = np.flatnonzero(np.diff(time) < 0) + 1
    keep = np.ones(len(log), bool)
    names = [name for name in _COMPARED if name in log]
    for row in falls:
        if not keep[row]:
            continue
        length = _repeated(log, names, time, int(row))
        keep[row : row + length] = False
    if keep.all():
        return log
    first = int(np.flatnonzero(~keep)[0])
    return log.keep(
        keep,
        f"{count((~keep).sum(), 'row')} repeated from earlier rows (the first is "
        f"{log.line(first)}): left out",
    )


def _repeated(log, names, time, row):
    """Number of rows from `row` that repeat a block of rows before it."""
    end = row + int(np.argmax(np.append(time[row:] > time[row - 1], True)))
    for start in np.flatnonzero(time[:row] == time[row])[:20]:
        length = min(end - row, row - int(start))
        block = slice(row, row + length)
        original = slice(int(start), int(start) + length)
        equal = [
            np.array_equal(log[name][block], log[name][original], equal_nan=True)
            for name in names
        ]
        # A block that ends before the clock has caught up is no plain repetition.
        if length == end - row and all(equal):
            return length
    return 0


def increasing_time(
    log: Log,
    time_s: Float[np.ndarray, " t"],
    wall_s: Float[np.ndarray, " t"] | None,
    header: str,
) -> tuple[Float[np.ndarray, " t"], tuple[str, ...]]:
    """The clock of a log, continued where it restarts.

    A clock that falls back to its start restarts. It continues from the row before, by
    the wall clock if there is one, otherwise if the cycle or step number changes in the
    same row. A fall of less than a second is an event that was logged late: the row
    gets the time of the row before.

    Args:
        log: the log, for its cycle and step numbers.
        time_s: the clock, in s.
        wall_s: the wall clock of each row in s, or None.
        header: name of the clock in the file, for the messages.

    Raises:
        DataError: the clock falls and nothing shows by how much it has to be shifted.
    """
    falls = np.flatnonzero(np.diff(time_s) < 0) + 1
    if falls.size == 0:
        return time_s, ()
    time, statements = time_s.copy(), []
    restarts, tiny = [], []
    for row in falls:
        fall = time_s[row - 1] - time_s[row]
        if _is_restart(time_s, int(row)):
            restarts.append(int(row))
        elif fall < _TINY_FALL_S:
            tiny.append(int(row))
        else:
            raise _falling(log, int(row), time_s, header)
    for row in restarts:
        time[row:] += _shift(log, time, time_s, wall_s, row, header)
    if restarts:
        by = "the wall clock" if wall_s is not None else "continuing without a gap"
        statements.append(
            f"{header!r} restarts {count(len(restarts), 'time')} (first at "
            f"{log.line(restarts[0])}): joined by {by}"
        )
    if tiny:
        statements.append(
            f"{header!r} falls by less than {_TINY_FALL_S:g} s in {count(len(tiny), 'row')} "
            f"(first at {log.line(tiny[0])}): these have the time of the row before"
        )
        time = np.maximum.accumulate(time)
    return time, tuple(statements)


def _is_restart(time, row):
    """Whether the clock starts again near its first value and then continues."""
    span = time[row - 1] - time[0]
    following = time[row : row + _RETURNING_ROWS]
    near_start = time[row] <= max(time[0], 0.0) + max(0.01 * span, 0.0)
    back = bool((following > time[row - 1]).any()) and span > 0
    return bool(near_start and not back and span > 0)


def _shift(log, time, time_s, wall_s, row, header):
    """Seconds by which the clock is continued from a row on."""
    if wall_s is not None and wall_s[row] >= wall_s[row - 1]:
        return time[row - 1] + (wall_s[row] - wall_s[row - 1]) - time[row]
    changes = any(
        name in log and log[name][row] != log[name][row - 1]
        for name in ("cycle", "half_cycle", "step")
    )
    if not changes:
        raise _falling(log, row, time_s, header)
    # The first reading of a part is the time since its start, so that it is added.
    return time[row - 1] + max(time_s[row], 0.0) - time[row]


def _falling(log, row, time, header):
    return DataError(
        f"{log.location(row)}: {header!r} falls from {time[row - 1]:g} s to "
        f"{time[row]:g} s, so that the order of the rows is unknown; expected times "
        "that never fall. Remove or sort the rows, or split the file where the time "
        "restarts"
    )
