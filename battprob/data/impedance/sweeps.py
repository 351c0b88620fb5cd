"""Split the rows of a table into sweeps of the frequency."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from battprob.data.tables.table import RawTable

_SAME = 0.3  # of the median step of ln f: instruments repeat a frequency that closely
_REPEATED = 5e-4  # of ln f; instruments state a repeated frequency that closely
_OVERLAP = 0.5  # of the shorter of two ranges of ln f; parts of one sweep overlap less
# Changes of direction per point above which a list is in no order: a random one has 2/3,
# sweeps of six points have 1/3.
_UNORDERED = 1 / 3
# ImpedanceColumns that number or name spectra. Other columns of numbers, such as potentials, may
# also change inside a sweep.
_LABEL = re.compile(
    r"(cycle|loop|sweep|scan|spectr(um|a)|repeat|repetition|replicate|run|battery|cell|"
    r"sample|measurement|experiment|file|name|label|id)s?"
    r"(number|num|no|nr|index|idx|id|name|count|1)?"
)


class Sweep(NamedTuple):
    """One sweep.

    Attributes:
        points: indices of its points.
        key: what distinguishes it from the other sweeps of the table, as text.
        meta: values of the other columns that are constant in it.
    """

    points: Int[np.ndarray, " p"]
    key: tuple[str, ...]
    meta: dict[str, Any]


def split_sweeps(
    table: RawTable,
    rows: Int[np.ndarray, " r"],
    frequency_hz: Float[np.ndarray, " r"],
    measured: Sequence[int],
    by: Sequence[str] = (),
) -> tuple[list[Sweep], tuple[str, ...]]:
    """Sweeps of a table, in the order of their first row, and statements.

    The rows are grouped by the columns `by`, or by columns that number or name spectra
    (`cycle number`). A group is split where the frequency jumps back over at least half
    of its range and then continues in the same direction, or where the sequence of
    frequencies repeats. A list of frequencies that rises and falls is one sweep.

    Args:
        table: the table.
        rows: rows of the table that are points of spectra.
        frequency_hz: their frequencies.
        measured: indices of the columns of frequency and impedance.
        by: columns that distinguish the spectra.

    Raises:
        DataError: a column of `by` does not exist.
    """
    labels = [table.index(name) for name in by]
    if not labels:
        labels = _label_columns(table, rows, frequency_hz, measured)
    groups = _groups(table, rows, labels)
    sweeps = [
        (key, points[part])
        for key, points in groups.items()
        for part in _parts(frequency_hz[points])
    ]
    if len(sweeps) == 1 and not by:
        labels = _interleaved(table, rows, frequency_hz, measured)
        groups = _groups(table, rows, labels)
        sweeps = list(groups.items())
    sweeps = sorted(sweeps, key=lambda sweep: sweep[1][0])
    keys = _keys([key for key, _ in sweeps], len(groups))
    found = [
        Sweep(points, key, _constants(table, rows[points], measured, labels))
        for key, (_, points) in zip(keys, sweeps, strict=True)
    ]
    return found, _statements(table, labels, len(groups), len(sweeps))


def point_statements(frequency_hz: Float[np.ndarray, " p"]) -> tuple[str, ...]:
    """Statements on the order and repetition of the frequencies of one spectrum."""
    values = np.sort(frequency_hz)
    new = np.diff(np.log(values), prepend=-np.inf) > _REPEATED
    counts = np.diff(np.append(np.flatnonzero(new), len(values)))
    values = values[new]
    steps = np.sign(np.diff(frequency_hz))
    steps = steps[steps != 0]
    turns = np.count_nonzero(np.diff(steps))
    statements = ()
    if turns == 1:
        first, last = ("rise", "fall") if steps[0] > 0 else ("fall", "rise")
        statements += (f"the frequencies {first} and then {last}: one spectrum",)
    elif turns:
        statements += ("the frequencies are not sorted: one spectrum in their order",)
    if counts.max(initial=1) > 1:
        most = np.argmax(counts)
        repeated = np.count_nonzero(counts > 1)
        statements += (
            f"frequency {values[most]:g} Hz occurs {counts[most]} times"
            f"{f' and {repeated - 1} others also repeat' if repeated > 1 else ''}, "
            "taken as repeated measurements within one spectrum: use `by` to name the "
            "columns that distinguish several spectra",
        )
    return statements


def _parts(frequency):
    """Points of each sweep of a sequence of frequencies."""
    period = _period(np.log(frequency))
    if period is not None:
        starts = range(0, len(frequency), period)
    else:
        starts = _starts(np.log(frequency))
    return np.split(np.arange(len(frequency)), list(starts)[1:])


def _tolerance(x):
    steps = np.abs(np.diff(x))
    steps = steps[steps > 1e-6]  # below: rounding of a repeated frequency
    return _SAME * float(np.median(steps)) if steps.size else 0.0


def _period(x):
    """Length of a sequence of at least two values that repeats twice or more."""
    tolerance = _tolerance(x)
    for period in np.flatnonzero(np.abs(x - x[0]) <= tolerance):
        if 2 <= period <= len(x) // 2:
            same = np.abs(x[period:] - x[:-period]) <= tolerance
            if same.all() and np.ptp(x[:period]) > tolerance:
                return int(period)
    return None


def _starts(x):
    """Index of the first point of each sweep in a sequence of ln f."""
    moving = np.diff(x)[np.abs(np.diff(x)) > _tolerance(x)]
    if np.count_nonzero(np.diff(np.sign(moving))) > len(x) * _UNORDERED:
        return [0]
    jumps = _jumps(x)
    blocks = np.split(x, jumps)
    starts, current = [0], blocks[0]
    for start, block in zip(jumps, blocks[1:], strict=True):
        if _is_new_sweep(current, block, _tolerance(x)):
            starts.append(int(start))
            current = block
        else:
            current = np.concatenate([current, block])
    return starts


def _is_new_sweep(current, block, tolerance):
    """Whether a block repeats the frequencies of the current sweep or continues it."""
    low = max(current.min(), block.min())
    high = min(current.max(), block.max())
    if high - low < _OVERLAP * min(np.ptp(current), np.ptp(block)):
        return False
    before, after = (
        np.count_nonzero((x >= low - tolerance) & (x <= high + tolerance))
        for x in (current, block)
    )
    if abs(block[0] - current[0]) <= tolerance:
        # One repeated frequency is no new sweep, unless the sweep was interrupted there.
        return after >= 2 or len(block) == 1
    return after >= max(2, before / 2)


def _jumps(x):
    """Indices after steps against the direction of the steps before and after them."""
    tolerance = _tolerance(x)
    steps = np.diff(x)
    moving = np.flatnonzero(np.abs(steps) > tolerance)
    jumps = []
    start = direction = 0
    for number, this in enumerate(moving):
        sign = np.sign(steps[this])
        after = moving[number + 1 : number + 2]
        turns_back = not after.size or np.sign(steps[after[0]]) != sign
        covered = np.ptp(x[start : this + 1])
        if sign == -direction and turns_back and abs(steps[this]) >= covered / 2:
            start = this + 1
            jumps.append(start)
        else:
            direction = sign
    return jumps


def _label_columns(table, rows, frequency, measured):
    """ImpedanceColumns that number or name spectra; one that adds no group is left out."""
    labels, num_groups = [], 1
    for index, header in enumerate(table.header):
        name = re.sub(r"[\s_.,:;#()/\-\[\]]", "", header.lower())
        if index in measured or not _LABEL.fullmatch(name):
            continue
        groups = list(_groups(table, rows, [*labels, index]).values())
        is_text = table.columns[index].dtype == object
        if len(groups) > num_groups and _are_sweeps(
            groups, np.log(frequency), fewest=1 if is_text else 2
        ):
            labels.append(index)
            num_groups = len(groups)
    return labels


def _are_sweeps(groups, x, fewest):
    """Whether the groups cover similar ranges; counts of periods, for example, do not.

    Groups of a single frequency are sweeps only if their label is text: numbers may count
    the rows.
    """
    if np.median([len(np.unique(x[points])) for points in groups]) < fewest:
        return False
    lows = np.array([x[points].min() for points in groups])
    highs = np.array([x[points].max() for points in groups])
    overlap = np.minimum(highs[1:], highs[:-1]) - np.maximum(lows[1:], lows[:-1])
    ranges = highs - lows
    shorter = np.minimum(ranges[1:], ranges[:-1])
    return bool(np.mean(overlap >= _OVERLAP * shorter) > 0.5)


def _interleaved(table, rows, frequency, measured):
    """ImpedanceColumn that distinguishes spectra whose rows alternate, in a list of its index.

    Empty if no frequency repeats, or if there is no such column. In a column of numbers
    each value must have the same frequencies, since it could be a measured quantity.
    """
    if len(np.unique(frequency)) == len(frequency):
        return []
    for index, header in enumerate(table.header):
        if index in measured or not header:
            continue
        groups = list(_groups(table, rows, [index]).values())
        lists = {tuple(np.sort(frequency[points])) for points in groups}
        unique = all(len(set(one)) == len(one) >= 2 for one in lists)
        is_text = table.columns[index].dtype == object
        if len(groups) > 1 and unique and (is_text or len(lists) == 1):
            return [index]
    return []


def _groups(table, rows, labels):
    """Points of each combination of values in the columns `labels`."""
    columns = [table.columns[index][rows] for index in labels]
    groups: dict[tuple, list[int]] = {}
    for point in range(len(rows)):
        key = tuple(_text(column[point]) for column in columns)
        groups.setdefault(key, []).append(point)
    return {key: np.array(points) for key, points in groups.items()}


def _text(value):
    return value.strip() if isinstance(value, str) else f"{value:.12g}"


def _keys(keys, num_groups):
    """Keys of the groups, with a number from 1 where a group has several sweeps."""
    counts = {key: keys.count(key) for key in keys}
    seen: dict[tuple, int] = {}
    numbered = []
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
        number = (str(seen[key]),) if counts[key] > 1 else ()
        numbered.append((key if num_groups > 1 else ()) + number)
    return numbered


def _constants(table, rows, measured, labels):
    """Values of the columns that are constant in these rows.

    ImpedanceColumns of zeros are left out: software writes them for quantities not measured.
    """
    constants = {}
    for index, header in enumerate(table.header):
        values = table.columns[index][rows]
        if not header or index in measured or len(set(values.tolist())) > 1:
            continue
        value = values[0]
        if isinstance(value, str):
            constants |= {header.strip(): value.strip()} if value.strip() else {}
        elif index in labels or (np.isfinite(value) and np.any(table.columns[index])):
            constants[header.strip()] = float(value)
    return constants


def _statements(table, labels, num_groups, num_sweeps):
    names = ", ".join(repr(table.header[index].strip()) for index in labels)
    columns = f"{'column' if len(labels) == 1 else 'columns'} {names}"
    jumps = "a new one starts where the frequency jumps back or its sequence repeats"
    if num_groups == num_sweeps == 1:
        return ()
    if num_groups == 1:
        return (f"{num_sweeps} spectra: {jumps}",)
    if num_groups == num_sweeps:
        return (f"{num_sweeps} spectra, distinguished by {columns}",)
    return (f"{num_sweeps} spectra, distinguished by {columns}; in each group {jumps}",)
