"""Gaps: long intervals without rows in which the current may have stopped."""

from typing import NamedTuple

import numpy as np

_FACTOR = 10.0  # a gap is at least this many times the longest other interval
_PLAUSIBLE = 1.2  # of the largest charge of a run; more cannot have passed in a gap
_CERTAIN = 0.06  # largest doubt, as a fraction of the run, for which a value is given
_SECONDS_PER_HOUR = 3600.0


class Gap(NamedTuple):
    """An interval without rows between two rows with current.

    Attributes:
        row: first row after the gap.
        duration_s: its duration in s.
        estimate_ah: charge counted for it; NaN if it may be anything between the bounds.
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
    its run, except for at most two or one in twenty, and more than five times as long
    as the longest interval is in most other runs of the same direction. A log that
    stores a row at each change of the voltage has long intervals in every run, so they
    are no gaps. The current has flowed on if the voltage has changed as much as
    expected from the rest of the run, or if the time in the step went on.
    """
    duration = np.where(inside, seconds, 0.0)
    first = runs.first[:-1]
    longest = np.maximum.reduceat(duration, first)
    total = np.add.reduceat(duration, first)
    count = np.add.reduceat((duration > 0).astype(np.int64), first)
    mean_of_others = (total - longest) / np.maximum(count - 1, 1)
    suspicious = (count > 2) & (longest > 3 * mean_of_others)
    charges = np.add.reduceat(charge.estimate + discharge.estimate, first)
    gaps = []
    for run in np.flatnonzero(suspicious):
        begin, end = runs.first[run], runs.first[run + 1]
        sign = int(direction[begin])
        peers = longest[(direction[first] == sign) & (longest > 0)]
        usual = np.median(peers) if len(peers) > 3 else 0.0
        threshold = _threshold(duration[begin:end], usual)
        for row in begin + np.flatnonzero(duration[begin:end] > threshold):
            if not _flowed(rows, duration, begin, end, row):
                gaps.append(_gap(rows, duration, begin, end, row, charges, run))
    return tuple(gaps)


def _threshold(duration, usual):
    """Duration above which an interval of the run is a gap; infinite if none is."""
    ordered = np.sort(duration[duration > 0])[::-1]
    most = min(max(2, len(ordered) // 20), (len(ordered) - 1) // 2)
    steps = ordered[:most] > _FACTOR * ordered[1 : most + 1]
    last = np.flatnonzero(steps & (ordered[:most] > 5 * usual))
    return ordered[last[-1] + 1] * _FACTOR if last.size else np.inf


def _flowed(rows, duration, begin, end, row):
    """Whether the time in the step or the voltage shows that the current flowed on."""
    if rows.step_time_s is not None:
        went_on = rows.step_time_s[row] - rows.step_time_s[row - 1]
        if np.isfinite(went_on) and went_on >= 0.9 * duration[row]:
            return True
    others = duration[begin:end] > 0
    others[row - begin] = False
    change = np.abs(np.diff(rows.voltage_v[begin:end], prepend=rows.voltage_v[begin]))
    slope = np.median(change[others]) / np.median(duration[begin:end][others])
    return change[row - begin] >= 0.3 * slope * duration[row] > 0


def _gap(rows, duration, begin, end, row, charges, run):
    """What may have passed in a gap, and what is counted for it."""
    others = duration[begin:end][duration[begin:end] > 0]
    usual = float(np.median(others))
    current = 0.5 * np.abs(rows.current_a[row - 1] + rows.current_a[row])
    largest = current * duration[row] / _SECONDS_PER_HOUR
    counted = charges[run] - largest
    reference = np.delete(charges, run).max(initial=0.0)
    sentence = (
        f"no row for {duration[row]:.6g} s before row {row} (counting from 0) while a "
        f"current of {rows.current_a[row]:.4g} A flows"
    )
    if rows.step_time_s is not None:
        flowing = rows.step_time_s[row] - rows.step_time_s[row - 1]
        if 0 <= flowing < duration[row]:
            passed = current * flowing / _SECONDS_PER_HOUR
            return Gap(
                row, duration[row], passed, passed, passed, 0.0,
                f"{sentence}: the time in the step went on by {flowing:.6g} s, for "
                "which the current is counted",
            )  # fmt: skip
    impossible = reference > 0 and counted + largest > _PLAUSIBLE * reference
    if impossible and 0.5 * current * usual / 3600.0 <= _CERTAIN * counted:
        one = current * usual / _SECONDS_PER_HOUR
        return Gap(
            row, duration[row], 0.5 * one, 0.0, one, 0.5 * one,
            f"{sentence}: the test was paused, because {largest:.4g} Ah cannot have "
            f"passed; counted is {0.5 * one:.4g} Ah (0 to {one:.4g} Ah, one logging "
            "interval)",
        )  # fmt: skip
    return Gap(
        row, duration[row], np.nan, 0.0, largest, 0.5 * largest,
        f"{sentence}: between 0 and {largest:.4g} Ah passed, so the charge is unknown "
        "(NaN); divide the log there, or add a column with a charge counter",
    )  # fmt: skip
