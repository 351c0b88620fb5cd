"""Lines among the rows of a text table that are no rows."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import kind
from battprob.data.tables.fields import NAMES, comment_body, split
from battprob.data.tables.layout import Layout, find_layout

_MOST_PREAMBLE = 300  # lines before the header of a file that was appended
_AHEAD = 400  # lines in which another table is looked for
_TAIL = 1 << 15  # bytes at the end that hold 21 lines of usual length


class Lines:
    """Lines of a text that are not empty, by index."""

    def __init__(self, body: bytes, first_line: int | np.ndarray):
        self.body = body
        self._first = first_line
        self._all = np.zeros(0, dtype=np.int64)
        self._starts: np.ndarray | None = None
        if b"\n\n" in body or b"\n\r\n" in body or body.startswith((b"\n", b"\r\n")):
            starts, ends = self._bounds()
            empty = (starts == ends) | (
                (ends - starts == 1)
                & (
                    np.frombuffer(body, np.uint8)[np.minimum(starts, len(body) - 1)]
                    == 13
                )
            )
            self.filled = np.flatnonzero(~empty)
        else:
            self.filled = np.arange(body.count(b"\n") + 1)

    def _bounds(self):
        if self._starts is None:
            newlines = np.flatnonzero(np.frombuffer(self.body, np.uint8) == 10)
            self._starts = np.concatenate([[0], newlines + 1])
            self._all = np.concatenate([newlines, [len(self.body)]])
        return self._starts, self._all

    def text(self, index: int) -> str:
        """Text of the line with an index among the lines that are not empty."""
        starts, ends = self._bounds()
        line = self.filled[index]
        return (
            self.body[starts[line] : ends[line]].decode("utf-8", "replace").strip("\r")
        )

    def numbers(self, indices: np.ndarray) -> np.ndarray:
        """Lines in the file, from 1."""
        if isinstance(self._first, np.ndarray):
            return self._first[self.filled[indices]]
        return self.filled[indices] + self._first

    def number(self, index: int) -> int:
        """Line in the file, from 1."""
        return int(self.numbers(np.array([index]))[0])

    def without(self, indices: np.ndarray, stop: int | None) -> bytes:
        """Text without some lines, and without all lines from `stop` on."""
        starts, ends = self._bounds()
        end = len(self.body) if stop is None else starts[self.filled[stop]]
        parts, position = [], 0
        for line in self.filled[indices]:
            parts.append(self.body[position : starts[line]])
            position = ends[line] + 1
        return b"".join([*parts, self.body[position:end]])


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

    Raises:
        DataError: a line of `hard` can be a damaged row.
    """
    count, width = len(lines.filled), len(layout.header)
    irregular, doubtful = set(hard.tolist()), set(soft.tolist())
    last_row = _last(count, irregular | doubtful)
    # A footer is recognised by text in place of the first number.
    texts_first = last_row >= 0 and (
        kind(split(lines.text(last_row), delimiter)[0]) == "text"
    )
    groups: dict[str, list[int]] = {
        "header": [],
        "comment": [],
        "footer": [],
        "cut": [],
    }
    excluded: set[int] = set()
    rest = None
    for index in sorted(irregular | doubtful):
        if index in excluded:
            continue
        text = lines.text(index)
        cells = split(text, delimiter)
        is_short = len(cells) < width if index in irregular else _is_prefix(cells[-1])
        if _repeats(cells, layout.header):
            groups["header"].append(index)
        elif layout.units and _repeats(cells, layout.units):
            pass
        elif comment_body(text) is not None and kind(cells[0]) == "text":
            groups["comment"].append(index)
        elif index == count - 1 and last_row >= 0 and is_short and _is_row(cells):
            groups["cut"].append(index)
        elif index > last_row >= 0 and not texts_first and _is_footer(cells, width):
            groups["footer"].append(index)
        elif index not in irregular:
            continue
        else:
            header = _next_header(lines, index, layout, delimiter)
            if header is None and _starts_table(lines, index, path):
                rest = index
                break
            if header is None:
                raise _error(path, lines, index, cells, layout)
            excluded.update(range(index, header))
            continue
        excluded.add(index)
    return Explained(sorted(excluded), _statements(lines, groups), rest)


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
    """Whether a cell that is no number can be the start of one."""
    return re.fullmatch(r"[+-]?\d*[.,]?\d*([eE][+-]?\d*)?", cell) is not None


def _last(count, irregular):
    index = count - 1
    while index in irregular:
        index -= 1
    return index


def _repeats(cells, names):
    strip = [cell.lstrip("\ufeff~# ").strip('"') for cell in cells]
    names = [name.lstrip("~# ") for name in names]
    return any(names) and [c for c in strip if c] == [name for name in names if name]


def _is_row(cells):
    """Whether cells before the last are numbers, times or words as in a row."""
    kinds = [kind(cell) for cell in cells]
    return kinds[0] in ("number", "time") or "number" in kinds[:-1]


def _is_footer(cells, width):
    """Whether a line after the last row is text, such as `Total rows: 100`."""
    kinds = [kind(cell) for cell in cells]
    numbers = kinds.count("number") + kinds.count("time")
    return kinds[0] == "text" and numbers <= 0.5 * width


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
    """Whether another table with a header of its own starts soon after a line."""
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
        and all(_is_text(texts[i]) for i in range(other.header_line))
        and len(other.header) > 1
    )


def _is_text(line):
    cells = line.split()
    return not cells or sum(kind(c) == "number" for c in cells) <= 0.5 * len(cells)


def _statements(lines, groups):
    endings = {
        "header": ("repeats the header", "repeat the header"),
        "comment": ("is a comment", "are comments"),
        "footer": ("after the last row is no row", "after the last row are no rows"),
        "cut": ("the last one, is cut short", ""),
    }
    statements = []
    for group, (one, several) in endings.items():
        if indices := groups[group]:
            comma = "," if group == "cut" else ""
            was = "was" if len(indices) == 1 else "were"
            example = lines.text(indices[0]).strip()[:40]
            statements.append(
                f"{_places(lines, indices)}{comma} "
                f"{one if len(indices) == 1 else several} and {was} left out: {example!r}."
            )
    return tuple(statements)


def _places(lines, indices):
    numbers = [str(lines.number(index)) for index in indices]
    if len(numbers) > 5:
        return f"{len(numbers)} lines, the first of them line {numbers[0]},"
    if len(numbers) == 1:
        return f"Line {numbers[0]}"
    return f"Lines {', '.join(numbers[:-1])} and {numbers[-1]}"


def _error(path, lines, index, cells, layout):
    width = len(layout.header)
    return DataError(
        f"{path}, line {lines.number(index)}: expected {width} fields separated by "
        f"{NAMES[layout.separator]}, found {len(cells)}; repair or delete the line, or "
        "export the file again"
    )
