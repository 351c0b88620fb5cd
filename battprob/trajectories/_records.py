"""Capacity records as trajectories need them: thinned to medians, in units of the start."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell

BINS = 48
_MAD_TO_SD = 1.4826
_QUANTUM = 2e-4  # readings are rounded: no noise is known to be less than this fraction
_FIRST = 3
_USUAL = 20
_LEAST_CELLS = 3
_MOST_LOSS = 0.2


Numbers = Any  # NumPy's until a record goes into a compiled program, then JAX's


class Record(NamedTuple):
    """Medians of consecutive readings of one cell, padded; capacities are fractions.

    Attributes:
        cycle: of each median [m], and `age`, the same in another unit.
        capacity: the medians, and `variance`, what their noise has.
        mask: False where padded.
        last: last cycle read.
        white: variance of the noise of one reading.
    """

    cycle: Numbers
    age: Numbers
    capacity: Numbers
    variance: Numbers
    mask: Numbers
    last: Numbers
    white: Numbers


def readings(
    cell: Cell, *, until: int | float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles and capacities of a cell's readings, as far as `until`.

    Raises:
        DataError: it has no reading, or one is not positive.
    """
    known = np.isfinite(cell.capacity_ah)
    if until is not None:
        known &= cell.cycle <= until
    cycle, capacity = cell.cycle[known].astype(float), cell.capacity_ah[known]
    if not len(cycle):
        until_text = "" if until is None else f" up to cycle {until:g}"
        raise DataError(f"cell {cell.name!r} has no capacity{until_text}: leave it out")
    if cycle[-1] < 1:
        raise DataError(f"cell {cell.name!r} has no reading after cycle 0")
    return cycle, capacity


def start_ah(cell: Cell, window: float, *, until: int | float | None = None) -> float:
    """Capacity that fractions of this cell are of: the median of its first cycles.

    Args:
        window: how many cycles count as the first; one reading at least does.

    Raises:
        DataError: it is not positive.
    """
    cycle, capacity = readings(cell, until=until)
    first = float(np.median(capacity[cycle <= cycle[0] + window]))
    if first <= 0:
        raise DataError(
            f"cell {cell.name!r} starts with a capacity of {first:g} Ah; expected a "
            "positive one: repair the record or leave it out"
        )
    return first


def thin(cycle: np.ndarray, fraction: np.ndarray, white: float) -> Record:
    """At most `BINS` medians of readings in a row: few numbers, glitches without a say."""
    bins = np.array_split(np.arange(len(cycle)), min(BINS, len(cycle)))
    place, median = medians(cycle, fraction, BINS)
    # The median of many normal readings has π/2 times the variance of their mean.
    count = np.array([1.0 if len(b) < 3 else 2 * len(b) / np.pi for b in bins])
    pad = BINS - len(bins)
    return Record(
        np.pad(place, (0, pad), "edge"),
        np.pad(place, (0, pad), "edge"),
        np.pad(median, (0, pad), "edge"),
        np.pad(white / count, (0, pad), "edge"),
        np.arange(BINS) < len(bins),
        np.asarray(cycle[-1]),
        np.asarray(white),
    )


def medians(
    cycle: np.ndarray, fraction: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles and capacities as medians of readings in a row, at most so many."""
    num = min(most, len(cycle))
    size, longer = divmod(len(cycle), num)
    split = longer * (size + 1)  # the first are one reading longer

    def each(values):
        first = values[:split].reshape(longer, size + 1)
        rest = values[split:].reshape(num - longer, size)
        return np.concatenate([np.median(first, axis=1), np.median(rest, axis=1)])

    return each(cycle), each(fraction)


def white_variance(fraction: np.ndarray, usual: float | None = None) -> float:
    """Noise of a reading from second differences, which a smooth path hardly has.

    Args:
        usual: what other cells have, which counts as `_USUAL` differences.
    """
    second = np.diff(fraction, n=2)
    own = 0.0
    if len(second) >= _FIRST * 2:
        own = float((_MAD_TO_SD * np.median(np.abs(second))) ** 2 / 6)
    elif usual is not None:
        own = usual
    if usual is not None:
        own = (len(second) * own + _USUAL * usual) / (len(second) + _USUAL)
    return max(own, _QUANTUM**2)


def reference_loss(records: Sequence[Record]) -> float:
    """The lost fraction whose cycle is a cell's life on the common axis.

    The one that maximises loss times the cells that reach it, of at most a fifth.

    Raises:
        DataError: fewer than three cells lose any capacity.
    """
    losses = [min(_MOST_LOSS, 1 - _smooth(record)[1][-1]) for record in records]
    losses = np.sort(np.array([loss for loss in losses if loss > 0.01]))[::-1]
    if len(losses) < _LEAST_CELLS:
        raise DataError(
            f"{len(losses)} of {len(records)} cells have lost 1 % of their capacity, and "
            f"a population takes {_LEAST_CELLS}: add cells that have aged"
        )
    cells = np.arange(1, len(losses) + 1)
    together = np.where(cells >= _LEAST_CELLS, losses * cells, 0.0)
    return float(losses[np.argmax(together)]) * (1 - 1e-9)


def crossing(record: Record, level: float) -> float:
    """Cycle at which the medians, never rising, cross a level; NaN where they do not."""
    cycle, capacity = _smooth(record)
    below = np.flatnonzero(capacity <= level)
    if not len(below):
        return np.nan
    j = below[0]
    if j == 0:
        return max(cycle[0], 1.0)
    share = (capacity[j - 1] - level) / (capacity[j - 1] - capacity[j])
    return float(max(cycle[j - 1] + share * (cycle[j] - cycle[j - 1]), 1.0))


def _smooth(record):
    """Running medians of three, and their running minimum from the highest one on."""
    cycle, capacity = record.cycle[record.mask], record.capacity[record.mask]
    if len(capacity) > 2:
        middle = np.median(
            np.stack([capacity[:-2], capacity[1:-1], capacity[2:]]), axis=0
        )
        capacity = np.concatenate([capacity[:1], middle, capacity[-1:]])
    top = int(np.argmax(capacity))
    return cycle[top:], np.minimum.accumulate(capacity[top:])
