"""Source of the charge in each direction: a counter, or the integrated current."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data._counter_kind import Counter, identify
from battprob.data._counters import Counted, count
from battprob.data._integration import ROUNDED, Integral

_LARGEST_REPLACED = 0.1  # of the readings; with more contradictions it is not used
# A counter that shows less of the smallest charge of a run has stood still; the second
# value is for currents with so few digits that their rounding may explain more.
_DEFICIT, _DEFICIT_IF_ROUNDED = 0.93, 0.7
_RELEVANT = 0.01  # of the largest run, or of all charge; less is not compared
_LARGEST_FACTOR = 1.9
_AGREEMENT = 0.02  # difference that is stated as such


@dataclass(frozen=True)
class Side:
    """Charge in one direction of the current.

    Attributes:
        value: charge in Ah in the interval before each row.
        doubt: half the width of its possible values in Ah.
        statements: the source and what was repaired.
        begins_inside: whether the counter was not at zero when the log begins, while a
            current flows.
        by_current: whether the charge is that of the integrated current.
    """

    value: Float[np.ndarray, " t"]
    doubt: Float[np.ndarray, " t"]
    statements: tuple[str, ...]
    begins_inside: bool = False
    by_current: bool = False


_ORDER = (
    "charge_increment_ah",
    "charge_capacity_ah",
    "discharge_capacity_ah",
    "capacity_ah",
    "net_charge_ah",
)
_WORDS = ("charge", "discharge")


def number_of(count: int | np.integer, noun: str) -> str:
    """A number with its noun, such as `1 row` or `3 rows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def first_of(rows) -> str:
    """Where the first of some rows is, for a sentence."""
    return f"(first: row {rows[0]}, counting from 0)"


def sides_of(log_name, columns, integral: Integral) -> tuple[Side, Side]:
    """Charge and discharge from the first counter that is consistent with the current.

    Args:
        log_name: name of the log, for messages.
        columns: counters by name, in Ah.
        integral: the integrated current.

    Raises:
        DataError: see `identify`.
    """
    sides: list[Side | None] = [None, None]
    rejected: list[list[str]] = [[], []]
    for name in _ORDER:
        if name not in columns or None not in sides:
            continue
        counter = _counter(log_name, name, columns[name], integral)
        if counter is None:
            _note_silence(name, rejected, integral)
            continue
        counted = count(counter, integral)
        for index in (0, 1):
            if not counter.counts[index] or sides[index] is not None:
                continue
            side = _side(log_name, index, counter, counted, integral)
            if isinstance(side, str):
                rejected[index].append(side)
            else:
                sides[index] = side
    return tuple(
        _integrated(index, notes, integral)
        if side is None
        else replace(side, statements=(*notes, *side.statements))
        for index, (side, notes) in enumerate(zip(sides, rejected, strict=True))
    )  # pyright: ignore[reportReturnType]


def _counter(log_name, name, column, integral):
    if not np.isfinite(column).any():
        return None
    if name != "charge_increment_ah":
        return identify(log_name, name, column, integral)
    total = np.cumsum(np.where(np.isfinite(column), column, 0.0))
    counter = identify(log_name, "net_charge_ah", total, integral)
    return None if counter is None else replace(counter, name=name)


def _note_silence(name, rejected, integral):
    side = {"charge_capacity_ah": (0,), "discharge_capacity_ah": (1,)}
    for index in side.get(name, (0, 1)):
        if _passed(index, integral).total[-1] > 0:
            rejected[index].append(f"{name} does not follow current_a and is not used")


def _passed(index, integral):
    return (integral.charge, integral.discharge)[index]


def _side(log_name, index, counter: Counter, counted: Counted, integral):
    """Charge by a counter; a sentence instead if the counter is not usable."""
    value = (counted.charge, counted.discharge)[index]
    passed = _passed(index, integral)
    expected = float(passed.total[-1])
    replaced = counted.replaced_rows
    if len(replaced) > _LARGEST_REPLACED * counted.num_readings:
        _require_known_current(log_name, counter, replaced, index)
        return (
            f"column {counter.name} is not used for the {_WORDS[index]}: it "
            f"contradicts current_a at {number_of(len(replaced), 'row')} "
            f"{first_of(replaced)}"
        )
    doubt = np.zeros_like(value)
    doubt[replaced] = passed.doubt[replaced]
    if counter.counts == (1, 1):
        direct = (integral.charge.largest > 0) & (integral.discharge.largest > 0)
        doubt[direct] = np.minimum(passed.doubt[direct], np.abs(value[direct]))
    value, doubt, stalled = _without_stalls(value, doubt, counter, index, integral)
    _require_similar(log_name, index, counter, float(value.sum()), expected, integral)
    return Side(
        value,
        doubt,
        (
            *counter.statements,
            *_source(index, counter, float(value.sum()), expected, integral),
            *_repairs(counter, counted),
            *stalled,
        ),
        counted.before_ah != 0 and bool(integral.direction[:2].any()),
    )


def _require_known_current(log_name, counter, rows, index):
    """A counter is wrong only if it agrees with the current in most of the rows."""
    if not counter.sure[index]:
        raise DataError(
            f"{log_name!r}: column {counter.name} contradicts current_a integrated "
            f"over time_s at {number_of(len(rows), 'row')} {first_of(rows)}, and no "
            "part of the log shows which of them is right; correct or remove the column"
        )


def _require_similar(log_name, index, counter, total, expected, integral):
    """Refuse a counter that differs from the current by a factor: a wrong unit."""
    if integral.rough or integral.rounding > ROUNDED or not min(expected, total) > 0:
        return
    both = sum(float(_passed(side, integral).total[-1]) for side in (0, 1))
    if max(total, expected) < _RELEVANT * both:
        return
    if not 1 / _LARGEST_FACTOR < total / expected < _LARGEST_FACTOR:
        raise DataError(
            f"{log_name!r}: column {counter.name} counts {total:.4g} Ah of "
            f"{_WORDS[index]}, but current_a integrated over time_s gives "
            f"{expected:.4g} Ah: the unit of one of them, or of the time, is wrong; "
            "correct the header or leave the wrong column out"
        )


def _source(index, counter, total, expected, integral):
    """Sentence about the counter and the integrated current; none without charge."""
    if expected > 0 or total > counter.tolerance:
        agreement = _agreement(total, expected, integral)
        yield f"{_WORDS[index]}: column {counter.name}{agreement}"


def _agreement(total, expected, integral):
    if integral.rough or not expected > 0 or not total > 0:
        return " (current_a is too coarse to check it)"
    difference = total / expected - 1
    if abs(difference) > 0.5:
        return (
            f" ({total:.4g} Ah), although current_a integrated over time_s gives "
            f"{expected:.4g} Ah"
        )
    if abs(difference) > _AGREEMENT:
        more = "more" if difference > 0 else "less"
        return (
            f", although it counts {100 * abs(difference):.2g} % {more} than current_a "
            "integrated over time_s"
        )
    return f", which agrees with current_a over time_s within {_percent(difference)} %"


def _percent(difference):
    return f"{max(100 * abs(difference), 0.01):.1g}"


def _repairs(counter, counted):
    """Sentences about resets, false readings and the first reading of a counter."""
    name = counter.name
    resets, false, replaced = (
        counted.reset_rows,
        counted.false_rows,
        counted.replaced_rows,
    )
    if len(resets):
        count_of_rows = number_of(len(resets), "row")
        yield f"{name} starts again at {count_of_rows} {first_of(resets)}"
    if len(false):
        yield (
            f"{number_of(len(false), 'reading')} of {name} omitted, which the current "
            f"does not explain {first_of(false)}"
        )
    if counted.contradiction_ah > counter.tolerance:
        yield (
            f"{name} jumps at {number_of(len(replaced), 'row')} {first_of(replaced)} "
            f"by {counted.contradiction_ah:.4g} Ah more than the current explains; the "
            "integrated current is used there"
        )
    if counted.before_ah:
        yield (
            f"the first reading of {name} ({counted.before_ah:.4g} Ah) was counted "
            "before the log and is not part of its charge"
        )


def _without_stalls(value, doubt, counter, index, integral):
    """Replace the counter in runs in which it stands still while the current flows."""
    if integral.rough:
        return value, doubt, ()
    passed = _passed(index, integral)
    sign = 1 if index == 0 else -1
    first = integral.runs.first[:-1]
    first = first[integral.direction[first] == sign]
    if not first.size:
        return value, doubt, ()
    # Up to the next run of this direction, because a counter may catch up at rest.
    counted, least, most = (
        np.add.reduceat(part, first)
        for part in (value, passed.smallest, passed.largest)
    )
    factor = min(counter.scale[index], 1.0)
    stalled = (most < 1.5 * least) & (least > _RELEVANT * least.max())
    limit = _DEFICIT_IF_ROUNDED if integral.rounding > ROUNDED else _DEFICIT
    stalled &= counted < limit * factor * least - counter.tolerance
    # A counter that stands still in one interval only shows a pause of the test.
    missing = np.maximum(factor * passed.smallest - value, 0.0)
    longest = np.maximum.reduceat(missing, first)
    stalled &= counted + longest < limit * factor * least - counter.tolerance
    if not stalled.any():
        return value, doubt, ()
    owner = np.searchsorted(first, np.arange(len(value)), side="right") - 1
    rows = (owner >= 0) & stalled[np.maximum(owner, 0)]
    value, doubt = value.copy(), doubt.copy()
    value[rows], doubt[rows] = passed.estimate[rows], passed.doubt[rows]
    statement = (
        f"{counter.name} stands still in {number_of(stalled.sum(), 'run')} of "
        f"{_WORDS[index]} {first_of(first[stalled])}; the integrated current is used "
        "there"
    )
    return value, doubt, (statement,)


def _integrated(index, notes, integral):
    passed = _passed(index, integral)
    statements = tuple(notes)
    if passed.total[-1] > 0:
        why = "" if notes else " (no charge counter)"
        statements += (f"{_WORDS[index]}: current_a integrated over time_s{why}",)
    sign = 1 if index == 0 else -1
    statements += tuple(
        gap.statement for gap in integral.gaps if integral.direction[gap.row] == sign
    )
    known = np.where(np.isnan(passed.estimate), 0.0, passed.doubt)
    return Side(passed.estimate, known, statements, by_current=True)
