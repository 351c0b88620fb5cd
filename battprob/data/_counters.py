"""Charge per interval from a counter: resets, false readings, missing readings."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from battprob.data._counter_kind import Counter
from battprob.data._integration import Integral

_SLACK = 1.5  # factor on the largest charge that the current allows in an interval
_LOOK = 4  # consecutive readings that may be false before one continues the last


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

    Each change from one reading to the next is compared with the charge that the
    current can have passed in between: 1.5 times the larger current times the
    duration, plus the noise of the counter. A change that is not possible is the first
    of these that applies:

    1. a reset, if the new reading itself is possible: it has been counted since;
    2. a return to the reading before such a fall: the fall was no reset, and the
       readings between are false (a single 0, or an instrument that shows 0 at rest);
    3. a false reading, if one of the next readings continues the one before, or is
       possible after a reset;
    4. unexplained: the integrated current is used for this interval.

    A counter that stands still while the current flows, and catches up later, has no
    readings in between. The charge between two readings is divided among the rows between them in proportion
    to the integrated current. What passes between the last reading and a reset is
    taken from the integrated current.
    """
    readings = _rows_with_reading(counter.value)
    value = counter.value[readings]
    bounds = _Bounds(readings, counter, integral)
    valid, held, reset, replaced = _classify(bounds, readings, counter, integral)
    rows, used = readings, valid & ~held
    if not used.all():
        rows = _as_index(readings, len(used))[used]
        value, reset, replaced = value[used], reset[used], replaced[used]
    change = np.diff(value)
    index = _as_index(rows, len(value))
    special = np.flatnonzero(reset | replaced)
    contradiction = _special_changes(change, special, reset, index, counter, integral)
    charge, discharge = _per_row(rows, change, reset, counter, integral)
    before = _count_first(index, counter, integral, charge, discharge)
    return Counted(
        charge if counter.counts[0] else np.full_like(charge, np.nan),
        discharge if counter.counts[1] else np.full_like(discharge, np.nan),
        index[reset],
        _as_index(readings, len(valid))[~valid],
        index[replaced],
        contradiction,
        len(index),
        before,
    )


def _rows_with_reading(value):
    """Rows with a reading; a slice if all have one, so that nothing is copied."""
    present = np.isfinite(value)
    return slice(None) if present.all() else np.flatnonzero(present)


def _as_index(rows, size):
    return np.arange(size) if isinstance(rows, slice) else rows


def _special_changes(change, special, reset, index, counter, integral):
    """Set the changes at resets and at unexplained readings.

    Returns by how much the latter differ from the integrated current.

    If the run ends at the reset or goes on after it, the integrated current covers what
    passed before and after the reset, and the reading only what passed after.
    """
    before, after = index[special - 1], index[special]
    expected = _signed(before, after, counter, integral)
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


def _signed(before, after, counter, integral):
    """Change of the counter that the integrated current predicts between two rows."""
    parts = [
        number * factor * (passed.total[after] - passed.total[before])
        for number, factor, passed in zip(
            counter.counts,
            counter.scale,
            (integral.charge, integral.discharge),
            strict=True,
        )
    ]
    return parts[0] + parts[1]


class _Bounds:
    """Whether the counter can change from one reading to another."""

    def __init__(self, readings, counter, integral):
        self.value = counter.value[readings]
        self.tolerance = counter.tolerance
        # Largest rise and largest fall that the current allows since the first row.
        self.up, self.down = (
            [
                (_SLACK * max(factor, 1.0), passed.most[readings])
                for passed, number, factor in zip(
                    (integral.charge, integral.discharge),
                    counter.counts,
                    counter.scale,
                    strict=True,
                )
                if number == sign
            ]
            for sign in (1, -1)
        )

    def impossible(self):
        """Readings that do not follow from the reading before.

        Also first and last readings of counters that stand still and then catch up.
        """
        change = np.diff(self.value)
        highest, lowest = (
            sum(factor * np.diff(most) for factor, most in part) + self.tolerance
            for part in (self.up, self.down)
        )
        found = np.flatnonzero((change > highest) | (change < -lowest)) + 1
        if not found.size:
            return found, found, found
        # A counter that stands still for some rows may catch up in the next one.
        moved = np.flatnonzero(np.diff(self.value) != 0) + 1
        position = np.searchsorted(moved, found - 1, side="right") - 1
        since = np.where(position >= 0, moved[np.maximum(position, 0)], 0)
        late = self.allow(change[found - 1], since, found)
        return found[~late], since[late], found[late]

    def allow(self, change, first, last):
        """Whether `change` is possible from reading `first` to reading `last`."""
        highest, lowest = (
            sum(factor * (most[last] - most[first]) for factor, most in part)
            + self.tolerance
            for part in (self.up, self.down)
        )
        return (change <= highest) & (change >= -lowest)

    def joined(self, first, last):
        """Whether reading `last` continues reading `first`."""
        return self.allow(self.value[last] - self.value[first], first, last)

    def fresh(self, last):
        """Whether reading `last` was counted from zero since the reading before."""
        return self.allow(self.value[last], last - 1, last)

    def returns(self, fall, last):
        """Whether the reading jumps back at `last` to what it was before `fall`."""
        size = abs(self.value[fall - 1] - self.value[fall])
        jump = abs(self.value[last] - self.value[last - 1])
        return jump >= 0.5 * size and self.joined(fall - 1, last)


def _classify(bounds, readings, counter, integral):
    """Which readings are valid, late, the first after a reset, and unexplained."""
    num = len(bounds.value)
    valid = np.ones(num, bool)
    held, reset, replaced = (np.zeros(num, bool) for _ in range(3))
    fall, resume = 0, 0
    impossible, since, caught_up = bounds.impossible()
    for here in impossible:
        if here < resume:
            continue
        if bounds.fresh(here):
            reset[here], fall = True, here
        elif fall and bounds.returns(fall, here):
            valid[fall:here], reset[fall] = False, False
            fall = 0
        elif (end := _continued(bounds, here, num)) is not None:
            valid[here:end], resume = False, end + 1
        elif (end := _started_again(bounds, here, num)) is not None:
            valid[here:end], reset[end] = False, True
            fall, resume = 0, end + 1
        elif here == 1:
            valid[0] = False
        else:
            replaced[here] = True
            fall = 0
    for first, last in zip(since, caught_up, strict=True):
        held[first + 1 : last] = True
    hidden = _hidden_resets(readings, counter, integral)
    reset[hidden[valid[hidden] & ~replaced[hidden]]] = True
    return valid, held, reset, replaced


def _hidden_resets(readings, counter, integral):
    """Resets that are no impossible changes of the counter, if it only rises.

    The counter falls by less than the tolerance, but more than its noise; or it rises
    by much less than the current demands, while the reading itself is what the current
    has passed since the row before.
    """
    if counter.counts[1] < 0:
        return np.zeros(0, np.int64)
    value = counter.value[readings]
    change = np.diff(value)
    falls = (change < -counter.noise) & (change >= -counter.tolerance)
    least = [
        factor * np.diff(passed.least[readings])
        for passed, number, factor in zip(
            (integral.charge, integral.discharge),
            counter.counts,
            counter.scale,
            strict=True,
        )
        if number
    ]
    short = (change >= -counter.tolerance) & ~falls
    short &= change < 0.5 * sum(least) - counter.tolerance
    rows = np.flatnonzero(falls | short) + 1
    if not rows.size:
        return rows
    index = _as_index(readings, len(value))
    expected = _signed(index[rows - 1], index[rows], counter, integral)
    deviation = np.abs(value[rows] - expected)
    nearer = deviation < np.abs(change[rows - 1] - expected)
    equal = deviation <= 0.1 * np.abs(expected)
    return rows[np.where(falls[rows - 1], nearer, equal)]


def _continued(bounds, here, num):
    """First of the next readings that continues the reading before `here`, or None."""
    for end in range(here + 1, min(here + 1 + _LOOK, num)):
        if bounds.joined(here - 1, end):
            return end
    return None


def _per_row(rows, change, reset, counter, integral):
    """Charge and discharge of each row for the changes between readings."""
    size = len(counter.value)
    if 0 in counter.counts:
        side = 1 if counter.counts[0] == 0 else 0
        passed = (integral.charge, integral.discharge)[side]
        charge = _spread(rows, change, passed, size)
        return (charge, np.zeros(size)) if side == 0 else (np.zeros(size), charge)
    sides = (integral.charge, integral.discharge)
    direction = integral.direction[rows]
    flows = np.where(direction[1:] != 0, direction[1:], direction[:-1])
    if counter.counts[1] < 0:
        largest = [np.diff(np.cumsum(passed.largest)[rows]) for passed in sides]
        parts = _divide_net(change, *largest, known=not integral.rough)
    else:
        expected = [np.diff(passed.total[rows]) for passed in sides]
        parts = _divide_both(change, expected, reset[1:] & (direction[1:] != 0), flows)
    return tuple(
        _spread(rows, part, passed, size)
        for part, passed in zip(parts, sides, strict=True)
    )


def _divide_net(change, up, down, *, known):
    """Charge and discharge for the changes of a net charge.

    If the direction of the current changes between two readings, the currents before
    and after it, if they are known, determine the time of the change.
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


def _started_again(bounds, here, num):
    """First of the next readings that a reset after `here` - 1 explains, or None."""
    for end in range(here + 1, min(here + 1 + _LOOK, num)):
        if bounds.allow(bounds.value[end], here - 1, end):
            return end
    return None


def _spread(rows, change, passed, size):
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
    for passed, target, number, factor in zip(
        (integral.charge, integral.discharge),
        (charge, discharge),
        counter.counts,
        counter.scale,
        strict=True,
    ):
        # In row 0, only what flowed since the test clock started.
        most = passed.most[row] * max(factor, 1.0) * (_SLACK if row else 1.1)
        if 0 < value * number <= most + counter.tolerance and most > 0:
            target[row] = value * number
            return 0.0
    return value
