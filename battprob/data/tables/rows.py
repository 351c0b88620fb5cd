"""Rows of one text table: columns, line numbers, and lines that are no rows."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import MISSING, kind
from battprob.data.tables.delimited import parse
from battprob.data.tables.fields import is_blank, split
from battprob.data.tables.irregular import explain, is_cut
from battprob.data.tables.layout import Layout
from battprob.data.tables.lines import Lines

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
    path: Path,
    body: bytes,
    layout: Layout,
    first_line: int | np.ndarray,
    header: bytes = b"",
) -> Rows:
    """Columns of the lines after a header.

    Lines that are no rows are left out with a statement if what they are is certain:
    repeated headers, comments, text after the last row, a last line that is cut short.

    Args:
        path: the file, for messages.
        body: UTF-8 text that starts with the first row.
        layout: separators and header.
        first_line: line of the first row in the file, or the line of every row.
        header: the line of the header, to find its repetitions fast.

    Raises:
        DataError: a line has too many or too few fields; the message names it.
    """
    ends_open = not body.endswith((b"\n", b"\r"))
    body, delimiter = _delimited(_without_blank_end(body), layout.separator)
    lines = Lines(body, first_line)
    numeric = _numeric(body, delimiter, len(layout.header))
    # A repeated header would make every column text, which takes long.
    removed = lines.equal_to(header)
    part = lines.without(removed, None) if len(removed) else body
    parsed = parse(part, delimiter, numeric, layout.decimal)
    kept = _kept(path, lines, parsed, removed)
    regular = np.delete(kept, parsed.irregular)
    hard = np.union1d(kept[parsed.irregular], removed)
    doubtful = [regular[rows] for rows in parsed.texts.values() if len(rows) < 1000]
    cut = ends_open and is_cut(body, delimiter)
    if cut:
        doubtful.append(np.array([len(lines.filled) - 1]))
    soft = np.unique(np.concatenate([removed[:0], *doubtful]))
    statements: tuple[str, ...] = ()
    rest = None
    if len(hard) or len(soft):
        explained = explain(lines, hard, soft, layout, delimiter, path=path, cut=cut)
        statements, rest = explained.statements, explained.rest
        excluded = np.array(explained.excluded, dtype=int)
        regular = np.delete(np.arange(len(lines.filled))[:rest], excluded)
        if not len(regular):
            raise DataError(
                f"{path}, line {lines.number(0)}: the table that starts here has no rows"
            )
        if rest is not None or not np.array_equal(excluded, removed):
            part = lines.without(excluded, rest)
            parsed = parse(part, delimiter, numeric, layout.decimal)
            if len(parsed.columns[0]) != len(regular):
                raise _quote_error(path, lines)
    columns, filled = parsed.columns, _not_empty(parsed.columns)
    if filled is not None:
        columns, regular = [column[filled] for column in columns], regular[filled]
    return Rows(
        columns,
        lines.numbers(regular),
        statements + parsed.statements,
        None if rest is None else int(lines.filled[rest]),
    )


def _kept(path, lines, parsed, removed):
    """Indices of the lines that were parsed, all of which are rows or irregular."""
    parsed_lines = len(parsed.columns[0]) + len(parsed.irregular)
    if not len(removed):
        lines.expect(parsed_lines)
    kept = np.delete(np.arange(len(lines.filled)), removed)
    if parsed_lines != len(kept):
        raise _quote_error(path, lines)
    return kept


def _without_blank_end(body):
    """Text without the lines at its end that have only blanks and separators."""
    end = len(body)
    while end:
        start = body.rfind(b"\n", 0, end) + 1
        if not is_blank(body[start:end].decode("utf-8", "replace")):
            break
        end = max(start - 1, 0)
    # One line end does not matter: a copy of a long text is avoided.
    return body if end >= len(body) - 2 and body[end:].isspace() else body[:end]


def _delimited(body, separator):
    """Text with one character between fields, and this character."""
    if separator == "":
        return body, "\x1f"
    if separator.strip(" "):
        delimiter = separator.encode()
        if b'"' in body:  # a quote after a blank would not open a field
            for blank in (b" ", b"  "):
                body = body.replace(delimiter + blank + b'"', delimiter + b'"')
        return body, separator
    if separator == "  ":
        body = re.sub(rb"\t+|[ \t]{2,}", b"\t", body)
    elif b'"' in body:
        body = re.sub(rb'("[^"\n]*")|[ \t]+', lambda match: match[1] or b"\t", body)
    else:
        # Far faster than a regular expression: a run of n blanks takes log2(n) passes.
        body = body.replace(b" ", b"\t")
        while b"\t\t" in body:
            body = body.replace(b"\t\t", b"\t")
    body = body.strip(b" \t").replace(b"\n\t", b"\n").replace(b"\t\n", b"\n")
    return body.replace(b"\t\r\n", b"\r\n") if b"\r" in body else body, "\t"


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
