"""Columns of cyclers' files under our names and in our units."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError

_NEEDED = ("time_s", "voltage_v", "current_a")

# Header in the file: our name, and what its values are multiplied by. First found wins.
_KNOWN = {
    # Our own
    "time_s": ("time_s", 1.0),
    "voltage_v": ("voltage_v", 1.0),
    "current_a": ("current_a", 1.0),
    "cycle": ("cycle", 1.0),
    "charge_capacity_ah": ("charge_capacity_ah", 1.0),
    "discharge_capacity_ah": ("discharge_capacity_ah", 1.0),
    "temperature_c": ("temperature_c", 1.0),
    "resistance_ohm": ("resistance_ohm", 1.0),
    # Battery Data Format, readable and machine labels
    "Test Time / s": ("time_s", 1.0),
    "test_time_second": ("time_s", 1.0),
    "Voltage / V": ("voltage_v", 1.0),
    "voltage_volt": ("voltage_v", 1.0),
    "Current / A": ("current_a", 1.0),
    "current_ampere": ("current_a", 1.0),
    "Cycle Count / 1": ("cycle", 1.0),
    "cycle_count": ("cycle", 1.0),
    "Charging Capacity / Ah": ("charge_capacity_ah", 1.0),
    "charging_capacity_ah": ("charge_capacity_ah", 1.0),
    "Discharging Capacity / Ah": ("discharge_capacity_ah", 1.0),
    "discharging_capacity_ah": ("discharge_capacity_ah", 1.0),
    "Ambient Temperature / degC": ("temperature_c", 1.0),
    "ambient_temperature_celsius": ("temperature_c", 1.0),
    "Internal Resistance / ohm": ("resistance_ohm", 1.0),
    "internal_resistance_ohm": ("resistance_ohm", 1.0),
    # BatteryArchive
    "Test_Time (s)": ("time_s", 1.0),
    "Voltage (V)": ("voltage_v", 1.0),
    "Current (A)": ("current_a", 1.0),
    "Cycle_Index": ("cycle", 1.0),
    "Charge_Capacity (Ah)": ("charge_capacity_ah", 1.0),
    "Discharge_Capacity (Ah)": ("discharge_capacity_ah", 1.0),
    "Cell_Temperature (C)": ("temperature_c", 1.0),
    # BioLogic EC-Lab
    "time/s": ("time_s", 1.0),
    "Ecell/V": ("voltage_v", 1.0),
    "Ewe/V": ("voltage_v", 1.0),
    "I/mA": ("current_a", 1e-3),
    "<I>/mA": ("current_a", 1e-3),
    "cycle number": ("cycle", 1.0),
    # Neware, as fastnda names them; its one counter is negative in discharge
    "total_time_s": ("time_s", 1.0),
    "voltage_V": ("voltage_v", 1.0),
    "current_mA": ("current_a", 1e-3),
}
_TWO_WAY_COUNTER = "capacity_mAh"


def load_columns(
    path: str | PathLike[str], chosen: Mapping[str, str]
) -> tuple[dict[str, Float[np.ndarray, " t"]], tuple[str, ...]]:
    """Columns by our names, and sentences that say which columns of the file they are.

    Raises:
        DataError: a needed column is missing, or a value is not a number; the message
            names the file, the line and the column.
    """
    frame, first_line = _frame(path)
    headers = [str(header) for header in frame.columns]
    sources = _sources(path, headers, chosen)
    values = {
        ours: factor * _numbers(path, frame[header], header, first_line)
        for ours, (header, factor) in sources.items()
    }
    if _TWO_WAY_COUNTER in headers and not chosen:
        counted = 1e-3 * _numbers(
            path, frame[_TWO_WAY_COUNTER], _TWO_WAY_COUNTER, first_line
        )
        values |= {"charge_capacity_ah": counted, "discharge_capacity_ah": -counted}
    assumed = tuple(
        f"{ours} from column {header!r}" + (f" times {factor:g}" if factor != 1 else "")
        for ours, (header, factor) in sources.items()
    )
    if "cycle" not in values:
        values["cycle"] = np.ones_like(values["time_s"])
        assumed += ("no column of cycle numbers: all rows taken as cycle 1",)
    return values, assumed


def load_mpr(path: str | PathLike[str]) -> np.ndarray:
    """Rows of BioLogic's binary file, a structured array with a field a column.

    Raises:
        DataError: the package `galvani` is not installed.
    """
    return _package("galvani.BioLogic", path).MPRfile(str(path)).data


def _sources(path, headers, chosen):
    """Header and factor of each of our columns."""
    absent = [header for header in chosen.values() if header not in headers]
    sources = {ours: (header, 1.0) for ours, header in chosen.items()}
    for header, (ours, factor) in _KNOWN.items():
        if header in headers and ours not in sources and not absent:
            sources[ours] = (header, factor)
    missing = absent or [ours for ours in _NEEDED if ours not in sources]
    if missing:
        raise DataError(
            f"{path}: found no column for {missing[0]!r} among {headers}; name the columns, "
            "as in read_timeseries(path, columns={'time_s': 't', 'voltage_v': 'U', "
            "'current_a': 'I'})"
        )
    return sources


def _frame(path) -> tuple[Any, int]:
    """A table with `columns` and `frame[name]`, and the line of its first row."""
    kind = Path(path).suffix.lower()
    if kind in (".nda", ".ndax"):
        return _package("fastnda", path).read(str(path)), 0
    pd = _package("pandas", path)
    if kind == ".mpr":
        return pd.DataFrame(load_mpr(path)), 0
    if kind == ".parquet":
        _package("pyarrow", path)
        return pd.read_parquet(path), 0
    skipped, mark, encoding = _ec_lab(path) if kind == ".mpt" else (0, ",", "utf-8-sig")
    try:
        # Blank lines are kept, so that rows count as the lines of the file do.
        frame = pd.read_csv(
            path,
            sep=mark,
            skiprows=skipped,
            encoding=encoding,
            skip_blank_lines=False,
            index_col=False,
            low_memory=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is not a table: {error}") from None
    return frame, skipped + 2


def _ec_lab(path):
    with open(path, encoding="cp1252", errors="replace") as file:
        head = file.readline() + file.readline()
    stated = re.search(r"Nb header lines\s*:\s*(\d+)", head)
    if stated is None:
        raise DataError(f"{path}, line 2: expected 'Nb header lines : <number>'")
    return int(stated[1]) - 1, "\t", "cp1252"


def _package(name, path) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise DataError(
            f"{path}: reading this kind of file needs the package {package!r}: pip install "
            f"{package}"
        ) from None


def _numbers(path, column, header, first_line):
    raw = column.to_numpy()
    try:
        values = np.asarray(raw, float)
    except (TypeError, ValueError):
        values = np.array([_number(text) for text in raw])
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        row = int(bad[0])
        where = f"line {first_line + row}" if first_line else f"row {row}"
        more = f" (and in {bad.size - 1} more rows)" if bad.size > 1 else ""
        raise DataError(
            f"{path}, {where}: {header} must be a number, got '{raw[row]}'{more}; take "
            "such rows out of the file, or repair them"
        )
    return values


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return np.nan
