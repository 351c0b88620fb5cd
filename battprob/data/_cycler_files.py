"""Columns of cycler files, with the names and units that `TimeSeries` uses."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError

_REQUIRED = ("time_s", "voltage_v", "current_a")

# Header in the file: name here, and factor to the unit here. The first match is used.
_HEADERS = {
    # battprob
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
    # Neware, with the names of the package fastnda
    "total_time_s": ("time_s", 1.0),
    "voltage_V": ("voltage_v", 1.0),
    "current_mA": ("current_a", 1e-3),
}
_NEWARE_COUNTER = "capacity_mAh"  # counts down from zero during discharge


def load_columns(
    path: str | PathLike[str], named: Mapping[str, str]
) -> tuple[dict[str, Float[np.ndarray, " t"]], tuple[str, ...]]:
    """Read the columns of a cycler file that `TimeSeries` uses.

    Args:
        path: the file.
        named: header in the file of each column that the caller named.

    Returns:
        The columns by name, and sentences that state where each comes from.

    Raises:
        DataError: a required column is missing, or a value is not a number; the message
            names the file, the line and the column.
    """
    frame, first_line = _frame(path)
    headers = [str(header) for header in frame.columns]
    sources = _sources(path, headers, named)
    values = {
        name: factor * _numbers(path, frame[header], header, first_line)
        for name, (header, factor) in sources.items()
    }
    if _NEWARE_COUNTER in headers and not named:
        count_ah = 1e-3 * _numbers(
            path, frame[_NEWARE_COUNTER], _NEWARE_COUNTER, first_line
        )
        # `TimeSeries` ignores the negative values of each of the two.
        values |= {"charge_capacity_ah": count_ah, "discharge_capacity_ah": -count_ah}
    assumptions = tuple(
        f"{name} from column {header!r}" + (f" times {factor:g}" if factor != 1 else "")
        for name, (header, factor) in sources.items()
    )
    if "cycle" not in values:
        values["cycle"] = np.ones_like(values["time_s"])
        assumptions += ("no column of cycle numbers: all rows taken as cycle 1",)
    return values, assumptions


def load_mpr(path: str | PathLike[str]) -> np.ndarray:
    """Rows of a binary BioLogic file as a structured array, one field per column.

    Raises:
        DataError: the package `galvani` is not installed.
    """
    return _package("galvani.BioLogic", path).MPRfile(str(path)).data


def _sources(path, headers, named):
    """Header in the file and conversion factor of each column."""
    absent = [header for header in named.values() if header not in headers]
    sources = {name: (header, 1.0) for name, header in named.items()}
    for header, (name, factor) in _HEADERS.items():
        if header in headers and name not in sources and not absent:
            sources[name] = (header, factor)
    missing = absent or [name for name in _REQUIRED if name not in sources]
    if missing:
        raise DataError(
            f"{path}: found no column for {missing[0]!r} among {headers}; name the "
            "columns, as in read_timeseries(path, columns={'time_s': 't', 'voltage_v': "
            "'U', 'current_a': 'I'})"
        )
    return sources


def _frame(path) -> tuple[Any, int]:
    """Table with `columns` and `frame[name]`, and the line number of its first row.

    The line number is 0 for binary files.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".nda", ".ndax"):
        return _package("fastnda", path).read(str(path)), 0
    pd = _package("pandas", path)
    if suffix == ".mpr":
        return pd.DataFrame(load_mpr(path)), 0
    if suffix == ".parquet":
        _package("pyarrow", path)
        return pd.read_parquet(path), 0
    skipped, delimiter, encoding = (
        _ec_lab_format(path) if suffix == ".mpt" else (0, ",", "utf-8-sig")
    )
    try:
        # Blank lines are kept so that the row index gives the line number.
        frame = pd.read_csv(
            path,
            sep=delimiter,
            skiprows=skipped,
            encoding=encoding,
            skip_blank_lines=False,
            index_col=False,
            low_memory=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} is not a table: {error}") from None
    return frame, skipped + 2


def _ec_lab_format(path):
    """Lines before the header, delimiter and encoding of an EC-Lab text file."""
    with open(path, encoding="cp1252", errors="replace") as file:
        head = file.readline() + file.readline()
    match = re.search(r"Nb header lines\s*:\s*(\d+)", head)
    if match is None:
        raise DataError(f"{path}, line 2: expected 'Nb header lines : <number>'")
    return int(match[1]) - 1, "\t", "cp1252"


def _package(name, path) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise DataError(
            f"{path}: reading this kind of file needs the package {package!r}: pip "
            f"install {package}"
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
        location = f"line {first_line + row}" if first_line else f"row {row}"
        more = f" (and in {bad.size - 1} more rows)" if bad.size > 1 else ""
        raise DataError(
            f"{path}, {location}: {header} must be a number, got '{raw[row]}'{more}; "
            "remove or correct these rows"
        )
    return values


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return np.nan
