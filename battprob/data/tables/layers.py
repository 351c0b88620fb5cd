"""Neware's layered text: rows of cycles, of their steps, and of the records of a step."""

import re
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import decimal_mark, kind
from battprob.data.tables.fields import split
from battprob.data.tables.layout import Layout
from battprob.data.tables.numbers import to_numbers
from battprob.data.tables.rows import read_rows
from battprob.data.tables.table import RawTable

_STEP_COLUMN = re.compile(
    r"index|number|\bid\b|\bno\b|type|name|state|status|mode", re.I
)
_MEASURED = re.compile(r"time|volt|curr|cap|ener|\(|temp", re.I)
_MARK = re.compile(r"cycle|step|record|datapoint|data\s?point|index|\bid\b", re.I)


def layered_table(path: Path, buffer: bytes) -> tuple[RawTable, ...]:
    """Records of a layered export, with columns of their cycle and step added.

    Two or three header lines begin with no, one and two empty fields: names of the
    cycle rows, step rows and record rows. Rows begin in the same way. The
    first step row may follow in the line of its cycle row. Returns nothing for other files.

    Raises:
        DataError: a line is none of these rows.
    """
    headers, separator = _headers(buffer)
    if not headers:
        return ()
    depth = len(headers) - 1
    prefix = re.escape(separator.encode() * depth)
    other = re.escape(separator.encode())
    body = buffer.replace(b"\r", b"").split(b"\n", len(headers))[len(headers) :]
    body = body[0] if body else b""
    # Lines that are no records: cycle and step rows, blank lines.
    pattern = re.compile(rb"^(?!%s[^%s\n])[^\n]*(?:\n|\Z)" % (prefix, other), re.M)
    parts, numbers, state_numbers = [], [], []
    state: list[list[str]] = [[] for _ in headers[:-1]]
    states: list[list[list[str]]] = []
    position, line = 0, len(headers) + 1
    for match in [*pattern.finditer(body), None]:
        stop = len(body) if match is None else match.start()
        if stop > position:
            part = body[position:stop]
            count = part.count(b"\n") + (not part.endswith(b"\n"))
            parts.append(part)
            numbers.append(np.arange(line, line + count))
            state_numbers.append(np.full(count, len(states)))
            states.append([list(fields) for fields in state])
            line += count
        if match is None or match.start() == len(body):
            break
        _update(
            state, match[0].decode("utf-8", "replace"), headers, separator, path, line
        )
        position, line = match.end(), line + 1
    if not parts:
        raise DataError(f"{path} has headers of cycles and records but no records")
    return (
        _assembled(
            path, headers, separator, b"".join(parts), numbers, state_numbers, states
        ),
    )


def _headers(buffer):
    """Names of each level and the separator; nothing if the file has no levels."""
    lines = [
        line.decode("utf-8", "replace").strip("\r")
        for line in buffer[: 1 << 16].split(b"\n")[:4]
    ]
    for separator in (",", "\t", ";"):
        headers = []
        for level, line in enumerate(lines[:3]):
            fields = split(line, separator)
            while fields and not fields[-1]:
                fields.pop()
            named = fields[level:]
            empty = len(fields) > level + 1 and not any(fields[:level])
            texts = sum(kind(name) == "text" for name in named)
            if (
                not empty
                or not named[0]
                or texts < len(named)
                or not _MARK.search(named[0])
            ):
                break
            headers.append(named)
        if len(headers) > 1:
            return headers, separator
    return [], ","


def _update(state, text, headers, separator, path, line):
    """Set the fields of the present cycle and step from one of their rows."""
    fields = split(text.rstrip("\n"), separator)
    level = next((i for i, field in enumerate(fields) if field), None)
    if level is None:
        return  # a blank line
    if level >= len(state) or kind(fields[level]) != "number":
        raise DataError(
            f"{path}, line {line}: expected a row of a cycle, a step or a record, found "
            f"{text.strip()[:40]!r}; repair or delete the line, or export the file again"
        )
    filled = fields[level:]
    state[level] = filled
    for below in range(level + 1, len(state)):
        state[below] = []
    if level == 0 and len(state) > 1:
        after = filled[len(headers[0]) :]
        while after and not after[0]:
            after.pop(0)
        if after:
            state[0], state[1] = filled[: len(headers[0])], after


def _assembled(path, headers, separator, body, numbers, state_numbers, states):
    depth = len(headers) - 1
    lines = np.concatenate(numbers)
    state_number = np.concatenate(state_numbers)
    sample = split(body[:4096].split(b"\n")[0].decode("utf-8", "replace"), separator)
    names = [""] * depth + headers[-1]
    names += [""] * (len(sample) - len(names))
    cells = [
        cell
        for row in body[: 1 << 15].decode("utf-8", "replace").split("\n")[:-1]
        for cell in split(row, separator)
    ]
    layout = Layout(separator, tuple(names), None, 0, 0, decimal_mark(cells), 1.0)
    rows = read_rows(path, body, layout, lines)
    state_number = state_number[np.searchsorted(lines, rows.lines)]
    header, columns = [], []
    for level, choice in enumerate(_added(headers)):
        for position in choice:
            values = [s[level][position : position + 1] for s in states]
            cells = np.array([v[0] if v else "" for v in values], dtype=object)
            number = to_numbers(cells)
            column = cells if len(number.invalid) else number.values
            header.append(headers[level][position])
            columns.append(column[state_number])
    kept = [i for i in range(depth, len(names)) if names[i]]
    return RawTable(
        path=path,
        format="Neware csv (layered)",
        header=(*header, *(names[i] for i in kept)),
        columns=(*columns, *(rows.columns[i] for i in kept)),
        lines=rows.lines,
        statements=(
            f"rows of {' and '.join(['cycles', 'steps'][:depth])} precede those of the "
            f"records; their columns {', '.join(repr(name) for name in header)} were "
            "added to the records",
            *rows.statements,
        ),
    )


def _added(headers):
    """For each upper level, positions of the columns that the records get."""
    records = {name.lower() for name in headers[-1]}
    chosen = [[0]]
    for names in headers[1:-1]:
        chosen.append(
            [
                i
                for i, name in enumerate(names)
                if _STEP_COLUMN.search(name)
                and not _MEASURED.search(name)
                and name.lower() not in records
            ]
        )
    return chosen[: len(headers) - 1]
