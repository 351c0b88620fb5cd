"""Charges and discharges of a log, without the pulses and noise inside them."""

import numpy as np
from jaxtyping import Float, Int

_SMALLEST = 0.02  # of the largest charge in one direction: pulses are smaller


def swing_starts(
    charge_ah: Float[np.ndarray, " t"], smallest: float = _SMALLEST
) -> tuple[Int[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """First row of each charge and discharge, and its direction (1: charge).

    The turning points of the net charge are found. A charge or discharge of less than a
    fraction of the largest one belongs to that around it: pulses, and the charging
    inside a drive cycle.

    Args:
        charge_ah: signed charge in Ah since the previous row, positive while charging.
        smallest: fraction of the largest uninterrupted charge or discharge.

    Example:
        >>> rows, direction = swing_starts(np.array([0.0, 1, 1, 0, -1, 0.001, -1, 2]))
        >>> rows.tolist(), direction.tolist()
        ([1, 4, 7], [1, -1, 1])
    """
    flows = np.flatnonzero(charge_ah != 0)
    if flows.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    sign = np.sign(charge_ah[flows])
    first = np.flatnonzero(np.diff(sign, prepend=-sign[0]) != 0)
    starts = flows[first]
    sums = np.add.reduceat(charge_ah[flows], first)
    threshold = smallest * float(np.max(np.abs(sums)))
    return _turning_points(starts, sums, threshold)


def _turning_points(starts, sums, threshold):
    """Turning points of the sum of alternating parts with swings above a threshold."""
    rows: list[int] = []
    directions: list[int] = []
    direction, total, extreme, extreme_row = 0, 0.0, 0.0, int(starts[0])
    low = high = 0.0
    low_row = high_row = int(starts[0])
    for row, part in zip(starts.tolist(), sums.tolist(), strict=True):
        before, total = total, total + part
        if direction == 0:
            # Until one swing is large enough, both extremes are kept.
            if (part > 0 and before < low) or row == starts[0]:
                low, low_row = before, row
            if (part < 0 and before > high) or row == starts[0]:
                high, high_row = before, row
            if total - low >= threshold and part > 0:
                direction, extreme, extreme_row = 1, total, row
                rows.append(low_row)
            elif high - total >= threshold and part < 0:
                direction, extreme, extreme_row = -1, total, row
                rows.append(high_row)
            if direction:
                directions.append(direction)
            continue
        if direction * (before - extreme) >= 0 and direction * part < 0:
            extreme, extreme_row = before, row
        if direction * (extreme - total) >= threshold:
            direction = -direction
            rows.append(extreme_row)
            directions.append(direction)
            extreme = total
    return np.array(rows, np.int64), np.array(directions, np.int64)
