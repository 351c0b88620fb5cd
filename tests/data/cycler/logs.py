"""Tables of cycler logs for the tests: made by hand, as a reader of files returns them."""

from pathlib import Path

import numpy as np

from battprob.data.cycler.columns import find_columns
from battprob.data.cycler.log import Log, load
from battprob.data.tables.table import RawTable

PATH = Path("cell.csv")


def raw_table(columns, format_name="csv", **fields) -> RawTable:
    """Table with the given columns: lists of numbers, or of text."""
    arrays = [_column(values) for values in columns.values()]
    lines = np.arange(2, 2 + len(arrays[0]))
    fields = {"lines": lines, **fields}
    return RawTable(PATH, format_name, tuple(columns), tuple(arrays), **fields)


def _column(values):
    values = list(values)
    if any(isinstance(value, str) for value in values):
        column = np.empty(len(values), object)
        column[:] = values
        return column
    return np.array(values, float)


def log_of(columns, named=None, **fields) -> Log:
    """Log of a table with the given columns."""
    table = raw_table(columns, **fields)
    return load(table, find_columns(table, named or {})[0])


def cycled(num_cycles=3, rows=21, start=1):
    """Time, voltage, current, cycle, counters: 2 Ah charged in 1 h, discharged in 1 h."""
    columns = {name: [] for name in ("t", "v", "i", "cycle", "qc", "qd", "step")}
    time = charged = discharged = 0.0
    for cycle in range(start, start + num_cycles):
        for step, current in ((1, 2.0), (2, 0.0), (3, -2.0), (4, 0.0)):
            flows = current != 0
            for k in range(rows if flows else 3):
                part = k / (rows - 1)
                rise = 0.9 * part if current >= 0 else -0.9 * part
                level = {1: 3.1, 2: 4.0, 3: 3.95, 4: 3.05}[step]
                if k:
                    time += 3600 / (rows - 1) if flows else 300
                    charged += 2 / (rows - 1) * (current > 0)
                    discharged += 2 / (rows - 1) * (current < 0)
                else:
                    time += 1
                columns["t"].append(time)
                columns["v"].append(level + (rise if flows else 0.0))
                columns["i"].append(current)
                columns["cycle"].append(cycle)
                columns["qc"].append(charged)
                columns["qd"].append(discharged)
                columns["step"].append(step)
    return {name: np.array(values, float) for name, values in columns.items()}


def bdf(data, *names):
    """Columns with BDF names; more columns by their keys in `data`."""
    headers = {
        "t": "Test Time / s",
        "v": "Voltage / V",
        "i": "Current / A",
        "cycle": "Cycle Count / 1",
        "qc": "Charging Capacity / Ah",
        "qd": "Discharging Capacity / Ah",
        "step": "Step Count / 1",
    }
    return {headers[name]: data[name] for name in ("t", "v", "i", *names)}
