"""Which readings of a counter are valid, and where the counter starts again."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from battprob.data._counter_kind import Counter
from battprob.data._integration import Integral

SLACK = 1.5  # factor on the largest charge that the current allows in an interval
_LOOK = 4  # consecutive readings that may be false before one continues the last

Rows = Int[np.ndarray, " k"] | slice


class Kinds(NamedTuple):
    """Kind of each reading of a counter.

    Attributes:
        valid: False for readings that are false.
        late: readings of a counter that stands still while the current flows, and that
            catches up later.
        reset: first readings after a reset.
        unexplained: readings after a change that the current does not explain.
    """

    valid: Bool[np.ndarray, " k"]
    late: Bool[np.ndarray, " k"]
    reset: Bool[np.ndarray, " k"]
    unexplained: Bool[np.ndarray, " k"]


def classify(rows: Rows, counter: Counter, integral: Integral) -> Kinds:
    """Compare each change of a counter with what the current can have passed.

    That is 1.5 times the larger current times the duration, plus the tolerance of the
    counter. A change that is not possible is the first of these that applies:

    1. the end of a time in which the counter stood still (`late`);
    2. a reset, if the new reading itself is possible: it has been counted since;
    3. a return to the reading before such a fall: the fall was no reset, and the
       readings between are false (a single 0, or an instrument that shows 0 at rest);
    4. a false reading, if one of the next readings continues the one before, or is
       possible after a reset;
    5. unexplained.

    Some resets are no impossible changes; see `_hidden_resets`.

    Args:
        rows: rows with a reading.
        counter: the counter.
        integral: the integrated current.
    """
    bounds = _Bounds(rows, counter, integral)
    num = len(bounds.value)
    kinds = Kinds(np.ones(num, bool), *(np.zeros(num, bool) for _ in range(3)))
    impossible, since, caught_up = bounds.impossible()
    _explain(impossible, bounds, kinds)
    for first, last in zip(since, caught_up, strict=True):
        kinds.late[first + 1 : last] = True
    hidden = _hidden_resets(rows, counter, integral)
    kinds.reset[hidden[kinds.valid[hidden] & ~kinds.unexplained[hidden]]] = True
    return kinds


def rows_with_reading(counter: Counter) -> Rows:
    """Rows with a reading; a slice if all have one, so that nothing is copied."""
    present = np.isfinite(counter.value)
    return slice(None) if present.all() else np.flatnonzero(present)


def as_index(rows: Rows, size: int) -> Int[np.ndarray, " k"]:
    """Rows as an array of their numbers."""
    return np.arange(size) if isinstance(rows, slice) else rows


def _explain(impossible, bounds, kinds):
    """Set the kinds of readings that do not follow from the reading before."""
    fall, resume = 0, 0
    for here in impossible:
        if here < resume:
            continue
        if bounds.fresh(here):
            kinds.reset[here], fall = True, here
        elif fall and bounds.returns(fall, here):
            kinds.valid[fall:here], kinds.reset[fall] = False, False
            fall = 0
        elif end := bounds.next_that_continues(here):
            kinds.valid[here:end], resume = False, end + 1
        elif end := bounds.next_after_reset(here):
            kinds.valid[here:end], kinds.reset[end] = False, True
            fall, resume = 0, end + 1
        elif here == 1:
            kinds.valid[0] = False  # nothing supports the first reading
        else:
            kinds.unexplained[here], fall = True, 0


class _Bounds:
    """Changes of a counter that the current allows between two readings."""

    def __init__(self, rows, counter, integral):
        self.value = counter.value[rows]
        self.tolerance = counter.tolerance
        # Factor and largest charge since the first row, for rises and for falls.
        self.up, self.down = (
            [
                (SLACK * max(factor, 1.0), passed.most[rows])
                for passed, number, factor in counter.directions(integral)
                if number == sign
            ]
            for sign in (1, -1)
        )

    def impossible(self):
        """Readings that do not follow from the reading before.

        Also the first and the last readings of times in which the counter stands still.
        """
        change = np.diff(self.value)
        highest, lowest = (
            sum(factor * np.diff(most) for factor, most in part) + self.tolerance
            for part in (self.up, self.down)
        )
        found = np.flatnonzero((change > highest) | (change < -lowest)) + 1
        if not found.size:
            return found, found, found
        moved = np.flatnonzero(change != 0) + 1
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
        """Whether the counter jumps back at `last` to what it was before `fall`."""
        size = abs(self.value[fall - 1] - self.value[fall])
        jump = abs(self.value[last] - self.value[last - 1])
        return jump >= 0.5 * size and self.joined(fall - 1, last)

    def next_that_continues(self, here):
        """First of the next readings that continues the one before `here`, or 0."""
        ends = range(here + 1, min(here + 1 + _LOOK, len(self.value)))
        return next((end for end in ends if self.joined(here - 1, end)), 0)

    def next_after_reset(self, here):
        """First of the next readings that a reset after `here` - 1 explains, or 0."""
        ends = range(here + 1, min(here + 1 + _LOOK, len(self.value)))
        return next((e for e in ends if self.allow(self.value[e], here - 1, e)), 0)


def _hidden_resets(rows, counter, integral):
    """Resets that are no impossible changes of the counter, if it only rises.

    The counter falls by less than the tolerance, but more than its noise; or it rises
    by much less than the current demands, while the reading itself is what the current
    has passed since the row before.
    """
    if counter.counts[1] < 0:
        return np.zeros(0, np.int64)
    value = counter.value[rows]
    change = np.diff(value)
    falls = (change < -counter.noise) & (change >= -counter.tolerance)
    least = [
        factor * np.diff(passed.least[rows])
        for passed, _, factor in counter.directions(integral)
    ]
    short = (change >= -counter.tolerance) & ~falls
    short &= change < 0.5 * sum(least) - counter.tolerance
    found = np.flatnonzero(falls | short) + 1
    if not found.size:
        return found
    index = as_index(rows, len(value))
    expected = counter.expected(integral, index[found - 1], index[found])
    deviation = np.abs(value[found] - expected)
    nearer = deviation < np.abs(change[found - 1] - expected)
    equal = deviation <= 0.1 * np.abs(expected)
    return found[np.where(falls[found - 1], nearer, equal)]
