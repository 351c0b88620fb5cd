"""Tables of a text file: layouts are recognised by content."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.eco_chemie import eco_chemie_table
from battprob.data.tables.encoding import decode
from battprob.data.tables.fields import NAMES, split
from battprob.data.tables.formats import name_of
from battprob.data.tables.gamry import gamry_tables
from battprob.data.tables.headers import looks_like_header
from battprob.data.tables.layers import layered_table
from battprob.data.tables.layout import Layout, find_layout
from battprob.data.tables.preamble import preamble
from battprob.data.tables.rows import read_rows
from battprob.data.tables.table import RawTable
from battprob.data.tables.versastudio import versastudio_tables

# Lines and bytes in which the table is looked for: more if the first are not enough.
_SAMPLES = ((300, 1 << 18), (4000, 1 << 21), (30_000, 1 << 24))
_MOST_TABLES = 100  # of different headers; more are a damaged file
_NO_TABLE = {
    b"{": "JSON",
    b"<?xml": "XML",
    b"<!doctype html": "HTML",
    b"<html": "HTML",
    b"%pdf": "PDF",
    b"{\\rtf": "RTF",
}

Special = Callable[[Path, list[str]], tuple[RawTable, ...]]
# Formats with tables that differ from rows after one header, by their first line.
_SPECIAL: tuple[tuple[re.Pattern[str], Special], ...] = (
    (re.compile(r"EXPLAIN\b"), gamry_tables),
    (re.compile(r"<Application>"), versastudio_tables),
    (re.compile(r"VERSION\d+(\.\d+)?\s*$"), eco_chemie_table),
)


def read_text_tables(path: Path, raw: bytes) -> tuple[RawTable, ...]:
    """Tables of a text file in any usual encoding, without interpretation.

    Recognised are separators, decimal commas, thousands separators, lines before the header,
    rows of units, repeated headers, comments, and several tables one after another.

    Args:
        path: the file, for messages; its suffix distinguishes some formats.
        raw: its content.

    Raises:
        DataError: the file has no table, or a row with too many or too few fields.
    """
    text = decode(path, raw)
    start = text.buffer[:4096].lstrip()
    if not text.buffer or text.buffer.isspace():
        raise DataError(f"{path} is empty: it has no rows")
    for mark, name in _NO_TABLE.items():
        if start.lower().startswith(mark):
            raise DataError(
                f"{path} is {name}, not a text table; export the data as csv or text"
            )
    first_line = start.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    for pattern, special in _SPECIAL:
        if pattern.match(first_line):
            lines = text.buffer.decode("utf-8", "replace").replace("\r", "").split("\n")
            tables = special(path, lines)
            break
    else:
        tables = layered_table(path, text.buffer) or _tables(path, text.buffer)
    return tuple(
        replace(table, statements=text.statements + table.statements)
        for table in tables
    )


def _tables(path, buffer):
    tables = []
    rest = (0, 1)
    while rest is not None:
        if len(tables) == _MOST_TABLES:
            raise DataError(
                f"{path} has more than {_MOST_TABLES} tables with different headers; "
                "split the file"
            )
        table, rest = _table(path, buffer, *rest)
        tables.append(table)
    if len(tables) == 1:
        return (tables[0],)
    statement = f"the file has {len(tables)} tables with different headers"
    return tuple(
        replace(
            table,
            label=table.label or f"table {number}",
            statements=(*table.statements, statement),
        )
        for number, table in enumerate(tables, start=1)
    )


def _table(path, buffer, offset, line):
    """Table that starts after an offset, and offset and line of what follows it."""
    lines, label, layout = _find(path, buffer, offset)
    start = _after_lines(buffer, offset, layout.first)
    body = buffer[start:] if start else buffer
    if not body or body.isspace():
        raise DataError(
            f"{path} has a header in line {line + layout.first - 1} but no rows"
        )
    header = b"" if layout.header_line is None else lines[layout.header_line].encode()
    rows = read_rows(path, body, layout, line + layout.first, header)
    before = lines[: layout.first if layout.header_line is None else layout.header_line]
    named = [
        i
        for i, column in enumerate(rows.columns)
        if layout.header[i] or column.dtype == object or not np.isnan(column).all()
    ] or [0]
    suffixes = [suffix for suffix in path.suffixes if suffix.lower() != ".gz"]
    table = RawTable(
        path=path,
        format=name_of(lines, layout.header, layout.separator, "".join(suffixes[-1:])),
        header=tuple(layout.header[i] for i in named),
        columns=tuple(rows.columns[i] for i in named),
        units=None if layout.units is None else tuple(layout.units[i] for i in named),
        lines=rows.lines,
        label=label,
        meta=preamble(before, layout.separator),
        statements=_statements(layout, line) + rows.statements,
    )
    _check_names(table)
    if rows.rest is None:
        return table, None
    after = _after_lines(buffer, start, rows.rest)
    return table, (after, line + layout.first + rows.rest)


def _find(path, buffer, offset):
    """Sampled lines after an offset, label of the table, and its layout."""
    lines, label, layout = [], "", None
    for most_lines, most_bytes in _SAMPLES:
        lines, complete = _sample(buffer, offset, most_lines, most_bytes)
        searched, label = _hide_preamble(lines)
        extra = any(_EXTRA_NAMES.match(text) for text in lines[:3])
        layout = find_layout(searched, path, extra_names=extra)
        if complete or _is_certain(layout, len(lines)):
            break
    if layout is None:
        raise _no_table(path, lines)
    return lines, label, layout


def _no_table(path, lines):
    for number, line in reversed(list(enumerate(lines, start=1))):
        for separator in "\t;,":
            names = split(line, separator)
            if len(names) > 2 and looks_like_header(names, " "):
                return DataError(
                    f"{path} has a header in line {number} but no rows of numbers after "
                    "it"
                )
    return DataError(
        f"{path} has no table of numbers; expected rows of numbers separated by commas, "
        "semicolons, tabs or blanks, after a line with the names of the columns"
    )


def _after_lines(buffer, offset, count):
    """Offset of the line `count` lines after the line at an offset."""
    for _ in range(count):
        offset = buffer.index(b"\n", offset) + 1
    return offset


def _sample(buffer, offset, most_lines, most_bytes):
    """First lines after an offset, and whether they are all."""
    part = buffer[offset : offset + most_bytes]
    parts = part.split(b"\n", most_lines)
    complete = offset + len(part) == len(buffer) and len(parts) <= most_lines
    if not complete and len(parts) > 1:
        parts = parts[:most_lines] if len(parts) > most_lines else parts[:-1]
    return [p.decode("utf-8", "replace").rstrip("\r") for p in parts], complete


def _is_certain(layout: Layout | None, count: int) -> bool:
    """Whether a layout in the first lines cannot be a small table before the data."""
    if layout is None:
        return False
    return layout.header_line is not None and count - layout.first >= 20


_EXTRA_NAMES = re.compile(r"(EC|BT)-Lab ASCII FILE|MACCOR, INC", re.IGNORECASE)
_HEAD_LINES = re.compile(r"Nb header lines\s*:\s*(\d+)", re.IGNORECASE)


def _hide_preamble(lines):
    """Lines with those before the header made empty, for formats that say where it is.

    Returns also the label of the table.
    """
    start = "\n".join(lines[:3])
    header, hidden, label = 0, [], ""
    match = _HEAD_LINES.search(start)
    if match and 0 < int(match[1]) <= len(lines):
        names = split(lines[int(match[1]) - 1], "\t")
        is_header = len(names) > 1 and looks_like_header(names, "\t")
        header = int(match[1]) - 1 if is_header else 0
    elif re.match(r"\s*ZPLOT", start, re.IGNORECASE):
        ends = [i for i, line in enumerate(lines) if line.strip() == "End Comments"]
        if ends:
            header, hidden = max(ends[0] - 1, 0), [ends[0]]
    elif re.match(r"\s*RelaxIS .*export", start, re.IGNORECASE):
        names = [i for i, line in enumerate(lines) if line.startswith("Data:")]
        if names:
            header, hidden = names[0], [names[0] + 1]
            label = " ".join("".join(lines[names[0] + 1 : names[0] + 2]).split())
    elif "[Data]" in lines:
        header = lines.index("[Data]") + 1
    hidden = {*range(header), *hidden}
    return ["" if i in hidden else line for i, line in enumerate(lines)], label


def _statements(layout, line):
    header = "no header"
    if layout.header_line is not None:
        header = f"header in line {line + layout.header_line}"
        if layout.units is not None:
            header += " and units after it"
    fields = f"fields separated by {NAMES[layout.separator]}"
    if layout.separator == "":
        fields = "one field per line"
    statement = (
        f"table with {header}, rows from line {line + layout.first} on, {fields}"
    )
    statement += ", decimal commas" if layout.decimal == "," else ""
    if not layout.ignored:
        return (statement,)
    count, first = len(layout.ignored), line + layout.ignored[0]
    lines = (
        f"line {first} has"
        if count == 1
        else f"{count} lines from line {first} on have"
    )
    return statement, f"{lines} numbers before the header, which are not in the table"


def _check_names(table):
    """Refuse a table with values in a column after those with names."""
    if not any(table.header):
        return
    for name, column in zip(table.header[1:], table.columns[1:], strict=True):
        if name:
            continue
        row = next(i for i, cell in enumerate(column) if str(cell) not in ("", "nan"))
        raise DataError(
            f"{table.location(row)}: the row has a value in a column without a name; "
            "repair the header or the row, or export the file again"
        )
