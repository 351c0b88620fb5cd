"""Spectra that stand side by side in one table, each with its own frequencies."""

from dataclasses import replace
from itertools import pairwise

from battprob.data.impedance.columns import has_impedance
from battprob.data.impedance.quantities import ANGULAR, FREQUENCY, quantity
from battprob.data.tables.table import RawTable


def side_by_side(table: RawTable) -> list[RawTable]:
    """One table for each block of columns that starts with a frequency.

    ImpedanceColumns before the first frequency belong to all blocks. A table whose blocks do not
    all have an impedance is returned as it is.
    """
    starts = [
        index
        for index, header in enumerate(table.header)
        if (found := quantity(header, table.unit(index))) is not None
        and found.kind in (FREQUENCY, ANGULAR)
        and found.factor is not None
    ]
    if len(starts) < 2:
        return [table]
    shared = list(range(starts[0]))
    blocks = [
        _selected(table, [*shared, *range(start, end)], f"block {number}")
        for number, (start, end) in enumerate(pairwise([*starts, len(table.header)]), 1)
    ]
    return blocks if all(map(has_impedance, blocks)) else [table]


def _selected(table, indices, label):
    return replace(
        table,
        header=tuple(table.header[index] for index in indices),
        columns=tuple(table.columns[index] for index in indices),
        units=None
        if table.units is None
        else tuple(table.units[index] for index in indices),
        label="/".join(filter(None, [table.label, label])),
    )
