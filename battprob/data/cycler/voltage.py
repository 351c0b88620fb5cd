"""Plausibility of the voltage: millivolts under a header of volts, absent readings."""

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.log import Log, count

_LARGEST_CELL_V = 10.0
_LARGEST_PACK_V = 1000.0
_FEW_ROWS = 0.01
_TOLERANCE = 0.1


def checked_voltage(log: Log) -> tuple[Float[np.ndarray, " t"], tuple[str, ...]]:
    """Voltage in V, and statements about voltages that are doubtful.

    A voltage beyond 10 V is that of a pack or a wrong unit. The energy divided by the
    charge, or the power divided by the current, decides. Single readings beyond are
    kept and stated.

    Raises:
        DataError: the voltage is beyond 10 V and nothing in the file confirms the unit.
    """
    voltage = log["voltage_v"]
    beyond = np.abs(voltage) > _LARGEST_CELL_V
    if not beyond.any():
        return voltage, _negative(log, voltage)
    header = log.header("voltage_v")
    row = int(np.argmax(np.abs(voltage)))
    if beyond.mean() < _FEW_ROWS:
        return voltage, (
            f"doubtful: {header!r} is beyond {_LARGEST_CELL_V:g} V in "
            f"{count(beyond.sum(), 'row')} (such as {voltage[row]:g} V at {log.line(row)})",
        )
    ratio = _relative_to_energy(log, voltage)
    if ratio is not None and abs(ratio - 1) < _TOLERANCE:
        return voltage, (f"{header!r}: voltages of a pack, confirmed by the energy",)
    if ratio is not None and abs(ratio / 1000 - 1) < _TOLERANCE:
        return voltage / 1000, (
            f"{header!r} has millivolts, as the energy shows: divided by 1000",
        )
    named = log.sources["voltage_v"].named
    if named and np.abs(voltage[row]) <= _LARGEST_PACK_V:
        return voltage, (f"doubtful: {header!r} reaches {voltage[row]:g} V",)
    raise DataError(
        f"{log.location(row)}: {header!r} is {voltage[row]:g} V; expected up to "
        f"{_LARGEST_CELL_V:g} V for a cell. If it is in mV, write the unit into the "
        "header; if it is a pack, name the column: read_timeseries(path, "
        f"columns={{'voltage_v': {header!r}}})"
    )


def _relative_to_energy(log, voltage):
    """Voltage divided by energy per charge, or by power per current; None without."""
    pairs = (
        ("charge_energy_wh", "charge_capacity_ah"),
        ("discharge_energy_wh", "discharge_capacity_ah"),
        ("energy_wh", "capacity_ah"),
    )
    for energy, charge in pairs:
        if energy in log and charge in log:
            ratio = _median_ratio(
                voltage[1:], np.diff(log[energy]), np.diff(log[charge])
            )
            if ratio is not None:
                return ratio
    if "power_w" in log and "current_a" in log:
        return _median_ratio(voltage, np.abs(log["power_w"]), np.abs(log["current_a"]))
    return None


def _median_ratio(voltage, energy, charge):
    with np.errstate(invalid="ignore"):
        rows = (energy > 0) & (charge > 0)
    if rows.sum() < 3:
        return None
    return float(np.median(np.abs(voltage[rows]) * charge[rows] / energy[rows]))


def _negative(log, voltage):
    """Statement about a few rows of negative voltage in a log of positive ones."""
    negative = voltage < -1.0
    number = int(negative.sum())
    if not number or number > 0.1 * len(voltage) or np.median(voltage) < 1.0:
        return ()
    row = int(np.flatnonzero(negative)[0])
    return (
        f"doubtful: {log.header('voltage_v')!r} is negative in {count(number, 'row')} (such as "
        f"{voltage[row]:g} V at {log.line(row)}), probably readings without a sensor",
    )
