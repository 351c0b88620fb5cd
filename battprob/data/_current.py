"""Direction of the current in each row, and runs of rows with one direction."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

_LARGEST_REST = 0.02  # of the largest current; a cut-off at C/50 is not rest
_REST_CHARGE = 0.01  # largest fraction of the charge that rows of rest may pass
_DECADES, _BINS_PER_DECADE = 7, 10
_GAP_BINS = 5  # a gap between rest and current is at least a factor of 3


def rest_current_a(
    current_a: Float[np.ndarray, " t"], time_s: Float[np.ndarray, " t"]
) -> float:
    """Largest magnitude of the current, in A, that is taken as rest.

    An instrument at rest reports its offset and noise: 10 µA on a test at 2 A is rest,
    a formation at C/20 is not. The magnitudes of the current are counted in logarithmic
    bins, each weighted by the charge that passes. The threshold is placed in the
    highest gap between two groups of magnitudes (a factor of 3 without any row) below
    2 % of the largest current, provided that the rows below pass less than 1 % of the
    charge. If there is no such gap, the rows below the threshold pass at most 0.1 %.

    Args:
        current_a: current in A.
        time_s: time in s, which weights the rows.
    """
    magnitude = np.abs(current_a)
    # One false reading must not set the scale.
    largest = np.quantile(magnitude, 0.999) if magnitude.size > 1000 else 0.0
    largest = largest or magnitude.max(initial=0.0)
    if largest == 0:
        return 0.0
    num_bins = _DECADES * _BINS_PER_DECADE
    with np.errstate(divide="ignore"):
        index = np.log10(magnitude / largest) * _BINS_PER_DECADE + num_bins
    index = np.clip(index, 0, num_bins).astype(np.int64)
    seconds = np.clip(np.diff(time_s, append=time_s[-1]), 0.0, None)
    # Rows of equal or unknown duration still count as rows.
    weight = magnitude * np.maximum(seconds, np.finfo(float).tiny)
    charge = np.bincount(index, weight, num_bins + 1)
    rows = np.bincount(index, minlength=num_bins + 1)
    below = np.cumsum(charge) / max(charge.sum(), np.finfo(float).tiny)
    top = num_bins + int(np.floor(np.log10(_LARGEST_REST) * _BINS_PER_DECADE))
    gap = _highest_gap(rows[:top] == 0, below)
    if gap is None:
        gap = int(np.searchsorted(below[:top], _REST_CHARGE / 10))
    # Exact zeros are in bin 0; a threshold at the lowest edge keeps all others.
    return float(largest * 10.0 ** ((gap - num_bins) / _BINS_PER_DECADE))


def _highest_gap(empty, below):
    """Bin in the middle of the highest long gap with little charge below it."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]])))
    for first, end in reversed(list(zip(edges[::2], edges[1::2], strict=True))):
        if end - first >= _GAP_BINS and below[first] <= _REST_CHARGE:
            return (first + end) // 2
    return None


def direction_of(
    current_a: Float[np.ndarray, " t"], rest_a: float
) -> Int[np.ndarray, " t"]:
    """1 for rows that charge, -1 for rows that discharge, 0 at rest."""
    return np.where(current_a > rest_a, 1, np.where(current_a < -rest_a, -1, 0)).astype(
        np.int8
    )


class Runs(NamedTuple):
    """Consecutive rows with one direction, one step number and one cycle number.

    Attributes:
        first: first row of each run, and the number of rows as the last entry.
        of_row: number of the run of each row, from 0.
        starts: whether a run starts at each row; False in row 0.
    """

    first: Int[np.ndarray, " r1"]
    of_row: Int[np.ndarray, " t"]
    starts: Bool[np.ndarray, " t"]


def runs_of(*columns: Int[np.ndarray, " t"] | None) -> Runs:
    """Runs of rows in which none of the columns changes; None is no column."""
    present = [column for column in columns if column is not None]
    starts = np.zeros(len(present[0]), bool)
    for column in present:
        starts[1:] |= column[1:] != column[:-1]
    inner = np.flatnonzero(starts)
    return Runs(np.concatenate([[0], inner, [len(starts)]]), np.cumsum(starts), starts)
