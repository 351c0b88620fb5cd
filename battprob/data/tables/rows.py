"""Rows of one text table: columns, line numbers, and lines that are no rows."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import MISSING, kind
from battprob.data.tables.delimited import parse
from battprob.data.tables.fields import is_blank, split
from battprob.data.tables.irregular import Lines, explain, is_cut
from battprob.data.tables.layout import Layout

_SAMPLE = 1 << 15  # bytes at the start and at the end from which types are guessed


class Rows(NamedTuple):
    """Columns of the rows of a table.

    Attributes:
        columns: one array per field; float64 where every value is a number or missing,
            else object arrays of str.
        lines: line of each row in the file, from 1.
        statements: what was left out, and how marks between digits were read.
        rest: index of the line of the body where another table starts, or None.
    """

    columns: list[np.ndarray]
    lines: np.ndarray
    statements: tuple[str, ...]
    rest: int | None


def read_rows(
    path: Path, body: bytes, layout: Layout, first_line: int | np.ndarray
) -> Rows:
    """Columns of the lines after a header.

    Lines that are no rows are left out with a statement if what they are is certain:
    repeated headers, comments, text after the last row, a last line that is cut short.

    Args:
        path: the file, for messages.
        body: UTF-8 text that starts with the first row.
        layout: separators and header.
        first_line: line of the first row in the file, or the line of every row.

    Raises:
        DataError: a line has too many or too few fields; the message names it.
    """
    ends_open = not body.endswith((b"\n", b"\r"))
    body, delimiter = _delimited(_without_blank_end(body), layout.separator)
    lines = Lines(body, first_line)
    numeric = _numeric(body, delimiter, len(layout.header))
    every = np.arange(len(lines.filled))
    parsed = _parse(path, body, delimiter, numeric, layout.decimal, lines, every)
    regular = np.delete(every, parsed.irregular)
    hard = every[parsed.irregular]
    doubtful = [regular[rows] for rows in parsed.texts.values() if len(rows) < 1000]
    if ends_open and is_cut(body, delimiter):
        doubtful.append(every[-1:])
    soft = np.unique(np.concatenate([every[:0], *doubtful]))
    statements: tuple[str, ...] = ()
    rest = None
    if len(hard) or len(soft):
        explained = explain(lines, hard, soft, layout, delimiter, path=path)
        statements, rest = explained.statements, explained.rest
        kept = np.delete(every[:rest], explained.excluded)
        if not len(kept):
            raise DataError(
                f"{path}, line {lines.number(0)}: the table that starts here has no rows"
            )
        if len(kept) < len(every):
            body = lines.without(np.array(explained.excluded, dtype=int), rest)
            parsed = _parse(path, body, delimiter, numeric, layout.decimal, lines, kept)
            regular = kept
    columns, filled = parsed.columns, _not_empty(parsed.columns)
    if filled is not None:
        columns, regular = [column[filled] for column in columns], regular[filled]
    return Rows(
        columns,
        lines.numbers(regular),
        statements + parsed.statements,
        None if rest is None else int(lines.filled[rest]),
    )


def _parse(path, body, delimiter, numeric, decimal, lines, expected):
    """Columns of the text; every one of the expected lines is a row or is irregular."""
    parsed = parse(body, delimiter, numeric, decimal)
    if len(parsed.columns[0]) + len(parsed.irregular) != len(expected):
        raise _quote_error(path, lines)
    return parsed


def _without_blank_end(body):
    """Text without the lines at its end that have only blanks and separators."""
    end = len(body)
    while end:
        start = max(body.rfind(b"\n", 0, end), body.rfind(b"\r", 0, end)) + 1
        if not is_blank(body[start:end].decode("utf-8", "replace")):
            break
        end = start - 1 if start else 0
    return body if end == len(body) else body[:end]


def _delimited(body, separator):
    """Text with one character between fields, and this character."""
    if separator == "":
        return body, "\x1f"
    if separator == "  ":
        return re.sub(rb"\t+|[ \t]{2,}", b"\t", body), "\t"
    if separator != " ":
        delimiter = separator.encode()
        for blank in (b" ", b"  "):  # a quote after a blank does not open a field
            if delimiter + blank + b'"' in body:
                body = body.replace(delimiter + blank + b'"', delimiter + b'"')
        return body, separator
    if b'"' in body:
        body = re.sub(rb'("[^"\n]*")|[ \t]+', lambda match: match[1] or b"\t", body)
    else:
        # Far faster than a regular expression: a run of n blanks takes log2(n) passes.
        body = body.replace(b" ", b"\t")
        while b"\t\t" in body:
            body = body.replace(b"\t\t", b"\t")
    body = body.strip(b"\t").replace(b"\n\t", b"\n")
    return body.replace(b"\t\n", b"\n").replace(b"\t\r\n", b"\r\n"), "\t"


def _numeric(body, delimiter, width):
    """For every column, whether nine of ten values of a sample are numbers."""
    head = body[:_SAMPLE].split(b"\n")[:200]
    tail = body[-_SAMPLE:].split(b"\n")[-100:]
    if len(body) > _SAMPLE:
        head, tail = head[:-1] or head, tail[1:]
    rows = [split(line.decode("utf-8", "replace"), delimiter) for line in head + tail]
    rows = [row for row in rows if len(row) == width]
    numeric = []
    for column in zip(*rows, strict=True):
        kinds = [kind(cell) for cell in column]
        numbers = kinds.count("number") + kinds.count("missing")
        numeric.append(numbers >= 0.9 * len(kinds))
    return numeric or [True] * width


def _not_empty(columns):
    """Mask of the rows with a value; None if every row has one."""
    rows = np.arange(len(columns[0]))
    for column in sorted(columns, key=lambda column: column.dtype == object):
        values = column[rows]
        if column.dtype == object:
            rows = rows[[cell.lower() in MISSING for cell in values]]
        else:
            rows = rows[np.isnan(values)]
        if not len(rows):
            return None
    keep = np.ones(len(columns[0]), dtype=bool)
    keep[rows] = False
    return keep


def _quote_error(path, lines):
    for index in range(len(lines.filled)):
        if lines.text(index).count('"') % 2:
            return DataError(
                f"{path}, line {lines.number(index)}: a quotation mark opens a field and "
                "no other closes it in this line; remove the mark or the line break"
            )
    return DataError(
        f"{path}: quotation marks join several lines to one; remove them and read again"
    )
