"""Capacity records for trajectories: medians of readings, in units of the initial capacity."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell

BINS = 48
_MAD_TO_STD = 1.4826
# Cyclers round what they record: a noise below this fraction cannot be observed.
_RESOLUTION = 2e-4
_LEAST_DIFFERENCES = 6
_PRIOR_DIFFERENCES = 20  # weight of the other cells' noise variance
_LEAST_CELLS = 3
_LARGEST_LOSS = 0.2
_LEAST_LOSS = 0.01

Numbers = Any  # a NumPy array, or a JAX array inside compiled programs


class Record(NamedTuple):
    """Medians of consecutive readings of one cell, padded.

    Attributes:
        cycle: median cycle of each bin [m].
        age: the same in units of a typical life, once that is known.
        fraction: median capacity of each bin as a fraction of the initial capacity.
        variance: variance of the noise of each median.
        mask: False for padding.
        last_cycle: last cycle of the record.
        noise_variance: variance of the noise of one reading.
    """

    cycle: Numbers
    age: Numbers
    fraction: Numbers
    variance: Numbers
    mask: Numbers
    last_cycle: Numbers
    noise_variance: Numbers


def readings(
    cell: Cell, *, until: int | float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles and capacities (Ah) of a cell's readings, up to the cycle `until`.

    Raises:
        DataError: the cell has no reading there, or none after cycle 0.
    """
    use = np.isfinite(cell.capacity_ah)
    if until is not None:
        use &= cell.cycle <= until
    cycle, capacity = cell.cycle[use].astype(float), cell.capacity_ah[use]
    if not len(cycle):
        limit = "" if until is None else f" up to cycle {until:g}"
        raise DataError(f"cell {cell.name!r} has no capacity{limit}: leave it out")
    if cycle[-1] < 1:
        raise DataError(
            f"cell {cell.name!r} has no reading after cycle 0: leave it out"
        )
    return cycle, capacity


def start_ah(cell: Cell, window: float, *, until: int | float | None = None) -> float:
    """Initial capacity of a cell in Ah: the median of its first cycles.

    Args:
        cell: the record.
        window: number of first cycles; at least one reading is used.
        until: last cycle that may be used.

    Raises:
        DataError: the initial capacity is not positive.
    """
    cycle, capacity = readings(cell, until=until)
    first = float(np.median(capacity[cycle <= cycle[0] + window]))
    if first <= 0:
        raise DataError(
            f"cell {cell.name!r} starts with a capacity of {first:g} Ah; expected a "
            "positive one: repair the record or leave it out"
        )
    return first


def thin(cycle: np.ndarray, fraction: np.ndarray, noise_variance: float) -> Record:
    """Reduce a record to at most `BINS` medians of consecutive readings.

    Medians keep the cost low and are robust against single wrong readings.
    """
    bins = np.array_split(np.arange(len(cycle)), min(BINS, len(cycle)))
    median_cycle, median = medians(cycle, fraction, BINS)
    # The variance of the median of many normal readings is π/2 times that of their mean.
    count = np.array([1.0 if len(b) < 3 else 2 * len(b) / np.pi for b in bins])
    padding = BINS - len(bins)
    return Record(
        np.pad(median_cycle, (0, padding), "edge"),
        np.pad(median_cycle, (0, padding), "edge"),
        np.pad(median, (0, padding), "edge"),
        np.pad(noise_variance / count, (0, padding), "edge"),
        np.arange(BINS) < len(bins),
        np.asarray(cycle[-1]),
        np.asarray(noise_variance),
    )


def medians(
    cycle: np.ndarray, fraction: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Medians of cycles and capacities in at most `most` bins of consecutive readings."""
    num = min(most, len(cycle))
    size, longer = divmod(len(cycle), num)
    split = longer * (size + 1)  # the first `longer` bins have one reading more

    def each(values):
        first = values[:split].reshape(longer, size + 1)
        rest = values[split:].reshape(num - longer, size)
        return np.concatenate([np.median(first, axis=1), np.median(rest, axis=1)])

    return each(cycle), each(fraction)


def estimate_noise_variance(fraction: np.ndarray, prior: float | None = None) -> float:
    """Variance of the noise of one reading, from second differences.

    A smooth curve contributes almost nothing to second differences, whose variance is
    6 times that of white noise; the median absolute value ignores single wrong readings.

    Args:
        fraction: capacities of consecutive readings.
        prior: noise variance of other cells, which counts as much as
            `_PRIOR_DIFFERENCES` second differences.
    """
    second = np.diff(fraction, n=2)
    variance = 0.0
    if len(second) >= _LEAST_DIFFERENCES:
        variance = float((_MAD_TO_STD * np.median(np.abs(second))) ** 2 / 6)
    elif prior is not None:
        variance = prior
    if prior is not None:
        total = len(second) * variance + _PRIOR_DIFFERENCES * prior
        variance = total / (len(second) + _PRIOR_DIFFERENCES)
    return max(variance, _RESOLUTION**2)


def reference_loss(records: Sequence[Record]) -> float:
    """Lost fraction that defines the end of the latent life of every cell.

    It maximises the product of the loss and the number of cells that reach it, up to a
    loss of 20 %.

    Raises:
        DataError: fewer than three cells have lost 1 % of their capacity.
    """
    losses = [min(_LARGEST_LOSS, 1 - _smooth(record)[1][-1]) for record in records]
    losses = np.sort(np.array([loss for loss in losses if loss > _LEAST_LOSS]))[::-1]
    if len(losses) < _LEAST_CELLS:
        raise DataError(
            f"only {len(losses)} of {len(records)} cells have lost 1 % of their capacity; "
            f"expected at least {_LEAST_CELLS}: add cells that have aged"
        )
    num_cells = np.arange(1, len(losses) + 1)
    product = np.where(num_cells >= _LEAST_CELLS, losses * num_cells, 0.0)
    # A little less, so that the last of these cells crosses it despite rounding.
    return float(losses[np.argmax(product)]) * (1 - 1e-9)


def crossing(record: Record, threshold: float) -> float:
    """Cycle at which the smoothed record first falls to a threshold; NaN where never.

    Args:
        record: medians of one cell.
        threshold: fraction of the initial capacity.
    """
    cycle, capacity = _smooth(record)
    below = np.flatnonzero(capacity <= threshold)
    if not len(below):
        return np.nan
    j = below[0]
    if j == 0:
        return float(max(cycle[0], 1.0))
    weight = (capacity[j - 1] - threshold) / (capacity[j - 1] - capacity[j])
    return float(max(cycle[j - 1] + weight * (cycle[j] - cycle[j - 1]), 1.0))


def _smooth(record):
    """Running medians of three, then their running minimum after the maximum."""
    cycle, fraction = record.cycle[record.mask], record.fraction[record.mask]
    if len(fraction) > 2:
        middle = np.median(
            np.stack([fraction[:-2], fraction[1:-1], fraction[2:]]), axis=0
        )
        fraction = np.concatenate([fraction[:1], middle, fraction[-1:]])
    # Capacity often rises in the first cycles; that rise is no fade.
    top = int(np.argmax(fraction))
    return cycle[top:], np.minimum.accumulate(fraction[top:])
