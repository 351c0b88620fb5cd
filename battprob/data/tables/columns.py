"""Columns of a `RawTable` from typed values: numbers as float64, the rest as text."""

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from battprob.data.tables.cells import COMPLEX, kind
from battprob.data.tables.numbers import to_numbers

_EPOCH = datetime.datetime(1899, 12, 30)  # day 0 of spreadsheets and Access databases
_LAST_DURATION = datetime.datetime(1901, 1, 1)
_FIRST_OF_MARCH = datetime.datetime(1900, 3, 1)
_DAY = 86400.0
_MOST_DAYS = 2_958_466  # 10000-01-01
_NUMBER = (float, int)
_TIMES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)


def array_column(values: np.ndarray) -> np.ndarray:
    """Column of a `RawTable` from an array.

    Booleans become 0 and 1, times of day and durations seconds, instants text in ISO
    format (`2024-05-07T08:00:00.250`); missing values become NaN or the empty string.

    Args:
        values: one-dimensional array of numbers, booleans, `datetime64`, `timedelta64`,
            bytes, `str` or objects.

    Example:
        >>> array_column(np.array([1, 2], dtype="timedelta64[m]")).tolist()
        [60.0, 120.0]
        >>> array_column(np.array(["2024-05-07T08:00", "NaT"], "M8[s]")).tolist()
        ['2024-05-07T08:00:00', '']
    """
    kind = values.dtype.kind
    if kind in "fiub":
        return values.astype(float)
    if kind == "m":
        seconds = values.astype("timedelta64[ns]").astype(float) / 1e9
        return np.where(np.isnat(values), np.nan, seconds)
    if kind == "M":
        return iso_strings(values)
    if kind == "S":
        values = np.char.decode(values, "utf-8", "replace").astype(object)
    return cell_column(values.tolist()).values


def iso_strings(instants: np.ndarray) -> np.ndarray:
    """Instants as `object` array of ISO strings, with milliseconds only where needed.

    Args:
        instants: array of `datetime64`; `NaT` becomes the empty string.
    """
    whole = instants.astype("datetime64[s]")
    unit = "ms" if np.any(instants != whole, where=~np.isnat(instants)) else "s"
    # Rounding to whole milliseconds removes the error of days stored as float64.
    rounded = (instants.astype("datetime64[us]") + 500).astype("datetime64[ms]")
    text = np.datetime_as_string(rounded.astype(f"datetime64[{unit}]")).astype(object)
    text[np.isnat(instants)] = ""
    return text


def day_numbers_to_iso(days: np.ndarray) -> np.ndarray:
    """ISO strings of instants that a database or spreadsheet stores as days since 1900.

    Args:
        days: days since 1899-12-30 00:00; NaN, and values that are no date before the
            year 10000, become the empty string.

    Example:
        >>> day_numbers_to_iso(np.array([42587.6815162037])).tolist()
        ['2016-08-05T16:21:23']
    """
    known = np.abs(days) < _MOST_DAYS  # also False for NaN
    milliseconds = np.round(np.where(known, days, 0) * _DAY * 1e3)
    instants = np.datetime64(_EPOCH, "ms") + milliseconds.astype("timedelta64[ms]")
    instants[~known] = np.datetime64("NaT")
    return iso_strings(instants)


class Column(NamedTuple):
    """Values of a column, and how marks in its numbers were read (usually empty)."""

    values: np.ndarray
    statement: str = ""


def cell_column(cells: Sequence[Any]) -> Column:
    """Column of a `RawTable` from the cells of a spreadsheet or other Python values.

    Numbers, also those stored as text, and placeholders such as `-` and `NULL` give a
    float64 column. Instants become ISO strings and durations `h:mm:ss`; a number among
    them is a count of days, as in every spreadsheet.

    Example:
        >>> cell_column([1.5, "", "-", "2"]).values.tolist()
        [1.5, nan, nan, 2.0]
        >>> cell_column([0.5, datetime.timedelta(hours=30)]).values.tolist()
        ['12:00:00', '30:00:00']
    """
    types = {type(cell) for cell in cells}
    if types <= {float, int, bool}:
        return Column(np.array(cells, float))
    if types & set(_TIMES):
        return Column(_time_column(cells))
    is_text = np.array([cell is None or isinstance(cell, str) for cell in cells])
    numbers = to_numbers(
        [cell or "" for cell in cells if not isinstance(cell, _NUMBER)]
    )
    if numbers.invalid.size:
        return Column(_objects([_text(cell) for cell in cells]))
    values = np.empty(len(cells))
    values[is_text] = numbers.values
    values[~is_text] = [cell for cell in cells if isinstance(cell, _NUMBER)]
    return Column(values, numbers.statement)


def is_value(cell: Any) -> bool:
    """Whether a cell contains a number or a time, also one stored as text."""
    if isinstance(cell, str):
        return cell != "" and (
            kind(cell) in ("number", "time")
            or COMPLEX.fullmatch(cell.replace(" ", "")) is not None
        )
    return cell is not None


def is_missing(cell: Any) -> bool:
    """Whether a cell is empty or contains a placeholder of a missing value."""
    if cell is None or cell == "":
        return True
    return isinstance(cell, str) and kind(cell) == "missing"


def _text(cell):
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _objects(values):
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _time_column(cells):
    """Text of instants, or of durations if no cell is a date after the year 1900."""
    cells = [_as_datetime(cell) for cell in cells]
    instants = any(
        isinstance(cell, datetime.datetime) and cell >= _LAST_DURATION for cell in cells
    )
    convert = _instant_text if instants else _duration_text
    return _objects([convert(cell) for cell in cells])


def _as_datetime(cell):
    if isinstance(cell, datetime.date) and not isinstance(cell, datetime.datetime):
        return datetime.datetime.combine(cell, datetime.time())
    return cell


def _duration_text(cell):
    if cell is None or isinstance(cell, str):
        return "" if is_missing(cell) else str(cell).strip()
    if isinstance(cell, datetime.time):
        cell = datetime.datetime.combine(_EPOCH, cell) - _EPOCH
    if isinstance(cell, datetime.datetime):
        # Spreadsheets count a day 1900-02-29 that did not exist.
        late = cell >= _FIRST_OF_MARCH
        cell = cell - _EPOCH - datetime.timedelta(days=0 if late else 1)
    seconds = (
        cell.total_seconds() if isinstance(cell, datetime.timedelta) else cell * _DAY
    )
    sign, milliseconds = "-" if seconds < 0 else "", round(abs(seconds) * 1e3)
    minutes, rest = divmod(milliseconds, 60_000)
    fraction = f".{rest % 1000:03d}" if rest % 1000 else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest // 1000:02d}{fraction}"


def _instant_text(cell):
    if isinstance(cell, float | int) and not isinstance(cell, bool):
        cell = _EPOCH + datetime.timedelta(days=cell)
    if isinstance(cell, datetime.datetime):
        whole = cell.microsecond == 0
        return cell.isoformat(timespec="seconds" if whole else "milliseconds")
    if isinstance(cell, datetime.time | datetime.timedelta):
        return _duration_text(cell)
    return "" if is_missing(cell) else str(cell).strip()
