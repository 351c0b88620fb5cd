"""Tables as a reader of files would return them, for tests of their interpretation."""

from pathlib import Path

import numpy as np

from battprob.data.tables.table import RawTable


def table(columns, *, units=None, label="", first_line=2):
    """A table from columns by name; strings give a column of text."""
    arrays = [_array(values) for values in columns.values()]
    return RawTable(
        Path("cell7.csv"),
        "text",
        tuple(columns),
        tuple(arrays),
        units=units,
        lines=np.arange(len(arrays[0])) + first_line,
        label=label,
    )


def _array(values):
    values = list(values)
    if not any(isinstance(value, str) for value in values):
        return np.array(values, float)
    column = np.empty(len(values), object)
    column[:] = [str(value) for value in values]
    return column


def decades(high=4, low=0, per_decade=3):
    """Falling frequencies in Hz."""
    return np.logspace(high, low, (high - low) * per_decade + 1)


def arcs(frequency, scale=1.0, inductance=0.0):
    """Impedance of a resistance, an inductance and two arcs."""
    s = 2j * np.pi * np.asarray(frequency)
    arc = 2 / (1 + s * 5e-4) + 1 / (1 + s * 5e-2)
    return scale * (1 + arc) + inductance * s
