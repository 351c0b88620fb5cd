"""Tables and paragraphs as text for a terminal."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

_WIDTH = 88
_LONGEST_CELL = 40


def table_lines(frame: Any, max_rows: int = 12) -> list[str]:
    """Lines of a DataFrame: text on the left, numbers on the right, four digits.

    Args:
        frame: the table.
        max_rows: of a longer table, the rows in the middle are left out.
    """
    rows = list(range(len(frame)))
    if len(rows) > max_rows:
        half = max_rows // 2
        rows = [*rows[:half], None, *rows[-half:]]
    columns = []
    for name in frame:
        values = frame[name].tolist()
        is_text = any(isinstance(value, str) for value in values)
        cells = ["…" if row is None else _cell(values[row]) for row in rows]
        width = max(map(len, [str(name), *cells]))
        align = "<" if is_text else ">"
        columns.append([f"{cell:{align}{width}}" for cell in (str(name), *cells)])
    return ["  " + "  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def paragraph(text: str, first: str = "  ") -> list[str]:
    """Lines of a text, the first one after `first`, the others indented by its width."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def counts(words: Sequence[str]) -> str:
    """Number of each word, the most frequent first: `20 charge, 18 rest`."""
    names, numbers = np.unique(list(words), return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return ", ".join(f"{numbers[i]} {names[i]}" for i in order)


def shortened(text: str, length: int) -> str:
    """A text of at most this length; a longer one ends with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _cell(value):
    if isinstance(value, float):
        return "-" if np.isnan(value) else f"{value:.4g}"
    return shortened(str(value), _LONGEST_CELL)
