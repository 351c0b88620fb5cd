"""What a column with a charge counter counts, compared with the current over time."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from battprob._errors import DataError
from battprob.data._integration import Integral, Passed

_ROUNDING = 1e-9  # slope that is only the rounding of numbers
_FEW = 3  # comparisons; fewer are no evidence against the name of a column
_STILL = 0.05  # slope, relative to the other direction, that counts as standing still
_LARGEST_FACTOR = 1.7  # more is an error of units, not of calibration
_STEADY = 0.7  # smallest charge by the largest for which the integral is well known
_BLOCKS = 8  # comparisons per run at most
_PARTS, _ROWS = 8, 16_384  # of a long log
_ENOUGH = 20_000  # values of which a median is known well enough
_FLOOR = 2e-4  # of the largest charge of a run; smaller deviations do not matter
_QUANTILE, _NOISE = 0.35, 8.0  # of the deviations; a third of them may be faults
_KNOWN_FACTORS = {
    1000.0: "mAh for Ah, or mA for A",
    3600.0: "coulomb for Ah, or hours for seconds",
    60.0: "minutes for seconds",
    3.6: "coulomb for mAh",
}


@dataclass(frozen=True)
class Counter:
    """A charge counter, oriented so that it rises in the first direction it counts.

    Attributes:
        name: column of the log.
        counts: slopes for (charge, discharge): 1 if the counter rises in this direction
            of the current, -1 if it falls, 0 if it stands still.
        value: readings in Ah; NaN if missing.
        scale: readings divided by the current integrated over time, for (charge,
            discharge); 1 if unknown.
        sure: whether the scale is known, for (charge, discharge).
        noise: eight times the lower third of the deviations from the integrated current
            between two readings, in Ah.
        tolerance: deviation in Ah that is no contradiction; at least `noise`.
        statements: what was corrected.
    """

    name: str
    counts: tuple[int, int]
    value: Float[np.ndarray, " t"]
    scale: tuple[float, float]
    sure: tuple[bool, bool]
    noise: float
    tolerance: float
    statements: tuple[str, ...]

    def directions(self, integral: Integral) -> list[tuple[Passed, int, float]]:
        """Integrated charge, slope and scale of each direction that is counted."""
        passed = (integral.charge, integral.discharge)
        parts = zip(passed, self.counts, self.scale, strict=True)
        return [part for part in parts if part[1] != 0]

    def expected(
        self,
        integral: Integral,
        first: Int[np.ndarray, " k"],
        last: Int[np.ndarray, " k"],
    ) -> Float[np.ndarray, " k"]:
        """Change between rows that the integrated current predicts."""
        change = np.zeros(len(first))
        for passed, number, factor in self.directions(integral):
            change += number * factor * (passed.total[last] - passed.total[first])
        return change


# What the name of a column in `TimeSeries.other` promises.
DECLARED = {
    "charge_capacity_ah": (1, 0),
    "discharge_capacity_ah": (0, 1),
    "capacity_ah": (1, 1),
    "net_charge_ah": (1, -1),
}
_WORDS = {
    (1, 0): "rises while the current charges",
    (0, 1): "rises while the current discharges",
    (1, 1): "rises in both directions of the current",
    (1, -1): "rises while the current charges and falls while it discharges",
    (-1, 1): "falls while the current charges and rises while it discharges",
    (0, -1): "falls while the current discharges",
    (-1, 0): "falls while the current charges",
    (-1, -1): "falls in both directions of the current",
}


class _Slope(NamedTuple):
    """Slope of a counter against the integrated current in one direction.

    Attributes:
        value: slope; 0 if the counter stands still.
        num: number of comparisons; 0 if no charge passes in this direction.
        sure: whether the integral is known well enough for the slope to be exact.
        lowest, highest: bounds of the slope from the bounds of the integral.
    """

    value: float
    num: int
    sure: bool
    lowest: float
    highest: float


_NO_SLOPE = _Slope(0.0, 0, sure=False, lowest=0.0, highest=0.0)


def identify(
    log_name: str, name: str, value: Float[np.ndarray, " t"], integral: Integral
) -> Counter | None:
    """Compare a counter with the current over time; None if it does not count.

    Each run of charge or discharge is divided into up to eight blocks, from one change
    of the reading to another. The slope is the weighted median of the rises of the
    counter divided by the integrated current. Resets, false readings and coarse
    readings therefore do not change it. Blocks in which the integral itself is not well
    known (a decaying current with few rows) are used only if there are no others.

    Args:
        log_name: name of the log, for messages.
        name: `charge_capacity_ah`, `discharge_capacity_ah`, `capacity_ah` or
            `net_charge_ah`.
        value: its readings in Ah.
        integral: the integrated current.

    Raises:
        DataError: the counter and the integrated current differ by a factor that only
            an error of units explains, or the counter counts only in the direction
            opposite to its name.
    """
    rows = _distinct_times(value, integral)
    slopes = tuple(_slope(rows, value, integral, sign) for sign in (1, -1))
    declared = DECLARED[name]
    counts = _signs(slopes, declared)
    unseen = counts is None and _moves_at_rest(value, integral)
    pairs = zip(slopes, declared, strict=True)
    untested = all(slope.num < _FEW for slope, number in pairs if number)
    counts = counts or (declared if unseen or untested else (0, 0))
    if not any(counts):
        return None
    statements = ()
    if counts != declared:
        if name in ("charge_capacity_ah", "discharge_capacity_ah"):
            _require_direction(log_name, name, declared, counts)
        statements = (f"column {name} {_WORDS[counts]}, and is used as such",)
    for slope, number in zip(slopes, counts, strict=True):
        if number and slope.num >= _FEW:
            _require_units(log_name, name, slope)
    known = [
        bool(number and slope.sure and slope.num >= _FEW)
        for slope, number in zip(slopes, counts, strict=True)
    ]
    scale = [
        abs(slope.value) if sure else 1.0
        for slope, sure in zip(slopes, known, strict=True)
    ]
    sign = -1 if counts[0] < 0 or (counts[0] == 0 and counts[1] < 0) else 1
    counts = (sign * counts[0], sign * counts[1])
    noise, tolerance = _noise(rows, sign * value, integral, counts, scale)
    tolerance = np.inf if unseen else tolerance  # the current cannot contradict it
    return Counter(
        name,
        counts,
        sign * value,
        (scale[0], scale[1]),
        (known[0], known[1]),
        noise,
        tolerance,
        statements,
    )


def _signs(slopes, declared):
    """Signs of the two slopes; the declared ones where the comparisons are too few.

    None if the counter does not follow the current at all.
    """
    observed = [slope.value if slope.num >= _FEW else None for slope in slopes]
    limit = _STILL * max((abs(v) for v in observed if v is not None), default=0.0)
    if limit == 0:
        return declared if any(slope.value for slope in slopes) else None
    signs = [
        number if value is None else int(np.sign(value)) * (abs(value) > limit)
        for value, number in zip(observed, declared, strict=True)
    ]
    return signs[0], signs[1]


def _moves_at_rest(value, integral):
    """Whether the counter changes by more than the current, which is too coarse."""
    known = value[np.isfinite(value)]
    total = integral.charge.total[-1] + integral.discharge.total[-1]
    return known.size > 0 and bool(np.ptp(known) > total)


def _slope(rows, value, integral, sign):
    """Compare a counter with the integral in one direction of the current."""
    if len(rows) < 2:
        return _NO_SLOPE
    passed = integral.charge if sign > 0 else integral.discharge
    of_side = _in_runs(rows, integral, sign)
    charge = np.diff(passed.total[rows])[of_side].sum()
    if not charge > 0:
        return _NO_SLOPE
    num = int(of_side.sum())
    # From one change of the reading to the next, so that coarse readings are no bias.
    changed = np.concatenate([[True], (np.diff(value[rows]) != 0) | ~of_side])
    rows = rows[changed]
    rows = rows[_block_ends(integral.runs.of_row[rows])]
    of_side = _in_runs(rows, integral, sign)
    rise, weight, least, most = (
        np.diff(part[rows])[of_side]
        for part in (value, passed.total, passed.least, passed.most)
    )
    # A block that ends just after a restart shows no slope.
    end = value[rows[1:]][of_side]
    restarted = (rise < 0) & (end >= 0) & (end <= 1.1 * weight)
    restarted &= np.abs(rise + weight) > 0.1 * weight
    used = (weight > 0) & (rise != 0) & ~restarted
    if weight[used].sum() < 0.5 * charge:
        return _NO_SLOPE._replace(num=num, sure=True)
    steady = used & (least >= _STEADY * most)
    sure = bool(weight[steady].sum() > 0.1 * charge)
    used = steady if sure else used
    ratio = rise[used] / weight[used]
    median = _weighted_median(ratio, weight[used])
    typical = float(np.median(ratio))
    if 0.5 < abs(typical) < 2.0 and abs(median) < 0.5 * abs(typical):
        median = typical  # a false reading of the current has most of the weight
    if abs(median) < _ROUNDING:
        return _NO_SLOPE._replace(num=num, sure=True)
    total = rise[used].sum()
    lowest, highest = total / most[used].sum(), total / max(least[used].sum(), 1e-300)
    return _Slope(median, int(used.sum()), sure, lowest, highest)


def _distinct_times(value, integral):
    """Rows with a reading, without false ones; of rows with one time, the last."""
    rows = np.flatnonzero(np.isfinite(value))
    if not len(rows):
        return rows
    rows = _sampled(rows)
    later = np.diff(integral.time_s[rows]) > 0
    rows = rows[np.concatenate([later, [True]])]
    # A single reading away from two that agree is false.
    change = np.diff(value[rows])
    back = np.abs(change[1:] + change[:-1]) < 0.05 * np.abs(change[:-1])
    return rows[~np.concatenate([[False], back, [False]])] if len(rows) > 2 else rows


def _sampled(rows):
    """Parts of a long log, which show what a counter counts as well as all rows."""
    if len(rows) <= _PARTS * _ROWS:
        return rows
    first = np.linspace(0, len(rows) - _ROWS, _PARTS).astype(np.int64)
    return rows[(first[:, None] + np.arange(_ROWS)).ravel()]


def _in_runs(rows, integral, sign) -> Bool[np.ndarray, " k"]:
    """Whether consecutive rows are in one run with the given direction."""
    run = integral.runs.of_row[rows]
    return (run[1:] == run[:-1]) & (integral.direction[rows[1:]] == sign)


def _block_ends(run: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    """Rows that divide each run into at most eight blocks."""
    first = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]]))
    size = np.diff(np.append(first, len(run)))
    position = np.arange(len(run)) - np.repeat(first, size)
    length = np.repeat(-(-size // _BLOCKS), size)
    last = position == np.repeat(size, size) - 1
    return (position % length == 0) | last


def _weighted_median(values, weights):
    every = max(1, len(values) // _ENOUGH)
    values, weights = values[::every], weights[::every]
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _require_direction(log_name, name, declared, counts):
    """A counter of one direction may count both, but not only the other one."""
    if counts[0 if declared[0] else 1] == 0:
        raise DataError(
            f"{log_name!r}: column {name} {_WORDS[counts]}, which contradicts its "
            "name; expected the sign of the current and the columns of the counters to "
            "agree: correct one of them"
        )


def _require_units(log_name, name, slope):
    """The slope is 1, as far as it is known."""
    factor = abs(slope.value)
    limits = sorted((abs(slope.lowest), abs(slope.highest)))
    lowest, highest = (factor, factor) if slope.sure else limits
    lowest, highest = min(lowest, factor), max(highest, factor)
    if highest >= 1 / _LARGEST_FACTOR and lowest <= _LARGEST_FACTOR:
        return
    causes = [
        text
        for known, text in _KNOWN_FACTORS.items()
        if 0.9 < factor / known < 1.1 or 0.9 < factor * known < 1.1
    ]
    hint = f" ({causes[0]}?)" if causes else ""
    raise DataError(
        f"{log_name!r}: column {name} is {factor:.4g} times current_a integrated over "
        f"time_s; expected the same charge in Ah{hint}: correct the unit of the "
        "counter, of the current or of the time"
    )


def _noise(rows, value, integral, counts, scale):
    """Usual deviation between two readings, and the deviation that is tolerated."""
    if len(rows) < 2:
        return 0.0, 0.0
    expected, flows, largest = (
        np.zeros(len(rows) - 1),
        np.zeros(len(rows) - 1, bool),
        0.0,
    )
    for passed, number, factor in zip(
        (integral.charge, integral.discharge), counts, scale, strict=True
    ):
        step = np.diff(passed.total[rows])
        expected += number * factor * step
        flows |= (step > 0) & (number != 0)
        largest = max(largest, _largest_run(passed, integral))
    change = np.diff(value[rows])
    deviation = np.abs(change - expected)
    # Resets can be as frequent as readings at rest, and are no noise.
    resets = np.abs(value[rows[1:]]) < 0.05 * np.abs(change)
    usual = [
        np.quantile(part[:: max(1, len(part) // _ENOUGH)], _QUANTILE)
        for part in (deviation[flows & ~resets], deviation[~flows & ~resets])
        if part.size
    ]
    noise = float(max(_NOISE * max(usual, default=0.0), _quantum(change[flows])))
    return noise, max(noise, _FLOOR * largest)


def _largest_run(passed, integral):
    last = passed.total[integral.runs.first[1:] - 1]
    return float(np.diff(last, prepend=0.0).max(initial=0.0))


def _quantum(rises):
    """Step of a counter whose reading often stands still while the current flows."""
    positive = rises[rises > 0]
    if not positive.size or np.mean(rises == 0) < 0.2:
        return 0.0
    return float(np.quantile(positive, 0.05))
