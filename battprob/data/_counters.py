"""Charge per interval from a counter: resets, false readings, missing readings."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from battprob.data._counter_kind import Counter
from battprob.data._integration import Integral
from battprob.data._readings import SLACK, as_index, classify, rows_with_reading


class Counted(NamedTuple):
    """Charge in Ah in the interval before each row, as a counter shows it.

    Attributes:
        charge, discharge: NaN in a direction that the counter does not count.
        reset_rows: rows whose reading is the first after a reset.
        false_rows: rows whose reading is omitted.
        replaced_rows: rows whose interval takes the integrated current, because the
            reading contradicts it.
        contradiction_ah: by how much the counter differs there from the current.
        num_readings: number of readings.
        before_ah: reading of the first row if it counts charge from before the log.
    """

    charge: Float[np.ndarray, " t"]
    discharge: Float[np.ndarray, " t"]
    reset_rows: Int[np.ndarray, " r"]
    false_rows: Int[np.ndarray, " f"]
    replaced_rows: Int[np.ndarray, " p"]
    contradiction_ah: float
    num_readings: int
    before_ah: float


def count(counter: Counter, integral: Integral) -> Counted:
    """Convert the readings of a counter into charge per interval.

    The readings are those that `classify` accepts. The charge between two readings is
    divided among the rows between them in proportion to the integrated current. After
    a reset the new reading counts; what passes between the last reading and the reset
    is taken from the integrated current, which also replaces unexplained changes.
    """
    readings = rows_with_reading(counter)
    value = counter.value[readings]
    kinds = classify(readings, counter, integral)
    rows, used = readings, kinds.valid & ~kinds.late
    reset, replaced = kinds.reset, kinds.unexplained
    if not used.all():
        rows = as_index(readings, len(used))[used]
        value, reset, replaced = value[used], reset[used], replaced[used]
    change = np.diff(value)
    index = as_index(rows, len(value))
    special = np.flatnonzero(reset | replaced)
    contradiction = _special_changes(change, special, reset, index, counter, integral)
    charge, discharge = _per_row(rows, change, reset, counter, integral)
    before = _count_first(index, counter, integral, charge, discharge)
    return Counted(
        charge if counter.counts[0] else np.full_like(charge, np.nan),
        discharge if counter.counts[1] else np.full_like(discharge, np.nan),
        index[reset],
        as_index(readings, len(used))[~kinds.valid],
        index[replaced],
        contradiction,
        len(index),
        before,
    )


def _special_changes(change, special, reset, index, counter, integral):
    """Set the changes at resets and at unexplained readings.

    Returns by how much the latter differ from the integrated current.

    If the run ends at the reset or goes on after it, the integrated current covers what
    passed before and after the reset, and the reading only what passed after.
    """
    before, after = index[special - 1], index[special]
    expected = counter.expected(integral, before, after)
    fresh = counter.value[after]
    later, earlier = integral.direction[after], integral.direction[before]
    whole = (later == 0) | (later == earlier)
    if 0 in counter.counts:  # then a row in the other direction adds nothing
        side = 1 if counter.counts[0] else -1
        whole = (later != side) | (earlier == side)
        if _ends_are_logged(change, reset, index, side, counter, integral):
            whole &= later == earlier
    larger = np.where(whole & (np.abs(expected) > np.abs(fresh)), expected, fresh)
    is_reset = reset[special]
    difference = np.abs(change[special - 1] - expected)[~is_reset].sum()
    change[special - 1] = np.where(is_reset, larger, expected)
    return float(difference)


def _ends_are_logged(change, reset, index, side, counter, integral):
    """Whether the counter shows that runs start at, or one interval after, a row.

    The last row of the run before is then its end, so that a reset loses nothing.
    """
    starts = integral.runs.starts[index] & (integral.direction[index] == side)
    starts[0] = False
    row = np.flatnonzero(starts)
    most = (integral.charge if side > 0 else integral.discharge).largest[index[row]]
    rise = np.where(reset[row], counter.value[index[row]], change[row - 1])
    ratio = rise[most > 0] / most[most > 0]
    return ratio.size > 0 and not 0.1 < float(np.median(ratio)) < 0.9


def _per_row(rows, change, reset, counter, integral):
    """Charge and discharge of each row for the changes between readings."""
    size = len(counter.value)
    if 0 in counter.counts:
        side = 1 if counter.counts[0] == 0 else 0
        passed = (integral.charge, integral.discharge)[side]
        charge = _divide_among_rows(rows, change, passed, size)
        return (charge, np.zeros(size)) if side == 0 else (np.zeros(size), charge)
    sides = (integral.charge, integral.discharge)
    direction = integral.direction[rows]
    flows = np.where(direction[1:] != 0, direction[1:], direction[:-1])
    if counter.counts[1] < 0:
        most = [np.diff(np.cumsum(passed.largest)[rows]) for passed in sides]
        up, down = (np.diff(passed.total[rows]) for passed in sides)
        known = (up > 0) & (down > 0) & (not integral.rough)
        # One of the currents alone explains the change: the other has not flowed.
        known &= np.abs(change - up) > 0.02 * up
        known &= np.abs(change + down) > 0.02 * down
        parts = _divide_net(change, most[0], most[1], known)
    else:
        expected = [np.diff(passed.total[rows]) for passed in sides]
        parts = _divide_both(change, expected, reset[1:] & (direction[1:] != 0), flows)
    return tuple(
        _divide_among_rows(rows, part, passed, size)
        for part, passed in zip(parts, sides, strict=True)
    )


def _divide_net(change, up, down, known):
    """Charge and discharge for the changes of a net charge.

    If both currents flow between two readings, which is known from the start of steps
    (`onset_fractions`), the currents determine the time of the change. Otherwise there
    may be a rest between them, and only the change itself has passed.
    """
    both = (up > 0) & (down > 0) & known
    fraction = (change + down) / np.where(both, up + down, 1.0)
    charge = np.where(both, up * np.clip(fraction, 0.0, 1.0), 0.0)
    charge = np.maximum(charge, np.maximum(change, 0.0))
    return charge, charge - change


def _divide_both(change, expected, reset, direction):
    """Charge and discharge for the changes of a counter of both directions."""
    total = expected[0] + expected[1]
    fraction = np.where(total > 0, expected[0] / np.where(total > 0, total, 1.0), 0.0)
    # After a reset the counter has counted in the direction of its row only. Without
    # any duration the direction of the row decides, too.
    fraction = np.where(reset | (total == 0), direction > 0, fraction)
    # Without any current, a counter of both directions shows only its noise.
    change = np.where((total > 0) | (direction != 0), change, 0.0)
    return fraction * change, (1.0 - fraction) * change


def _divide_among_rows(rows, change, passed, size):
    """Divide the charge between two readings among the rows between them."""
    charge = np.zeros(size)
    if isinstance(rows, slice):
        charge[1:] = change
        return charge
    single = np.diff(rows) == 1
    charge[rows[1:][single]] = change[single]
    if single.all():
        return charge
    between = np.diff(passed.total[rows])
    owner = np.searchsorted(rows, np.arange(size), side="left") - 1
    inside = (owner >= 0) & (owner < len(change))
    owner = np.where(inside, owner, 0)
    inside &= ~single[owner]
    weight = np.diff(passed.total, prepend=0.0)
    flows = between > 0
    ratio = np.where(flows, change / np.where(flows, between, 1.0), 0.0)
    charge[inside] = (weight * ratio[owner])[inside]
    silent = ~single & ~flows
    charge[rows[1:][silent]] = change[silent]
    return charge


def _count_first(index, counter, integral, charge, discharge):
    """Count the first reading if the current of the rows up to it explains it.

    Returns the reading if it counts charge from before the log, otherwise 0.
    """
    if not len(index):
        return 0.0
    row, value = int(index[0]), float(counter.value[index[0]])
    if abs(value) <= counter.tolerance:
        return 0.0
    for passed, number, factor in counter.directions(integral):
        # In row 0, only what flowed since the test clock started.
        most = passed.most[row] * max(factor, 1.0) * (SLACK if row else 1.1)
        if 0 < value * number <= most + counter.tolerance and most > 0:
            target = charge if passed is integral.charge else discharge
            target[row] = value * number
            return 0.0
    return value
