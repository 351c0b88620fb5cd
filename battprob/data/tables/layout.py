"""Where the table of a text starts, how its fields are separated, and its header."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from battprob._errors import DataError
from battprob.data.tables.cells import decimal_mark, kind
from battprob.data.tables.fields import NAMES, SEPARATORS, comment_body, is_blank, split
from battprob.data.tables.headers import (
    Width,
    header_of,
    is_quantity,
    is_units,
    looks_like_header,
    own_names,
)

_MOST_ROWS = 400  # rows of a run that are classified
_MOST_MARKERS = 3  # lines of text between the header and the first row
_CLEAN = 0.75  # fraction of numbers and times in rows that need no header
# Blanks also occur within dates and texts, and any line has one field.
_PENALTY = {" ": 0.1, "  ": 0.15, "": 0.3}


_COUNT = re.compile(r"\s*(\d{1,7})\s*")
_DAMAGED = re.compile(r"(?!\s*\d+\s*$)(?=.*\d)[\d.,;:|+\-eE\s]+")


@dataclass(frozen=True)
class Layout:
    """Layout of one table in a list of lines.

    Attributes:
        separator: one of `fields.SEPARATORS`.
        header: one name per field of a row; all empty if there is no header.
        units: unit of each column from a row of units; None without one.
        header_line: index of the header's line; None without a header.
        first: index of the line of the first row.
        decimal: decimal mark of unambiguous numbers in the rows; empty if unknown.
        score: fraction of cells that are numbers or times, higher with a header.
        ignored: indices of lines of numbers before the header.
    """

    separator: str
    header: tuple[str, ...]
    units: tuple[str, ...] | None
    header_line: int | None
    first: int
    decimal: str
    score: float
    ignored: tuple[int, ...] = ()


@dataclass
class _Run:
    """Successive rows with the same number of fields."""

    width: int
    rows: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    numbers: int = 0
    texts: int = 0

    def clean(self):
        return self.numbers / max(self.numbers + self.texts, 1)

    def filled(self):
        """Number of fields before those that are empty in all rows."""
        empty = 0
        while empty < self.width and not any(c[-1 - empty] for c in self.cells):
            empty += 1
        return self.width - empty


def find_layout(
    lines: list[str], path: Path, *, extra_names: bool = False
) -> Layout | None:
    """Layout of the first table in some lines; None if there is no table.

    A row has numbers or times in at least three of ten non-empty fields. Every
    separator is tried. The one is chosen that leaves the fewest cells as text and that also
    splits the line before the rows into as many names.

    Raises:
        DataError: the line before the rows has another number of names than they have
            fields.
    """
    best, error = None, None
    for separator in SEPARATORS:
        if separator.strip(" ") and not any(separator in line for line in lines):
            continue
        try:
            layout = _with_separator(lines, separator, path, extra_names)
        except DataError as problem:
            error = error or problem
            if separator.strip(" "):
                break  # blanks within the names could give their number by chance
            continue
        if layout is not None and (best is None or layout.score > best.score + 1e-9):
            best = layout
        if best is not None and best.score >= 1.5:
            break
    if error is not None and (best is None or best.header_line is None):
        raise error
    return best


def _with_separator(lines, separator, path, extra_names):
    runs = _runs(lines, separator)
    runs = [run for run in runs if separator != "" or len(run.rows) >= 3]
    if not runs:
        return None
    extra = extra_names and bool(separator.strip(" "))
    largest = sorted(runs, key=lambda run: -run.numbers)[:5]
    headers = {}
    for run in [*largest, *runs[:10]]:
        if id(run) not in headers:
            width = Width(run.width, run.filled(), extra)
            first = run.rows[0]
            headers[id(run)] = header_of(lines, first, width, separator, _MOST_MARKERS)
    main = max(largest, key=lambda run: (3 if headers[id(run)] else 1) * run.numbers)
    run = _first_table(runs, headers, main)
    header = headers[id(run)]
    decimal = decimal_mark(
        [c for r in runs if r.width == run.width for row in r.cells for c in row]
    )
    if header is None:
        return _headerless(lines, run, separator, path, decimal)
    last, names = header
    equal = [i for i in range(last) if lines[i] == lines[last] and lines[i].strip()]
    line = equal[0] if equal else last  # the first of several equal headers
    width = Width(run.width, run.filled(), extra)
    names, units, line, first = _units(lines, line, names, separator, width)
    first = _after_count(lines, first, run)
    ignored = [
        i
        for r in runs
        for i in r.rows
        if i < line and r.clean() >= _CLEAN and r.width > 2
    ]
    score = run.clean() + 0.5 - _PENALTY.get(separator, 0.0)
    return Layout(
        separator, names, units, line, first, decimal, score, tuple(sorted(ignored))
    )


def _first_table(runs, headers, main):
    """The first run that is a table: the largest one, or another one before it.

    Another one has as many fields (damaged rows may lie between), or at least five rows.
    """
    for run in runs:
        if run is main:
            break
        if headers.get(id(run)) is None or run.clean() < _CLEAN or run.width < 2:
            continue
        if run.width == main.width or (len(run.rows) >= 5 and run.width > 2):
            return run
    return main


def _runs(lines, separator):
    runs: list[_Run] = []
    broken = True
    for i, line in enumerate(lines):
        if is_blank(line) or comment_body(line) is not None:
            continue
        cells = split(line, separator)
        numbers, texts = _count(cells)
        if (
            not numbers
            or numbers < 0.3 * (numbers + texts)
            or (len(cells) < 2 and separator != "")
        ):
            broken = True
            continue
        if broken or runs[-1].width != len(cells):
            runs.append(_Run(len(cells)))
            broken = False
        run = runs[-1]
        run.rows.append(i)
        run.numbers += numbers
        run.texts += texts
        if len(run.cells) < _MOST_ROWS:
            run.cells.append(cells)
    return runs


def _count(cells):
    kinds = [kind(cell) for cell in cells]
    return kinds.count("number") + kinds.count("time"), kinds.count("text")


def _units(lines, line, names, separator, width):
    """Names, units, header line and first row, given the line nearest to the rows.

    The units are in the nearest line, in the one before it (a line of comments follows,
    as Origin writes it), or after the names.
    """
    units = names
    unit_line = line
    for _ in range(2):
        above = _previous(lines, unit_line)
        if above is None:
            break
        upper = own_names(lines[above], width, separator)
        if upper is None or not looks_like_header(upper, separator):
            break
        if is_units(units) and not is_units(upper):
            return tuple(upper), tuple(units), above, line + 1
        units, unit_line = upper, above
    first, units = line + 1, None
    while first < len(lines) and is_blank(lines[first]):
        first += 1
    if first < len(lines):
        below = own_names(lines[first], width, separator)
        if below is not None and is_units(below):
            units, first = tuple(below), first + 1
    return tuple(names), units, line, first


def _after_count(lines, first, run):
    """First row after a line that has only the number of rows, if there is one."""
    match = _COUNT.fullmatch(lines[first]) if first < len(lines) else None
    if match is None or run.width < 2:
        return first
    below = [i for i in run.rows if i > first]
    is_sampled = not below or below[-1] < len(lines) - 1
    if int(match[1]) == len(below) or (int(match[1]) > len(below) and not is_sampled):
        return first + 1
    return first


def _previous(lines, line):
    above = [i for i in range(max(line - 3, 0), line) if not is_blank(lines[i])]
    return above[-1] if above else None


def _headerless(lines, run, separator, path, decimal):
    """Layout of rows without a header."""
    above = _previous(lines, run.rows[0])
    if above is not None and separator != "" and len(run.rows) > 1:
        _check_no_header(lines, above, run, separator, path)
    if len(run.rows) < 2 or run.clean() < _CLEAN:
        return None
    # Rows before the run with as many numbers are rows too, and other numbers next to
    # them are a damaged row: both are reported when the table is read. A whole number
    # may be the number of rows.
    first = run.rows[0]
    for i in range(first - 1, -1, -1):
        cells = [] if is_blank(lines[i]) else split(lines[i], separator)
        is_row = len(cells) == run.width > 1 and _count(cells) == (run.width, 0)
        is_date = kind(lines[i]) == "time"
        if is_row or (first - i <= 2 and _DAMAGED.fullmatch(lines[i]) and not is_date):
            first = i
    score = run.clean() - _PENALTY.get(separator, 0.0)
    return Layout(separator, ("",) * run.width, None, None, first, decimal, score)


def _check_no_header(lines, above, run, separator, path):
    names = [name for name in split(lines[above], separator) if name]
    texts = [name for name in names if kind(name) == "text"]
    known = len(texts) > 1 and all(map(is_quantity, texts))
    if known or (len(texts) >= 3 and looks_like_header(texts, " ")):
        raise DataError(
            f"{path}, line {above + 1}: the header has {len(names)} names, but the rows "
            f"after it have {run.width} fields separated by {NAMES[separator]}; repair "
            "the header or export the file again"
        )
