"""Numbers and times in the cells of a text table."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from battprob.data.tables.cells import MISSING
from battprob.data.tables.times import Times, to_seconds

__all__ = ["Numbers", "Times", "to_numbers", "to_seconds"]

_EXPONENT = r"(?:[eEdD][+-]?\d+)?"
# Marks between groups of three digits, other than comma and point: blank, no-break
# space, narrow no-break space, apostrophe.
_GROUP_MARKS = " \u00a0\u202f'’"
_MARKED = re.compile(
    rf"[+-]?(?=.*\d)[\d.,{_GROUP_MARKS}]*[.,{_GROUP_MARKS}][\d.,]*{_EXPONENT}"
)
_UNMARKED = re.compile(
    rf"[+-]?\d+{_EXPONENT}|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE
)


class Numbers(NamedTuple):
    """Numbers of a column of text.

    Attributes:
        values: float64; NaN where the cell is missing or holds no number.
        invalid: rows, counted from 0, whose cell is not a number and not missing.
        statement: how marks between digits were read; empty if there was no choice.
    """

    values: np.ndarray
    invalid: np.ndarray
    statement: str


def to_numbers(strings: Sequence[str] | np.ndarray, decimal: str = "") -> Numbers:
    """Numbers of cells with decimal points or commas and thousands separators.

    One convention is chosen for the whole column. `1,350` alone has two readings. It is
    1.35 only if `decimal` is a comma, and 1350 only if other cells of the column show
    thousands separators: `1,350.0`, `1,350,000`, or a mark in every number from 1000
    on and in none below. Otherwise such cells are invalid.

    Args:
        strings: cells of one column.
        decimal: decimal mark of the other columns of the table; empty if unknown.

    Example:
        >>> to_numbers(["450.0", "1,350.0", "N/A"]).values
        array([ 450., 1350.,   nan])
        >>> to_numbers(["3,04", "12", "off"]).invalid
        array([2])
    """
    cells = [str(cell).strip().replace("\n", " ") for cell in strings]
    cells = ["nan" if cell.lower() in MISSING else cell for cell in cells]
    text = "\n".join(cells)
    # `float` is fast but accepts 1_000 and does not know that 1.350 may be 1350.
    if "," not in text and "_" not in text and not (decimal == "," and "." in text):
        values, invalid = _floats(cells)
        if not any(_MARKED.fullmatch(cells[row]) for row in invalid):
            return Numbers(values, np.array(invalid, dtype=int), "")
    group, mark, statement = _convention(cells, decimal)
    matches = (_pattern(group, mark) if mark else _UNMARKED).fullmatch
    invalid = [row for row, cell in enumerate(cells) if not matches(cell)]
    for char in group:
        text = text.replace(char, "")
    # The `d` of Fortran's exponents; no other valid cell has this letter.
    text = text.replace(mark or ".", ".").replace("D", "e").replace("d", "e")
    parts = text.split("\n")
    for row in invalid:
        parts[row] = "nan"
    values = np.array(list(map(float, parts)), dtype=float)
    return Numbers(values, np.array(invalid, dtype=int), statement)


def _floats(cells):
    """Values of `float`, and the rows that it cannot convert."""
    values: list[float] = []
    invalid: list[int] = []
    while len(values) < len(cells):
        try:
            # The values before a failure stay in the list.
            values.extend(map(float, islice(cells, len(values), None)))
        except ValueError:
            invalid.append(len(values))
            values.append(float("nan"))
            if len(invalid) > 1000:
                rest = range(len(values), len(cells))
                invalid += [row for row in rest if not _is_float(cells[row])]
                values += [
                    float(cells[row]) if _is_float(cells[row]) else float("nan")
                    for row in rest
                ]
    return np.array(values, dtype=float), invalid


def _is_float(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _convention(cells, decimal):
    """Group marks, decimal mark (empty: undecided) and statement for a column."""
    marked = [cell for cell in cells if _MARKED.fullmatch(cell)]
    fits = {mark: _count_fits(marked, mark) for mark in ".,"}
    if fits["."] != fits[","]:
        mark = "." if fits["."] > fits[","] else ","
        return _group(mark), mark, _statement(marked, mark)
    if not fits["."]:
        return "", ".", ""
    # Every mark has two readings: a decimal mark, or one before three digits.
    mark = "," if "," in marked[0] else "."
    if decimal == mark:
        return "", mark, ""
    other = "." if mark == "," else ","
    if _marks_every_thousand(cells, mark):
        return _group(other), other, _statement(marked, other)
    return (
        "",
        "",
        (
            f"values such as {marked[0]!r} have two readings, with a decimal mark or with a "
            "thousands separator; such a column is kept as text"
        ),
    )


def _count_fits(marked, mark):
    matches = _pattern(_group(mark), mark).fullmatch
    return sum(matches(cell) is not None for cell in marked)


def _group(mark):
    """Characters that may separate groups of digits for a decimal mark."""
    return ("," if mark == "." else ".") + _GROUP_MARKS


def _pattern(group, mark):
    mark = re.escape(mark)
    number = rf"(?:\d+(?:{mark}\d*)?|{mark}\d+)"
    if group:
        group = f"[{re.escape(group)}]"
        number = rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{mark}\d*)?|{number})"
    return re.compile(
        rf"[+-]?{number}{_EXPONENT}|[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE
    )


def _marks_every_thousand(cells, mark):
    """Whether all numbers from 1000 on have the mark and smaller ones exist without."""
    plain = [cell.lstrip("+-") for cell in cells if cell != "nan" and mark not in cell]
    return bool(plain) and all(cell.isdigit() and len(cell) <= 3 for cell in plain)


def _statement(marked, mark):
    names = {",": "commas", ".": "points", "'": "apostrophes", "’": "apostrophes"}
    for char in _group(mark):
        example = next((cell for cell in marked if char in cell), None)
        if example is not None:
            return (
                f"{names.get(char, 'blanks')} in values such as {example!r} were read "
                "as thousands separators"
            )
    if mark == ",":
        return f"values such as {marked[0]!r} were read with a decimal comma"
    return ""
