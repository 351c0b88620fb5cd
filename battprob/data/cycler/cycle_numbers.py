"""Cycle number of each row: from the file, or by the direction of the current."""

import numpy as np
from jaxtyping import Float, Int

from battprob._errors import DataError
from battprob.data.cycler.log import Log, count
from battprob.data.cycler.swings import swing_starts

_SECONDS_PER_HOUR = 3600.0
_LARGEST_NUMBER = 1e9
_LONGEST = 10.0  # times nearly all intervals with a current


def cycle_numbers(
    log: Log, time_s: Float[np.ndarray, " t"], current_a: Float[np.ndarray, " t"]
) -> tuple[Int[np.ndarray, " t"], tuple[str, ...]]:
    """Cycle number of each row, not decreasing, and how it was found.

    The column of cycle numbers is used if there is one. Numbers that restart, as in two
    files pasted together, are continued. Half cycles of EC-Lab are halved, which gives
    EC-Lab's own cycle number. Without a column, a new cycle begins at each charge that
    follows a discharge, or at each discharge that follows a charge if the log begins
    with a discharge.

    Raises:
        DataError: the cycle numbers fall in a way that is no restart.
    """
    if "cycle" in log:
        numbers, statements = _whole_numbers(log, "cycle")
        if numbers is not None:
            numbers, joined = _continued(log, numbers)
            doubts = _constant(log, numbers, time_s, current_a)
            return numbers, (*statements, *joined, *doubts)
        return _by_direction(log, time_s, current_a, statements)
    if "half_cycle" in log:
        numbers, statements = _whole_numbers(log, "half_cycle")
        if numbers is not None and not (np.diff(numbers) < 0).any():
            note = (
                f"cycle numbers are half of {log.header('half_cycle')!r}, rounded down: "
                "EC-Lab's own cycle number"
            )
            return numbers // 2, (*statements, note)
        return _by_direction(log, time_s, current_a, statements)
    return _by_direction(log, time_s, current_a, ())


def _whole_numbers(log, name):
    """Integers of a column, or None if it has other numbers; missing ones are filled."""
    numbers, header = log[name], log.header(name)
    known = np.isfinite(numbers)
    if not known.any():
        return None, (f"{header!r} is empty",)
    with np.errstate(invalid="ignore"):
        other = (numbers != np.round(numbers)) | (np.abs(numbers) > _LARGEST_NUMBER)
    other &= known
    if other.any():
        row = int(np.flatnonzero(other)[0])
        return None, (
            f"{header!r} has {numbers[row]:g} at {log.line(row)}, which is no cycle "
            "number: not used",
        )
    statements = ()
    if not known.all():
        index = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        numbers = numbers[np.where(index < 0, int(np.argmax(known)), index)]
        statements = (
            f"{header!r} is empty in {count((~known).sum(), 'row')}: these belong to the "
            "cycle of the row before",
        )
    return numbers.astype(np.int64), statements


def _continued(log, numbers):
    """Cycle numbers that go on where they restart."""
    falls = np.flatnonzero(np.diff(numbers) < 0) + 1
    if falls.size == 0:
        return numbers, ()
    continued, first = numbers.copy(), int(numbers[0])
    for row in falls:
        after = numbers[row:]
        change = int(np.argmax(after != after[0])) if (after != after[0]).any() else 0
        returns = (
            change
            and after[change] > after[0] + 1
            and (after[change] >= numbers[row - 1])
        )
        if after[0] not in (0, 1, first) or returns:
            raise DataError(
                f"{log.location(row)}: {log.header('cycle')!r} falls from "
                f"{numbers[row - 1]} to {numbers[row]}; expected cycle numbers that do "
                "not fall, or that restart at the first number. Renumber the cycles, or "
                "remove these rows"
            )
        continued[row:] += continued[row - 1] + 1 - continued[row]
    return continued, (
        f"{log.header('cycle')!r} restarts {count(falls.size, 'time')} (first at "
        f"{log.line(int(falls[0]))}): the numbers are continued",
    )


def _constant(log, numbers, time, current):
    """Doubt about a column that has one number although the cell is cycled."""
    if numbers[0] != numbers[-1]:
        return ()
    starts, _ = _starts(log, time, current)
    if len(starts) < 2:
        return ()
    return (
        f"doubtful: {log.header('cycle')!r} is {numbers[0]} in all rows although the "
        f"log has {len(starts)} cycles by the direction of the current",
    )


def _by_direction(log, time, current, statements):
    starts, first = _starts(log, time, current)
    reason = statements or ("no column of cycle numbers",)
    if len(starts) < 2:
        note = "all rows taken as cycle 1"
    elif first > 0:
        note = f"a new cycle begins at each charge that follows a discharge ({len(starts)})"
    else:
        note = (
            "the log begins with a discharge, and a new cycle begins at each discharge "
            f"that follows a charge ({len(starts)})"
        )
    cycle = 1 + np.searchsorted(starts[1:], np.arange(len(time)), side="right")
    return cycle, (*reason[:-1], f"{reason[-1]}: {note}")


def _starts(log, time, current):
    """First row of each cycle by the direction of the current, and that direction."""
    if "charge_increment_ah" in log:
        charge = np.nan_to_num(log["charge_increment_ah"])
    else:
        step = np.diff(time, prepend=time[0])
        # A long pause is no charge; the largest one sets the scale of the others.
        flowing = step[current != 0]
        if flowing.size:
            step = np.minimum(step, _LONGEST * np.quantile(flowing, 0.95))
        charge = current * step / _SECONDS_PER_HOUR
    rows, direction = swing_starts(charge)
    if rows.size == 0:
        return rows, 1
    first = int(direction[0])
    # The first row of a step, which no charge has passed before, belongs to the step.
    changes = np.flatnonzero(np.diff(np.sign(current), prepend=0.0))
    rows = rows[direction == first]
    begin = changes[np.searchsorted(changes, rows, side="right") - 1]
    return np.where(np.sign(current[begin]) == first, begin, rows), first
