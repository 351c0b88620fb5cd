"""Tables of an inspection: one row per cycle, per spectrum or per cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.timeseries import TimeSeries

# Columns of the cycles of a log that the terminal shows, with the factor of the unit.
_OF_CYCLES = {
    "cycle": ("cycle", 1),
    "start_s": ("start h", 1 / 3600),
    "end_s": ("end h", 1 / 3600),
    "charge_capacity_ah": ("charge Ah", 1),
    "discharge_capacity_ah": ("discharge Ah", 1),
    "coulombic_efficiency": ("efficiency", 1),
    "discharge_current_a": ("discharge A", 1),
    "min_voltage_v": ("min V", 1),
    "max_voltage_v": ("max V", 1),
    "temperature_c": ("°C", 1),
    "resistance_ohm": ("ohm", 1),
    "note": ("note", 1),
}


_OF_SPECTRA = {
    "spectrum": "spectrum",
    "points": "points",
    "highest_hz": "max Hz",
    "lowest_hz": "min Hz",
    "re_at_highest_ohm": "Re at max Hz (ohm)",
    "re_at_lowest_ohm": "Re at min Hz (ohm)",
    "largest_minus_im_ohm": "max -Im (ohm)",
}


def frame_of(records: Sequence[Cell | TimeSeries | Spectrum]) -> Any:
    """DataFrame with one row per cycle of a log or of one cell, per spectrum, per cell.

    Raises:
        DataError: the charge of a log cannot be computed.
    """
    import pandas as pd

    first = records[0]
    if isinstance(first, TimeSeries):
        return first.cycles.to_dataframe()
    if isinstance(first, Spectrum):
        return pd.DataFrame([_spectrum_row(record) for record in records])
    if len(records) == 1:
        return pd.DataFrame(
            {
                "cycle": first.cycle,
                "capacity_ah": first.capacity_ah,
                **first.per_cycle,
                "has_curve": np.isin(first.cycle, _curve_cycles(first)),
            }
        )
    return pd.DataFrame([_cell_row(record) for record in records])


def shown_of(frame: Any) -> Any:
    """The columns of a table that the terminal shows: with a value and not too many."""
    if "note" in frame and "start_s" in frame:
        columns = {
            title: frame[name] * scale if scale != 1 else frame[name]
            for name, (title, scale) in _OF_CYCLES.items()
        }
        frame = type(frame)(columns)
    if "spectrum" in frame:
        frame = frame[list(_OF_SPECTRA)].rename(columns=_OF_SPECTRA)
    empty = [
        name for name in frame if frame[name].isna().all() or _is_blank(frame[name])
    ]
    return frame.drop(columns=empty)


def _is_blank(column):
    return column.dtype.kind not in "fiub" and not any(map(str, column))


def _spectrum_row(spectrum):
    frequency, impedance = spectrum.frequency_hz, spectrum.impedance_ohm
    high, low = int(frequency.argmax()), int(frequency.argmin())
    return {
        "spectrum": spectrum.name,
        "points": len(frequency),
        "highest_hz": frequency[high],
        "lowest_hz": frequency[low],
        "re_at_highest_ohm": impedance[high].real,
        "re_at_lowest_ohm": impedance[low].real,
        "largest_minus_im_ohm": (-impedance.imag).max(),
        "smallest_minus_im_ohm": (-impedance.imag).min(),
    }


def _cell_row(cell):
    observed = cell.capacity_ah[np.isfinite(cell.capacity_ah)]
    first, last = (observed[0], observed[-1]) if observed.size else (np.nan, np.nan)
    return {
        "cell": cell.name,
        "cycles": len(cell.cycle),
        "first_cycle": cell.cycle[0],
        "last_cycle": cell.cycle[-1],
        "first_capacity_ah": first,
        "last_capacity_ah": last,
        "missing_capacities": len(cell.cycle) - observed.size,
        "curves": len(_curve_cycles(cell)),
        "cycle_life": cell.cycle_life,
    }


def _curve_cycles(cell):
    return () if cell.curve_cycle is None else cell.curve_cycle
