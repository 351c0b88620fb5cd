"""Charge that the recorded current passed between two rows: estimate and bounds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from battprob.data._current import Runs, direction_of, rest_current_a, runs_of
from battprob.data._gaps import Gap, gaps_of
from battprob.data._onsets import onset_fractions

_SECONDS_PER_HOUR = 3600.0
_SAMPLE = 1000  # rows from which the decimals of the time are counted
ROUNDED = 0.03  # rounding error of the current that is not negligible
_DIGITS = 4  # more digits of the current are no rounding that matters
_OFTEN = 0.02  # fraction of intervals without duration that shows a rounded time


class Samples(NamedTuple):
    """Columns of a log whose time does not decrease; None for an absent column."""

    time_s: Float[np.ndarray, " t"]
    voltage_v: Float[np.ndarray, " t"]
    current_a: Float[np.ndarray, " t"]
    cycle: Int[np.ndarray, " t"]
    step: Int[np.ndarray, " t"] | None
    step_time_s: Float[np.ndarray, " t"] | None


class Passed(NamedTuple):
    """Charge in Ah in the interval before each row, for one direction of the current.

    Attributes:
        estimate: best estimate; NaN in a gap of the log in which any charge may have
            passed.
        smallest, largest: bounds. They are exact only as far as the current changes
            monotonically between two rows.
        doubt: half the width of the interval of possible values where a current starts
            or stops between two rows, or where rows are missing; otherwise 0.
    """

    estimate: Float[np.ndarray, " t"]
    smallest: Float[np.ndarray, " t"]
    largest: Float[np.ndarray, " t"]
    doubt: Float[np.ndarray, " t"]
    total: Float[np.ndarray, " t"]
    least: Float[np.ndarray, " t"]
    most: Float[np.ndarray, " t"]


class Integral(NamedTuple):
    """The current of a log, integrated over time.

    Attributes:
        time_s: time of the rows in s.
        rest_a: threshold between rest and current in A.
        direction: 1 charge, -1 discharge, 0 rest, for each row.
        runs: runs of rows with one direction, step and cycle.
        inside: whether the interval before each row is inside a run with current and
            no gap of the log, so that the trapezoidal rule applies.
        charge, discharge: charge passed in each direction.
        rounding: rounding error of the largest current by its digits, relative to it.
        rough: whether the current changes much between most rows (a driving cycle that
            is sampled coarsely), so that the integral is only an estimate.
        gaps: gaps of the log while a current flows.
        pauses: rows before which time without rows is taken as rest between two steps.
        onsets: how the log shows the time at which a current starts, for a statement.
    """

    time_s: Float[np.ndarray, " t"]
    rest_a: float
    direction: Int[np.ndarray, " t"]
    runs: Runs
    inside: Bool[np.ndarray, " t"]
    charge: Passed
    discharge: Passed
    rounding: float
    rough: bool
    gaps: tuple[Gap, ...]
    pauses: Int[np.ndarray, " p"]
    onsets: str


def integrate(rows: Samples) -> Integral:
    """Integrate the current over time, separately for charge and discharge.

    Inside a run of rows with one direction, the trapezoidal rule is used. Where a run
    starts, the current starts between two rows: `onset_fractions` decides when. Rows at
    rest pass no charge. Intervals in which rows are missing (`gaps_of`) are not
    integrated as if the current had flowed.
    """
    rest_a = rest_current_a(rows.current_a, rows.time_s)
    direction = direction_of(rows.current_a, rest_a)
    runs = runs_of(direction, rows.step, rows.cycle)
    seconds = np.diff(rows.time_s, prepend=rows.time_s[0])
    inside = (direction != 0) & ~runs.starts
    inside[0] = False
    onsets = onset_fractions(rows, seconds, direction, runs)
    charge, discharge = (
        _passed(sign, rows.current_a, seconds, direction, onsets) for sign in (1, -1)
    )
    gaps = gaps_of(rows, seconds, direction, runs, inside, charge, discharge)
    for gap in gaps:
        passed = charge if direction[gap.row] > 0 else discharge
        passed.estimate[gap.row] = gap.estimate_ah
        passed.smallest[gap.row] = gap.smallest_ah
        passed.largest[gap.row] = gap.largest_ah
        passed.doubt[gap.row] = gap.doubt_ah
        inside[gap.row] = False
    rounding = _rounding(rows.current_a)
    rough = _is_rough(rows.current_a, inside, charge, discharge)
    extra_s = _time_resolution(rows.time_s, seconds, inside)
    charge, discharge = (
        _with_sums(passed, sign, rows.current_a, seconds, extra_s, rounding, rough)
        for passed, sign in ((charge, 1), (discharge, -1))
    )
    return Integral(
        rows.time_s,
        rest_a,
        direction,
        runs,
        inside,
        charge,
        discharge,
        rounding,
        rough,
        gaps,
        onsets.pauses,
        onsets.statement,
    )


def _passed(sign, current, seconds, direction, onsets):
    """Trapezoidal rule inside runs, and the fractions of `onsets` where they start."""
    after = np.where(direction == sign, np.abs(current), 0.0)
    before = np.concatenate([after[:1] * 0, after[:-1]])
    hours = seconds / _SECONDS_PER_HOUR
    estimate = 0.5 * (before + after) * hours
    smallest = np.minimum(before, after) * hours
    largest = np.maximum(before, after) * hours
    doubt = np.zeros_like(estimate)
    at = onsets.row
    estimate[at] = hours[at] * (before[at] * onsets.old + after[at] * onsets.new)
    smallest[at] = 0.0
    largest[at] = hours[at] * np.maximum(before[at], after[at])
    doubt[at] = hours[at] * np.abs(after[at] - before[at]) * onsets.doubt
    # Before row 0 the clock started with the cell at rest.
    estimate[0] = after[0] * onsets.first_s / _SECONDS_PER_HOUR
    largest[0] = after[0] * onsets.longest_first_s / _SECONDS_PER_HOUR
    smallest[0], doubt[0] = 0.0, np.abs(largest[0] - estimate[0])
    return Passed(estimate, smallest, largest, doubt, estimate, smallest, largest)


def _time_resolution(time, seconds, inside):
    """Last decimal of the time in s; more if rows often have the same time."""
    sample = time[:: max(1, len(time) // _SAMPLE)]
    written = 0.0
    for digits in range(4):
        if np.allclose(sample, np.round(sample, digits), rtol=0, atol=1e-7):
            written = 10.0**-digits
            break
    within = seconds[inside]
    if not within.any() or np.mean(within == 0) < _OFTEN:
        return written
    return max(written, float(np.median(within[within > 0])))


def _rounding(current):
    """Half the last decimal of the current, relative to the largest current."""
    magnitude = np.abs(current[:: max(1, len(current) // _SAMPLE)])
    largest = magnitude.max(initial=0.0)
    if largest == 0:
        return 0.0
    for digit in range(_DIGITS):
        last = 10.0 ** (np.floor(np.log10(largest)) - digit)
        rest = magnitude / last
        if np.allclose(rest, np.round(rest), rtol=0, atol=1e-6):
            return float(0.5 * last / largest)
    return 0.0


def _is_rough(current, inside, charge, discharge):
    """Whether most charge passes where the current changes by 30 % between rows."""
    passed = np.where(inside, charge.largest + discharge.largest, 0.0)
    magnitude = np.abs(current)
    change = np.abs(np.diff(current, prepend=current[0]))
    larger = np.maximum(magnitude, np.roll(magnitude, 1))
    return bool(passed[change > 0.3 * larger].sum() > 0.3 * passed.sum() > 0)


def _with_sums(passed, sign, current, seconds, extra_s, rounding, rough):
    known = np.where(np.isnan(passed.estimate), 0.0, passed.estimate)
    # The current of rows at rest counts here: it bounds what can have passed.
    flows = np.maximum(sign * current, 0.0)
    if rounding > ROUNDED:
        flows = np.maximum(sign * current + rounding * np.abs(current).max(), 0.0)
    before = np.concatenate([flows[:1], flows[:-1]])
    hours = (seconds + extra_s) / _SECONDS_PER_HOUR
    possible = np.maximum(passed.largest, np.maximum(before, flows) * hours)
    if rough:
        highest = np.quantile(np.abs(current), 0.999)
        # At rest the current is known, also in a driving cycle.
        flows = np.abs(current) > 1e-3 * highest
        flows &= np.roll(flows, 1)
        more = np.where(flows, highest * seconds / _SECONDS_PER_HOUR, 0.0)
        possible = np.maximum(possible, more)
    return passed._replace(
        total=np.cumsum(known),
        least=np.cumsum(passed.smallest),
        most=np.cumsum(possible),
    )
