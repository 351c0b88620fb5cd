"""Tables of a Gamry .DTA file: ZCURVE, OCVCURVE, CURVE and others."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import decimal_mark, kind
from battprob.data.tables.layout import Layout
from battprob.data.tables.rows import read_rows
from battprob.data.tables.table import RawTable

_TABLE = re.compile(r"\s*(\w+)\s+TABLE(?:\s+(\d+))?\s*$")


def gamry_tables(path: Path, lines: list[str]) -> tuple[RawTable, ...]:
    """Every table with rows; values before the tables are in `meta` by their tag.

    A table is a line `NAME TABLE count`, a line of names, a line of units, and rows
    that begin with the number of the point. Rows are separated by tabs, or by blanks if
    an editor replaced the tabs.

    Raises:
        DataError: a row has too many or too few fields, or there is no table.
    """
    starts = {i: match for i, line in enumerate(lines) if (match := _TABLE.match(line))}
    if not starts:
        raise DataError(
            f"{path} is a Gamry .DTA file without a table; expected a line such as "
            "'ZCURVE TABLE'"
        )
    meta = _meta(lines)
    tables = []
    stops = [*starts, len(lines)][1:]
    for (start, match), stop in zip(starts.items(), stops, strict=True):
        table = _table(path, lines[:stop], start, match, meta)
        tables += [table] if table is not None else []
    if not tables:
        raise DataError(f"{path} is a Gamry .DTA file whose tables have no rows")
    labels = [table.label for table in tables]
    return tuple(
        replace(table, label=f"{table.label} {labels[: i + 1].count(table.label)}")
        if labels.count(table.label) > 1
        else table
        for i, table in enumerate(tables)
    )


def _meta(lines):
    """Values by tag and by description: `AREA QUANT 1.0 Electrode Area (cm^2)`."""
    meta: dict[str, str] = {}
    for line in lines:
        fields = line.split("\t")
        if len(fields) >= 3 and fields[0] and not _TABLE.match(line):
            meta.setdefault(fields[0].strip(), fields[2].strip())
            description = fields[-1].replace("&", "").strip()
            if len(fields) == 4 and description:
                meta.setdefault(description, fields[2].strip())
    return meta


def _table(path, lines, start, match, meta):
    names = (lines[start + 1] if start + 1 < len(lines) else "").split()
    rows, numbers = [], []
    units = None
    first = start + 2
    if first < len(lines) and lines[first][:1].isspace():
        fields = lines[first].strip("\n").split("\t")
        if kind(lines[first].split()[0] if lines[first].split() else "") != "number":
            units = _aligned(fields[1:], lines[first].split(), len(names))
            first += 1
    for i in range(first, len(lines)):
        line = lines[i]
        if not line.strip():
            continue
        words = line.split()
        if kind(words[0]) != "number":
            break  # the next setting: DCCALDATE LABEL 4/23/2018 ...
        fields = _aligned(line.split("\t")[1:], words, len(names))
        if fields is None:
            raise DataError(
                f"{path}, line {i + 1}: expected {len(names)} fields of the table "
                f"{match[1]}, found {len(words)}; repair or delete the line, or export "
                "the file again"
            )
        rows.append(fields)
        numbers.append(i + 1)
    if not rows or not names:
        return None
    cells = [cell for row in rows[:200] for cell in row]
    header, unit = tuple(names), None if units is None else tuple(units)
    layout = Layout("\t", header, unit, 0, 0, decimal_mark(cells), 1.0)
    body = "\n".join("\t".join(row) for row in rows).encode() + b"\n"
    read = read_rows(path, body, layout, np.array(numbers))
    statement = (
        f"table {match[1]} with header in line {start + 2}, rows from line "
        f"{numbers[0]} on{', decimal commas' if layout.decimal == ',' else ''}"
    )
    statements = (statement, *read.statements)
    if match[2] and len(rows) < 0.9 * int(match[2]):
        statements += (
            f"the header of table {match[1]} states {match[2]} rows, but the table has "
            f"{len(rows)}",
        )
    return RawTable(
        path=path,
        format="Gamry .DTA",
        header=header,
        columns=tuple(read.columns),
        units=unit,
        lines=read.lines,
        label=match[1],
        meta=meta,
        statements=statements,
    )


def _aligned(fields, words, width):
    """Fields of a line by tabs, else by blanks; None if neither gives one per name."""
    fields = [field.strip() for field in fields]
    while len(fields) > width and not fields[-1]:
        fields.pop()
    if len(fields) == width:
        return fields
    return words if len(words) == width else None
