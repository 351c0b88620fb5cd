"""Voltages that the discharge curves of several log files have in common."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob._typing import Float
from battprob.data.reduce import ReducedFile

_NUM_VOLTAGES = 1000


def common_voltages(
    values: Mapping[Path, ReducedFile],
) -> Float[np.ndarray, " v"] | None:
    """Equally spaced falling voltages that all logs cover; None if there is no curve.

    Logs that end before the cycles whose curves are needed do not count, unless all do.
    """
    ranges = _ranges(values)
    complete = {p: limits for p, limits in ranges.items() if values[p].has_cycles}
    covered = complete or ranges
    if not covered:
        return None
    lowest = max(covered, key=lambda path: covered[path][0])
    highest = min(covered, key=lambda path: covered[path][1])
    low, high = covered[lowest][0], covered[highest][1]
    if not low < high:
        raise DataError(
            "the discharges of the cells need a common voltage range; that of "
            f"{lowest.name} ends at {low:g} V, that of {highest.name} begins at "
            f"{high:g} V: leave out one of them, or choose voltage_v (--voltages)"
        )
    return np.linspace(high, low, _NUM_VOLTAGES)


def limits_of(values: Mapping[Path, ReducedFile], grid: Float[np.ndarray, " v"]) -> str:
    """Names of the logs that end the common range of voltages."""
    ranges = _ranges(values)
    low = [path.name for path, limits in ranges.items() if limits[0] == grid[-1]]
    high = [path.name for path, limits in ranges.items() if limits[1] == grid[0]]
    names = dict.fromkeys(high[:1] + low[:1])
    return f" (limited by {' and '.join(names)})" if len(ranges) > 1 and names else ""


def _ranges(values):
    """Range of each log whose discharges have voltages in common."""
    ranges = {path: value.voltage_range_v for path, value in values.items()}
    return {
        path: limits
        for path, limits in ranges.items()
        if limits is not None and limits[0] < limits[1]
    }
