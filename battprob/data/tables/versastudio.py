"""Segments of a VersaStudio .par file."""

import re
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import decimal_mark, kind
from battprob.data.tables.layout import Layout
from battprob.data.tables.rows import read_rows
from battprob.data.tables.table import RawTable

_SEGMENT = re.compile(r"<(Segment\d*)>")
_SECTIONS = ("Application", "Instrument", "Experiment", "Action")


def versastudio_tables(path: Path, lines: list[str]) -> tuple[RawTable, ...]:
    """One table per segment `<Segment1>` with a line `Definition=` and rows.

    Raises:
        DataError: there is no segment, or a row has another number of fields.
    """
    starts = [i for i, line in enumerate(lines) if _SEGMENT.match(line)]
    tables = [_table(path, lines, start, _meta(lines)) for start in starts]
    tables_with_rows = tuple(table for table in tables if table is not None)
    if not tables_with_rows:
        raise DataError(f"{path} is a VersaStudio .par file without a segment of rows")
    return tables_with_rows


def _meta(lines):
    meta: dict[str, str] = {}
    section = ""
    for line in lines:
        if match := re.match(r"<(/?)(\w+)>", line):
            section = "" if match[1] else match[2]
        elif section.startswith(_SECTIONS) and "=" in line and len(line) < 500:
            key, _, value = line.partition("=")
            if value.strip():
                meta.setdefault(key.strip(), value.strip())
    return meta


def _table(path, lines, start, meta):
    label = _SEGMENT.match(lines[start])
    end = next(
        (i for i in range(start, len(lines)) if lines[i].startswith("</Segment")),
        len(lines),
    )
    definition = next(
        (i for i in range(start, end) if lines[i].startswith("Definition=")), None
    )
    if definition is None:
        return None
    names = [name.strip() for name in lines[definition].partition("=")[2].split(",")]
    rows = [i for i in range(definition + 1, end) if lines[i].strip()]
    if not rows:
        return None
    width = len(lines[rows[0]].split(","))
    # The last name is the number of further columns, usually 0.
    if len(names) == width + 1 and kind(names[-1]) == "number":
        names.pop()
    if len(names) != width:
        raise DataError(
            f"{path}, line {rows[0] + 1}: expected {len(names)} fields as in the "
            f"definition in line {definition + 1}, found {width}; export the file again"
        )
    cells = [cell for i in rows[:200] for cell in lines[i].split(",")]
    layout = Layout(",", tuple(names), None, 0, 0, decimal_mark(cells), 1.0)
    body = "\n".join(lines[i] for i in rows).encode() + b"\n"
    read = read_rows(path, body, layout, np.array(rows) + 1)
    return RawTable(
        path=path,
        format="VersaStudio .par",
        header=layout.header,
        columns=tuple(read.columns),
        lines=read.lines,
        label=label[1] if label else "",
        meta=meta,
        statements=(
            f"segment with header in line {definition + 1}, rows from line "
            f"{rows[0] + 1} on",
            *read.statements,
        ),
    )
