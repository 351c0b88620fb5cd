"""Kinds of the cells of a text table: number, missing value, time, text."""

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["number", "missing", "time", "text"]

# Spellings of a missing value, in lower case: of pandas, Excel, LabVIEW and of C.
MISSING = frozenset(
    (
        "", "nan", "-nan", "n/a", "n.a.", "na", "null", "none", "-", "--", "---",
        "#n/a", "#nv", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#ind", "1.#ind",
    )
)  # fmt: skip

# `1.5D-3` is the exponent of Fortran's double precision.
_NUMBER = re.compile(
    r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eEdD][+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[+-]?\d{1,3}(?:\.\d{3})+,\d*")
_FLOAT = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
# `1-2j`, `(1-2j)`, `1-2i`, `1-2*j`, `1-j2`, without blanks.
COMPLEX = re.compile(
    rf"\(?(?P<re>[+-]?{_FLOAT})(?P<sign>[+-])"
    rf"(?:(?P<im>{_FLOAT})\*?[ijIJ]|[ijIJ]\*?(?P<after>{_FLOAT}))\)?"
)
_TIME = re.compile(
    r"[+-]?(?:\d+\s*d(?:ays?)?\b,?\s*|\d+[.-])?\d+:\d{1,2}(?::\d{1,2}(?:[.,]\d*)?)?"
    r"(?:\s*[AP]\.?M\.?)?"  # 0d 00:00:05, 1.02:03:04, 6:04:18 PM
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}(?:[T,\s].*)?"  # 2010-09-02 14:35:40, 9/2/2010
    r"|\d{1,2}[-\s.]+[A-Za-z]{3,9}[-\s.,]+\d{2,4}(?:[,\s].*)?"  # 23-Nov-23 3:56:11 PM
    r"|(?:[A-Za-z]+,\s*)?[A-Za-z]{3,9}\.?\s+\d{1,2},\s*\d{4}(?:[,\s].*)?",
    re.IGNORECASE,
)


@lru_cache(maxsize=1 << 14)
def kind(cell: str) -> Kind:
    """Kind of a cell; a number may have a decimal comma or thousands separators.

    Example:
        >>> [kind(cell) for cell in ("3,04", "1,350.0", "N/A", "0d 00:00:05", "CC")]
        ['number', 'number', 'missing', 'time', 'text']
    """
    cell = cell.strip()
    if cell.lower() in MISSING:
        return "missing"
    if _NUMBER.fullmatch(cell) or _GROUPED.fullmatch(cell):
        return "number"
    return "time" if _TIME.fullmatch(cell) else "text"


def decimal_mark(cells: list[str]) -> Literal[".", ",", ""]:
    """Decimal mark of numbers that can have no other reading; empty if unknown.

    `1,350` is a decimal number or a number with a thousands separator. Such cells are
    ignored; `0,350`, `12,5` and `1,350E+02` are counted. The more frequent mark is
    returned.

    Example:
        >>> decimal_mark(["3,04", "12"]), decimal_mark(["1,350"])
        (',', '')
    """
    count = {
        mark: sum(
            mark in cell
            and _NUMBER.fullmatch(cell) is not None
            and _AMBIGUOUS.fullmatch(cell) is None
            for cell in map(str.strip, cells)
        )
        for mark in ",."
    }
    if not any(count.values()):
        return ""
    return "," if count[","] > count["."] else "."


_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
