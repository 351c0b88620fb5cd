"""Lines among the rows of a text table that are no rows."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import kind
from battprob.data.tables.fields import NAMES, comment_body, split
from battprob.data.tables.headers import is_quantity, looks_like_header
from battprob.data.tables.layout import Layout, find_layout
from battprob.data.tables.lines import Lines

_MOST_PREAMBLE = 300  # lines before the header of a file that was appended
_AHEAD = 400  # lines in which another table is looked for
_ENDINGS = {  # of statements about one line and about several lines
    "header": ("repeats the header", "repeat the header"),
    "comment": ("is a comment", "are comments"),
    "footer": ("after the last row is no row", "after the last row are no rows"),
    "cut": ("the last one, is cut short", ""),
}
_TAIL = 1 << 15  # bytes at the end that hold 21 lines of usual length


class Explained(NamedTuple):
    """Lines to leave out, by index, and why.

    `rest` is the index of the line where another table starts, or None.
    """

    excluded: list[int]
    statements: tuple[str, ...]
    rest: int | None


def explain(
    lines: Lines,
    hard: np.ndarray,
    soft: np.ndarray,
    layout: Layout,
    delimiter: str,
    *,
    path: Path,
    cut: bool = False,
) -> Explained:
    """What the lines are that are no rows.

    Args:
        lines: all lines after the header.
        hard: indices of lines with too many or too few fields.
        soft: indices of lines with text in columns of numbers; they stay rows if they
            are nothing else.
        layout: separators and header.
        delimiter: character between the fields.
        path: the file, for messages.
        cut: whether the last line is cut within its last number.

    Raises:
        DataError: a line of `hard` can be a damaged row.
    """
    irregular, doubtful = set(hard.tolist()), set(soft.tolist())
    table = _Table(lines, layout, delimiter, irregular, irregular | doubtful, cut)
    groups: dict[str, list[int]] = {name: [] for name in _ENDINGS}
    excluded: set[int] = set()
    rest = None
    for index in sorted(irregular | doubtful):
        if index in excluded:
            continue
        cells = split(lines.text(index), delimiter)
        group = _group(table, index, cells)
        if group == "footer" and looks_like_header(cells, delimiter):
            group = "" if _starts_table(lines, index, path) else group
        if group:
            groups.setdefault(group, []).append(index)
            excluded.add(index)
            continue
        if index in irregular:
            header = _next_header(lines, index, layout, delimiter)
            if header is not None:
                excluded.update(range(index, header))
                continue
            if not _starts_table(lines, index, path):
                raise _error(path, lines, index, cells, layout)
        elif not _is_other_header(lines, index, cells, delimiter):
            continue
        rest = index
        break
    return Explained(sorted(excluded), _statements(lines, groups), rest)


class _Table:
    """Rows of a table and the lines among them that may be no rows."""

    def __init__(self, lines, layout, delimiter, irregular, suspects, cut):
        self.lines = lines
        self.layout = layout
        self.irregular = irregular
        self.cut = cut
        self.count = len(lines.filled)
        self.last_row = self.count - 1
        while self.last_row in suspects:
            self.last_row -= 1
        # A footer is recognised by text in place of the first number.
        self.starts_with_text = self.last_row >= 0 and (
            kind(split(lines.text(self.last_row), delimiter)[0]) == "text"
        )


def _group(table, index, cells):
    """What a line is that is no row; empty if it is a row or cannot be recognised."""
    layout, width = table.layout, len(table.layout.header)
    for group, names in (("header", layout.header), ("units", layout.units or ())):
        if _repeats(cells, names):
            return group
    if comment_body(table.lines.text(index)) is not None and kind(cells[0]) == "text":
        return "comment"
    if not 0 <= table.last_row < index:
        return ""
    is_irregular = index in table.irregular
    if index == table.count - 1 and _is_row(cells):
        is_short = len(cells) < width
        if is_short if is_irregular else table.cut or _is_prefix(cells[-1]):
            return "cut"
    if not table.starts_with_text and _is_footer(cells, width, is_irregular):
        return "footer"
    return ""


def is_cut(body: bytes, delimiter: str) -> bool:
    """Whether the last number of a text without final line end is shorter than others.

    The instrument must write the column with a fixed number of decimals or digits of
    the exponent.
    """
    tail = [line for line in body[-_TAIL:].split(b"\n") if line.strip()][-21:]
    cells = [split(line.decode("utf-8", "replace"), delimiter)[-1] for line in tail]
    if len(cells) < 21 or not cells[-1]:
        return False
    *before, last = [_DIGITS.fullmatch(cell) for cell in cells]
    if last is None or None in before:
        return False
    for part in (1, 2):
        lengths = {len((match and match[part]) or "") for match in before}
        if len(lengths) == 1 and len(last[part] or "") < lengths.pop():
            return True
    return False


_DIGITS = re.compile(r"[+-]?\d*[.,]?(\d*)([eE][+-]?\d*)?")


def _is_prefix(cell):
    """Whether a cell is no number but can be the start of one, such as `1.5E-`."""
    return kind(cell) == "text" and _DIGITS.fullmatch(cell) is not None


def _repeats(cells, names):
    strip = [cell.lstrip("\ufeff~# ").strip('"') for cell in cells]
    names = [name.lstrip("~# ") for name in names]
    return any(names) and [c for c in strip if c] == [name for name in names if name]


def _is_row(cells):
    """Whether cells before the last are numbers, times or words as in a row."""
    kinds = [kind(cell) for cell in cells]
    return kinds[0] in ("number", "time") or "number" in kinds[:-1]


def _is_footer(cells, width, is_irregular):
    """Whether a line after the last row is text, such as `Total rows: 100`.

    A line with the right number of fields must have fewer numbers: it may be a row.
    """
    kinds = [kind(cell) for cell in cells]
    numbers = kinds.count("number") + kinds.count("time")
    most = 0.5 * width if is_irregular else 0.5 * width - 1
    return kinds[0] == "text" and numbers <= most


def _next_header(lines, index, layout, delimiter):
    """Index of a repeated header after lines of text that start at `index`, or None."""
    if not any(layout.header):
        return None
    for ahead in range(index, min(index + _MOST_PREAMBLE, len(lines.filled))):
        cells = split(lines.text(ahead), delimiter)
        if _repeats(cells, layout.header):
            return ahead
        numbers = sum(kind(cell) in ("number", "time") for cell in cells)
        if numbers > 0.5 * len(layout.header):
            return None
    return None


def _starts_table(lines, index, path):
    """Whether another table with another header starts soon after a line."""
    stop = min(index + _AHEAD, len(lines.filled))
    texts = [lines.text(i) for i in range(index, stop)]
    try:
        other = find_layout(texts, path)
    except DataError:
        return False
    return (
        other is not None
        and other.header_line is not None
        and other.header_line < _MOST_PREAMBLE
        and len(split(texts[other.header_line], other.separator)) >= len(other.header)
        and all(_is_text(texts[i]) for i in range(other.header_line))
        and len(other.header) > 1
    )


def _is_other_header(lines, index, cells, delimiter):
    """Whether a line with the right number of fields is the header of another table."""
    below = (
        split(lines.text(index + 1), delimiter) if index + 1 < len(lines.filled) else []
    )
    numbers = sum(kind(cell) in ("number", "time") for cell in below)
    return (
        len(below) == len(cells) == len(set(cells))
        and all(kind(cell) == "text" and is_quantity(cell) for cell in cells)
        and numbers > 0.5 * len(cells)
    )


def _is_text(line):
    cells = line.split()
    return not cells or sum(kind(c) == "number" for c in cells) <= 0.5 * len(cells)


def _statements(lines, groups):
    statements = []
    for group, (one, several) in _ENDINGS.items():
        if indices := groups[group]:
            comma = "," if group == "cut" else ""
            was = "was" if len(indices) == 1 else "were"
            example = lines.text(indices[0]).strip()[:40]
            statements.append(
                f"{_places(lines, indices)}{comma} "
                f"{one if len(indices) == 1 else several} and {was} left out: {example!r}"
            )
    return tuple(statements)


def _places(lines, indices):
    numbers = [str(lines.number(index)) for index in indices]
    if len(numbers) > 5:
        return f"{len(numbers)} lines, the first of them line {numbers[0]},"
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    return f"lines {', '.join(numbers[:-1])} and {numbers[-1]}"


def _error(path, lines, index, cells, layout):
    width = len(layout.header)
    return DataError(
        f"{path}, line {lines.number(index)}: expected {width} fields separated by "
        f"{NAMES[layout.separator]}, found {len(cells)}; repair or delete the line, or "
        "export the file again"
    )
