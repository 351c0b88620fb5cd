"""Rows of a log whose time does not decrease, without rows that repeat earlier rows."""

import numpy as np

from battprob._errors import DataError
from battprob.data._charge_source import number_of

_ROUNDING = 0.01  # of the usual interval; the time may decrease by so much


def rows_in_time(log):
    """Rows to keep, their time, and a sentence about rows that repeat.

    Where the time decreases, the rows up to the previous largest time must be equal to
    earlier rows in all columns; they are left out. A decrease by less than 1 % of the
    usual interval is rounding and is set to zero.

    Returns:
        kept: False for rows that repeat.
        time: time in s of all rows; not decreasing over the kept ones.
        statements: a sentence if rows repeat.

    Raises:
        DataError: the time decreases otherwise; the message names the row.
    """
    time = log.time_s
    step = np.diff(time)
    kept = np.ones(len(time), bool)
    if not (step < 0).any():
        return kept, time, ()
    forward = step[step > 0]
    rounding = _ROUNDING * float(np.median(forward)) if forward.size else 0.0
    for row in np.flatnonzero(step < -rounding) + 1:
        if not kept[row]:
            continue
        end = _end_of_repeat(log, row)
        if end is None:
            raise DataError(
                f"{log.name!r}: the time decreases at row {row} (counting from 0), "
                f"from {time[row - 1]:.6g} to {time[row]:.6g} s; expected time_s not "
                "to decrease: sort the rows, remove rows that repeat, or join the "
                "parts with battprob.data.join"
            )
        kept[row:end] = False
    time = np.maximum.accumulate(time)
    omitted = np.flatnonzero(~kept)
    if not omitted.size:
        return kept, time, ()
    return (
        kept,
        time,
        (
            f"{number_of(omitted.size, 'row')} repeating earlier rows omitted (first: "
            f"row {omitted[0]}, counting from 0)",
        ),
    )


def _end_of_repeat(log, row):
    """Row after the rows from `row` on that repeat earlier rows, or None."""
    time = log.time_s
    before = slice(0, row)
    first = int(np.searchsorted(time[before], time[row], side="left"))
    last = int(np.searchsorted(time[before], time[row], side="right"))
    # The repeated rows end with the previous row, or where the time goes on.
    goes_on = row + int(np.argmax(np.append(time[row:], np.inf) > time[row - 1]))
    for earlier in range(first, last):
        for end in (2 * row - earlier, goes_on):
            if end <= len(time) and _equal_rows(log, earlier, row, end):
                return end
    return None


def _equal_rows(log, earlier, row, end):
    """Whether rows `row` to `end` repeat the rows from `earlier` in all columns."""
    size = end - row
    if earlier + size > row:
        return False
    columns = [log.time_s, log.voltage_v, log.current_a, *log.other.values()]
    return all(
        np.array_equal(
            column[row:end], column[earlier : earlier + size], equal_nan=True
        )
        for column in columns
    )
