"""Synthetic logs with known charges, and ways in which real logs are corrupted."""

import numpy as np

from battprob.data import TimeSeries

COUNTERS = ("charge_capacity_ah", "discharge_capacity_ah")


def voltage_of(charge, capacity, current):
    """Open-circuit voltage of a cell, and 20 mOhm of resistance."""
    x = np.clip(charge / capacity, 0.0, 1.0)
    return 3.0 + 1.1 * x + 0.05 * np.sin(6 * x) + 0.02 * current


def columns(capacities=(2.0, 1.98, 1.96), rows=40, current=2.0, rest_rows=4):
    """Cycles of charge, rest, discharge, rest; a row at the start of each step.

    Returns a dict with the arguments of `TimeSeries` and `other`; the counters run on.
    """
    table, time, counters = [], 0.0, np.zeros(2)
    for cycle, capacity in enumerate(capacities, start=1):
        for step, sign in enumerate((1, 0, -1, 0), start=1):
            fraction = np.linspace(0, 1, rows if sign else rest_rows)
            duration = 3600 * capacity / current if sign else 600.0
            side = 0 if sign > 0 else 1
            for f in fraction:
                counted = counters.copy()
                counted[side] += abs(sign) * f * capacity
                stored = capacity * (f if sign > 0 else 1 - f if sign < 0 else step < 3)
                voltage = voltage_of(stored, capacity, sign * current)
                own = f * duration
                table.append(
                    (time + own, voltage, sign * current, cycle, step, own, *counted)
                )
            counters[side] += abs(sign) * capacity
            time += duration + 1.0
    names = ("time_s", "voltage_v", "current_a", "cycle", "step", "step_time_s")
    return dict(zip((*names, *COUNTERS), np.array(table).T, strict=True))


def log_of(table, *, keep=COUNTERS, step=False, step_time=False, **changes):
    """A `TimeSeries` of some columns of a table, with other columns replaced."""
    table = {**table, **changes}
    other = {key: table[key] for key in keep if key in table}
    if step_time:
        other["step_time_s"] = table["step_time_s"]
    return TimeSeries(
        "x",
        table["time_s"],
        table["voltage_v"],
        table["current_a"],
        table["cycle"],
        step=table["step"] if step else None,
        other=other,
    )


def rows_of(table, index):
    """The rows of a table with the given indices."""
    return {key: column[index] for key, column in table.items()}


def restarted(counter, rows):
    """A counter that is set to zero just after each of the given rows."""
    result = counter.copy()
    for row in rows:
        result[row + 1 :] = counter[row + 1 :] - counter[row]
    return result


def capacities(log):
    """Discharge and charge of each cycle."""
    return log.cycles.discharge_capacity_ah, log.cycles.charge_capacity_ah
