"""Gaps: long intervals without rows in which the current may have stopped."""

from typing import NamedTuple

import numpy as np

_FACTOR = 10.0  # a gap is at least this many times the longest other interval
_PLAUSIBLE = 1.2  # of the largest charge of a run; more cannot have passed in a gap
_CERTAIN = 0.06  # largest doubt, as a fraction of the run, for which a value is given
_IMPLAUSIBLE = 1.5  # of the charge of the runs of the other direction
_FEW = 3  # runs that do not show what is usual
_SECONDS_PER_HOUR = 3600.0


class Gap(NamedTuple):
    """An interval without rows between two rows with current.

    Attributes:
        row: first row after the gap.
        duration_s: its duration in s.
        estimate_ah: charge counted for it; NaN if it is unknown.
        smallest_ah, largest_ah: bounds.
        doubt_ah: half the width of the possible values that the estimate represents.
        statement: sentence for the user, without the name of the log.
    """

    row: int
    duration_s: float
    estimate_ah: float
    smallest_ah: float
    largest_ah: float
    doubt_ah: float
    statement: str


def gaps_of(rows, seconds, direction, runs, inside, charge, discharge) -> tuple:
    """Gaps of the log inside runs with a current, in order of time.

    An interval is a gap if it is more than ten times as long as all other intervals of
    its run, except for at most two or one in twenty. A log that stores a row at each
    change of the voltage has such intervals in every run: they are no gaps if most runs
    of the same direction have an interval a fifth as long, and if the run does not pass
    much more charge than the runs of the other direction. The current has flowed on if
    the voltage has changed as much as expected from the rest of the run, or if the time
    in the step went on, and if the run does not pass more charge than all others; then
    the interval counts in full.
    """
    duration = np.where(inside, seconds, 0.0)
    first = runs.first[:-1]
    longest = np.maximum.reduceat(duration, first)
    total = np.add.reduceat(duration, first)
    count = np.add.reduceat((duration > 0).astype(np.int64), first)
    mean_of_others = (total - longest) / np.maximum(count - 1, 1)
    suspicious = np.flatnonzero((count > 2) & (longest > 3 * mean_of_others))
    passed = np.add.reduceat(charge.estimate + discharge.estimate, first)
    # What runs pass for certain: without intervals that may be gaps themselves.
    most = np.maximum.reduceat(charge.estimate + discharge.estimate, first)
    certain = passed.copy()
    certain[suspicious] -= most[suspicious]
    gaps = []
    for run in suspicious:
        part = slice(runs.first[run], runs.first[run + 1])
        same = direction[first] == direction[first[run]]
        usual = _usual_longest(
            longest, passed, same & (longest > 0), run, direction[first]
        )
        found = part.start + _long_intervals(duration[part], usual)
        others = np.delete(certain, run).max(initial=0.0)
        plausible = others == 0 or passed[run] <= _PLAUSIBLE * others
        flowed = [
            row for row in found if plausible and _flowed(rows, duration, part, row)
        ]
        gaps += [_flowed_gap(rows, duration, row) for row in flowed]
        found = [row for row in found if row not in flowed]
        if found:
            gaps += _gaps_of_run(rows, duration, part, found, passed[run], others)
    return tuple(sorted(gaps))


def _usual_longest(longest, passed, peers, run, direction):
    """Median of the longest intervals in runs of one direction; 0 if it is no guide."""
    if np.count_nonzero(peers) <= _FEW:
        return 0.0
    opposite = passed[direction == -direction[run]]
    if opposite.size and passed[run] > _IMPLAUSIBLE * opposite.max():
        return 0.0
    return float(np.median(longest[peers]))


def _long_intervals(duration, usual):
    """Intervals of a run that are much longer than all others."""
    ordered = np.sort(duration[duration > 0])[::-1]
    most = min(max(2, len(ordered) // 20), (len(ordered) - 1) // 2)
    steps = ordered[:most] > _FACTOR * ordered[1 : most + 1]
    last = np.flatnonzero(steps & (ordered[:most] > 5 * usual))
    if not last.size:
        return np.zeros(0, np.int64)
    return np.flatnonzero(duration > _FACTOR * ordered[last[-1] + 1])


def _flowed(rows, duration, part, row):
    """Whether the time in the step or the voltage shows that the current flowed on."""
    if rows.step_time_s is not None:
        went_on = rows.step_time_s[row] - rows.step_time_s[row - 1]
        if np.isfinite(went_on) and went_on >= 0.9 * duration[row]:
            return True
    others = duration[part] > 0
    others[row - part.start] = False
    voltage = rows.voltage_v[part]
    change = np.abs(np.diff(voltage, prepend=voltage[0]))
    slope = np.median(change[others]) / np.median(duration[part][others])
    # Where the voltage is steep, one logging interval changes it as much.
    near = [
        i for i in (row - part.start - 1, row - part.start + 1) if 0 < i < len(others)
    ]
    local = change[near].sum() / max(duration[part][near].sum(), 1e-9)
    slope = max(slope, local)
    return change[row - part.start] >= 0.3 * slope * duration[row] > 0


def _flowed_gap(rows, duration, row):
    """A gap in which the current flowed on, with the charge of the trapezoidal rule."""
    charge = _mean_current_a(rows, row) * duration[row] / _SECONDS_PER_HOUR
    reason = (
        f"it flowed on, as the voltage or the time in the step shows; {charge:.4g} Ah"
    )
    return Gap(
        int(row),
        float(duration[row]),
        *(charge, charge, charge, 0.0),
        _statement(rows, duration, row, f"{reason} are counted"),
    )


def _mean_current_a(rows, row):
    return 0.5 * float(abs(rows.current_a[row - 1] + rows.current_a[row]))


def _statement(rows, duration, row, reason):
    return (
        f"no row for {duration[row]:.6g} s before row {row} (counting from 0) while a "
        f"current of {rows.current_a[row]:.4g} A flows: {reason}"
    )


def _gaps_of_run(rows, duration, part, found, passed, others):
    """The gaps of one run: what may have passed in each, and what is counted for it."""
    usual = float(np.median(duration[part][duration[part] > 0]))
    current = {row: _mean_current_a(rows, row) for row in found}
    largest = {row: current[row] * duration[row] / _SECONDS_PER_HOUR for row in found}
    counted = passed - sum(largest.values())
    for row in found:
        clock = _time_in_step(rows, row, duration[row])
        too_much = others > 0 and counted + largest[row] > _PLAUSIBLE * others
        one = current[row] * usual / _SECONDS_PER_HOUR
        paused = too_much and 0.5 * one <= _CERTAIN * counted
        bounds, reason = _counted(current[row], largest[row], one, clock, paused)
        yield Gap(
            row,
            duration[row],
            *bounds,
            _statement(rows, duration, row, reason),
        )


def _counted(current, largest, one, clock, paused):
    """Estimate, bounds and doubt of the charge in a gap in Ah, and the reason."""
    if clock is not None:
        charge = current * clock / _SECONDS_PER_HOUR
        return (
            (charge, charge, charge, 0.0),
            f"the time in the step went on by {clock:.6g} s, which counts",
        )
    if paused:
        return (
            (0.5 * one, 0.0, one, 0.5 * one),
            f"the test was paused, because {largest:.4g} Ah cannot have passed; "
            f"{0.5 * one:.4g} Ah are counted (0 to {one:.4g} Ah, one logging interval)",
        )
    return (
        (np.nan, 0.0, largest, 0.5 * largest),
        f"between 0 and {largest:.4g} Ah passed, so the charge is unknown (NaN); "
        "divide the log there, or add a column with a charge counter",
    )


def _time_in_step(rows, row, duration):
    """Time in s by which the time in the step went on in a gap; None if unknown."""
    if rows.step_time_s is None:
        return None
    went_on = rows.step_time_s[row] - rows.step_time_s[row - 1]
    return went_on if 0 <= went_on < 0.9 * duration else None
