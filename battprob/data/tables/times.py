"""Durations and dates in the cells of a text table, as seconds.

Cells with digits at the same positions have one shape (`0d 00:00:05` has `0d 00:00:00`).
A column has few shapes. Each is taken apart once, and the digits of all its cells are
converted together as a matrix of bytes: a million cells take a fraction of a second.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import MISSING

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun",
         "jul", "aug", "sep", "oct", "nov", "dec"), start=1)
}  # fmt: skip
_ZEROS = str.maketrans("123456789,", "000000000.")
_CHINESE = str.maketrans({"年": "-", "月": "-", "日": " ", "时": ":", "時": ":", "分": ":",
                          "秒": None})  # fmt: skip
_CLOCK = (
    r"(?P<H>0+):(?P<M>00?)(?::(?P<S>00?)(?:\.(?P<F>0*))?)?"
    r"(?:\s*(?P<half>[AP])\.?M\.?)?"
)
_ZONE = r"(?:\s*(?P<zone>Z|UTC|GMT|(?P<zs>[+-])(?P<zh>00):?(?P<zm>00)))?"
_AFTER_DATE = rf"(?:[T.\s]+{_CLOCK}{_ZONE})?"
_MONTH = r"(?P<month>[A-Za-z]{3})[A-Za-z]*\.?"
# Commas became points in the shapes.
_SHAPES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # Durations: h:mm:ss, 0d 00:00:05, 1 days 02:03:04, 1.02:03:04, 00h 10m 05s
        r"(?P<sign>[+-])?(?:(?P<D>0+)\s*(?:d|days?)[\s.,]*|(?P<D2>0+)[.-])?" + _CLOCK,
        r"(?:(?P<D>0+)\s*d\s*)?(?:(?P<H>0+)\s*h\s*)?(?:(?P<M>0+)\s*m(?:in)?\s*)?"
        r"(?P<S>0+)(?:\.(?P<F>0*))?\s*s",
        # Dates: year first, month by name, two numbers of unknown order
        rf"(?P<y>0000)[-/.](?P<m>00?)[-/.](?P<d>00?){_AFTER_DATE}",
        rf"(?P<y>0000)(?P<m>00)(?P<d>00)[T\s]?(?:(?P<H>00)(?P<M>00)(?P<S>00))?{_ZONE}",
        rf"(?:[A-Z]+\.\s*)?(?P<d>00?)[-\s.]+{_MONTH}[-\s.]+(?P<y>0000|00)"
        rf"(?:\.?\s+{_CLOCK}{_ZONE})?",
        rf"(?:[A-Z]+\.?\s+)?{_MONTH}\s+(?P<d>00?)\.?\s+(?P<y>0000)"
        rf"(?:\.?\s+{_CLOCK}{_ZONE})?",
        rf"(?P<a>00?)(?P<mark>[-/.])(?P<b>00?)(?P=mark)(?P<y>0000|00)\.?{_AFTER_DATE}",
    )
)
_DAY = 86400.0


class Times(NamedTuple):
    """Times of a column of text.

    Attributes:
        seconds: float64 in s; of dates since 1970-01-01 without regard to an unknown
            time zone; NaN where the cell is missing or is no time.
        invalid: rows, counted from 0, whose cell is neither a time nor missing.
        kind: `duration` (also a time of day without a date) or `date`.
        statement: how day and month were distinguished; empty if there was no choice.
    """

    seconds: np.ndarray
    invalid: np.ndarray
    kind: Literal["duration", "date"]
    statement: str


def to_seconds(strings: Sequence[str] | np.ndarray, *, where: str = "") -> Times:
    """Seconds of durations such as `h:mm:ss.fff`, `0d 00:00:05`, or of dates.

    Dates may have the year first, the month by name, or two numbers of unknown order.
    The order is that in which all dates of the column exist. If both exist, it is the
    one in which the dates follow one another without falls and long pauses.

    Args:
        strings: cells of one column.
        where: file and column for the error message.

    Raises:
        DataError: day and month of the dates cannot be distinguished.

    Example:
        >>> to_seconds(["0:00:05", "1:00:00.5"]).seconds
        array([   5. , 3600.5])
        >>> to_seconds(["13/01/2020 00:00:00"]).seconds - to_seconds(["2020-01-13"]).seconds
        array([0.])
    """
    text = "\n".join([str(cell).strip().replace("\n", " ") for cell in strings])
    if "年" in text:
        text = "\n".join(map(str.strip, text.translate(_CHINESE).split("\n")))
    cells = text.split("\n") if len(strings) else []
    shapes = text.translate(_ZEROS).split("\n") if len(strings) else []
    clock = np.full(len(cells), np.nan)
    days = np.full((len(cells), 2), np.nan)  # with the month first, with the day first
    missing = np.zeros(len(cells), bool)
    kinds: set[Literal["duration", "date"]] = set()
    dotted = False
    for shape, rows in _groups(shapes):
        match = next(filter(None, (p.fullmatch(shape) for p in _SHAPES)), None)
        if match is None:
            missing[rows] = shape.lower() in MISSING
            continue
        fields = _fields(match, _digits(cells, rows, len(shape)))
        kinds.add("date" if "year" in fields else "duration")
        dotted |= match.groupdict().get("mark") == "."
        clock[rows] = _clock(fields, match)
        if "year" in fields:
            days[rows] = _days(fields)
    if len(kinds) == 2:
        raise DataError(
            f"{where or 'a column'} has dates in some rows and durations in others; "
            "expected one kind of time"
        )
    kind: Literal["duration", "date"] = "date" if "date" in kinds else "duration"
    seconds, statement = clock, ""
    if kind == "date":
        times = _DAY * days + clock[:, None]
        column, statement = _order(times, dotted, where, cells)
        seconds = times[:, column]
    invalid = np.flatnonzero(np.isnan(seconds) & ~missing)
    return Times(seconds, invalid, kind, statement)


def _groups(shapes):
    """Each shape with the rows that have it."""
    codes = {shape: number for number, shape in enumerate(set(shapes))}
    if len(codes) == 1:
        yield shapes[0], np.arange(len(shapes))
        return
    code = np.fromiter(map(codes.__getitem__, shapes), int, len(shapes))
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(codes)))
    for shape, number in codes.items():
        start = ends[number - 1] if number else 0
        yield shape, order[start : ends[number]]


def _digits(cells, rows, length):
    """Matrix of the values of the digits of cells of one length."""
    if len(rows) < len(cells):
        cells = [cells[row] for row in rows]
    # A letter outside Latin 1 cannot be part of a time: every pattern is ASCII but for
    # digits of other scripts, which count as invalid.
    text = "".join(cells).encode("latin-1", "replace")
    return np.frombuffer(text, np.uint8).reshape(len(rows), length).astype(float) - 48


def _fields(match, digits):
    """Numbers of the named groups of a shape, one array per group."""
    groups = match.groupdict()
    number = {}
    for name in ("D", "D2", "H", "M", "S", "F", "y", "m", "d", "a", "b", "zh", "zm"):
        if groups.get(name):
            start, end = match.span(name)
            number[name] = digits[:, start:end] @ 10.0 ** np.arange(end - start)[::-1]
    if groups.get("F"):
        number["F"] /= 10.0 ** len(groups["F"])
    if groups.get("month"):
        number["m"] = np.full(len(digits), _MONTHS.get(groups["month"].lower(), 0.0))
    if "y" in number:
        year = number.pop("y")
        # Two digits: 70 to 99 are of the last century, as in POSIX.
        short = len(groups["y"]) == 2
        number["year"] = year + (np.where(year < 70, 2000, 1900) if short else 0)
    return number


def _clock(fields, match):
    groups = match.groupdict()
    hour = fields.get("H", 0.0)
    if groups.get("half"):
        hour = hour % 12 + (12 if groups["half"] in "Pp" else 0)
    if groups.get("H") and groups.get("S") is None and "year" not in fields:
        # "12:30" is h:mm or mm:ss: which of them is unknown.
        return np.nan
    minute, second = fields.get("M", 0.0), fields.get("S", 0.0) + fields.get("F", 0.0)
    seconds = 3600.0 * hour + 60.0 * minute + second
    seconds = seconds + _DAY * (fields.get("D", 0.0) + fields.get("D2", 0.0))
    zone = 3600.0 * fields.get("zh", 0.0) + 60.0 * fields.get("zm", 0.0)
    seconds = seconds - (-zone if groups.get("zs") == "-" else zone)
    seconds = -seconds if groups.get("sign") == "-" else seconds
    impossible = (minute >= 60) | (fields.get("S", 0.0) > 60)
    if "year" in fields:
        impossible = impossible | (hour > 24)
    return np.where(impossible, np.nan, seconds)


def _days(fields):
    """Days since 1970 with the month first and with the day first; NaN: no such day."""
    if "a" not in fields:
        days = _day_number(fields["year"], fields["m"], fields["d"])
        return np.stack([days, days], axis=1)
    first, second = fields["a"], fields["b"]
    return np.stack(
        [
            _day_number(fields["year"], first, second),
            _day_number(fields["year"], second, first),
        ],
        axis=1,
    )


def _day_number(year, month, day):
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1) & (year < 9999)
    months = (np.where(valid, 12 * (year - 1970) + month - 1, 0)).astype(np.int64)
    start = months.astype("M8[M]").astype("M8[D]")
    length = ((months + 1).astype("M8[M]").astype("M8[D]") - start).astype(float)
    valid &= day <= length
    return np.where(valid, start.astype(float) + day - 1, np.nan)


def _order(times, dotted, where, cells):
    """Column of `times` whose order of day and month holds, and a statement."""
    first, second = times.T
    if np.array_equal(first, second, equal_nan=True):
        return 0, ""
    missing = [int(np.isnan(column).sum()) for column in (first, second)]
    names = ("month/day", "day/month")
    if missing[0] != missing[1]:
        column = int(missing[1] < missing[0])
        return column, f"dates were read as {names[column]}: no other order exists"
    if dotted:
        return 1, "dates with points were read as day.month.year"
    steps = [np.diff(column[~np.isnan(column)]) for column in (first, second)]
    if np.array_equal(*steps):
        return (
            0,
            "dates were read as month/day; day/month would give the same durations",
        )
    falls = [bool((step < 0).any()) for step in steps]
    if falls[0] != falls[1]:
        column = int(falls[0])
        other = names[1 - column]
        return (
            column,
            f"dates were read as {names[column]}: as {other} they would fall",
        )
    # A day is a month in the wrong order: pauses of weeks appear.
    pauses = [np.abs(step).max(initial=0.0) / _DAY for step in steps]
    if min(pauses) < 7 and max(pauses) > 25:
        column = int(pauses[1] < pauses[0])
        return column, (
            f"dates were read as {names[column]}: as {names[1 - column]} the log would "
            f"have a pause of {max(pauses):.0f} days"
        )
    raise DataError(
        f"{where or 'a column'} has dates such as {cells[0]!r}: whether the month or the "
        "day comes first cannot be recognised; export dates as year-month-day"
    )
