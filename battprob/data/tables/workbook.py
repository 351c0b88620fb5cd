"""Spreadsheets (.xlsx, .xls, .xlsb, .ods): which sheets have the rows of a measurement."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.columns import is_missing
from battprob.data.tables.packages import reading, require
from battprob.data.tables.sheet import Cells, sheet_tables
from battprob.data.tables.sheet_layers import layered_table
from battprob.data.tables.table import RawTable
from battprob.data.tables.units import split_unit

_FORMAT = "spreadsheet"
_REMEDY = "open it in a spreadsheet program and save the sheet as .xlsx or .csv"
_MOST_PREAMBLE = 60  # rows above a header that may describe the measurement
# A sheet has far more cells than bytes only if a single cell lies far from the others.
_MOST_CELLS, _MOST_CELLS_PER_BYTE = 5_000_000, 2
# Names of sheets with one row per cycle or step, and of those without rows.
_SUMMARY = re.compile(r"^\W*(stat|cycle|cyc\b|step|summary|curve)", re.IGNORECASE)
_INFORMATION = re.compile(
    r"^\W*(global|info|unit|test$|log$|idle|readme|note|setting)", re.IGNORECASE
)
_TIME = {"t", "time", "date", "datetime", "timestamp", "realtime", "systime", "seconds",
         "sec", "absolutetime", "totaltime", "testtime", "relativetime"}  # fmt: skip
_VOLTAGE = {
    "v",
    "u",
    "e",
    "vol",
    "volt",
    "volts",
    "ewe",
    "ecell",
    "potential",
    "spannung",
}
_CURRENT = {"i", "cur", "curr", "amp", "amps", "ampere", "strom"}
_FREQUENCY = {"f", "frequenz"}
_COUNTERS = ("datapoint", "recordindex", "recordid", "record", "recordnumber", "index",
             "point", "rec", "testtime", "totaltime", "time", "datetime",
             "absolutetime", "systime", "date", "realtime")  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """The cells of one sheet.

    Args:
        name: name of the sheet.
        cells: rows of cells, all of one length.
        first_line: number of the first row in the sheet, from 1.
        is_visible: whether the sheet is visible in a spreadsheet program.
    """

    name: str
    cells: Sequence[Cells]
    first_line: int = 1
    is_visible: bool = True


def read_workbook(path: Path) -> tuple[RawTable, ...]:
    """Read the tables of a spreadsheet that contain a measurement.

    If some sheets contain rows of a cycler (columns of time and voltage) or of an
    impedance analyser (a column of frequency), these are read and the others are left
    out: sheets of information, and those with one row per cycle or step (Arbin's
    `Statistics`, Neware's `cycle` and `step`). Without such sheets, all tables with
    numbers are read. Sheets that continue each other (Arbin and Neware begin a new one
    after some number of rows) are joined, with a statement. The columns have the names
    of the header; instants are ISO text and durations `h:mm:ss`. Each table is labelled
    with its sheet if there are several.

    Raises:
        DataError: `python-calamine` is missing, or the file is damaged, protected by a
            password, or has no table.
    """
    module = require("python_calamine", path, format=_FORMAT, package="python-calamine")
    with reading(path, format=_FORMAT, remedy=_REMEDY):
        sheets = _sheets(module, path)
    return workbook_tables(path, sheets)


def _sheets(module, path):
    sheets = []
    most = max(_MOST_CELLS, _MOST_CELLS_PER_BYTE * path.stat().st_size)
    # `from_path` takes the format from the suffix, which may be another one.
    with (
        path.open("rb") as file,
        module.CalamineWorkbook.from_filelike(file) as workbook,
    ):
        for information in workbook.sheets_metadata:
            if "WorkSheet" not in str(information.typ):
                continue
            sheet = workbook.get_sheet_by_name(information.name)
            if sheet.height * sheet.width > most:
                raise DataError(
                    f"{path}: the sheet {information.name!r} has {sheet.height} rows and "
                    f"{sheet.width} columns, probably because of a single cell far from "
                    "the table: delete that cell, or save the sheet as .csv"
                )
            cells = sheet.to_python(skip_empty_area=True)
            first_line = 1 + (sheet.start[0] if sheet.start else 0)
            is_visible = str(information.visible).endswith(".Visible")
            sheets.append(Sheet(information.name, cells, first_line, is_visible))
    return sheets


def workbook_tables(
    path: Path, sheets: Sequence[Sheet], format: str = _FORMAT
) -> tuple[RawTable, ...]:
    """Tables of the sheets that contain a measurement; see `read_workbook`.

    Raises:
        DataError: no sheet contains a table.
    """
    visible = [sheet for sheet in sheets if sheet.is_visible]
    for considered in (visible, sheets):
        tables = _chosen(_joined(_all_tables(path, considered, format)))
        if tables:
            return _distinct_labels(tables)
    raise DataError(
        f"{path}: expected a table with numbers on one of the sheets "
        f"{[sheet.name for sheet in sheets]}, found none"
    )


def _all_tables(path, sheets, format_name):
    return [
        table
        for sheet in sheets
        for table in _tables_of_sheet(path, sheet, format_name)
    ]


def _tables_of_sheet(path, sheet, format_name):
    layered = layered_table(sheet.cells, sheet.first_line)
    parts = [layered] if layered else sheet_tables(sheet.cells, sheet.first_line)
    tables = []
    for table in parts:
        columns = table.columns()
        marks = dict.fromkeys(column.statement for column in columns)
        tables.append(
            RawTable(
                path,
                format_name,
                table.header,
                tuple(column.values for column in columns),
                units=table.units,
                lines=np.array(table.lines),
                label=sheet.name,
                meta=_preamble(sheet, table.start),
                statements=(*table.statements, *filter(None, marks)),
            )
        )
    return tables


def _preamble(sheet, start):
    """Entries above a table: a cell of text and the cell to its right."""
    meta = {}
    for row in sheet.cells[: min(start - sheet.first_line, _MOST_PREAMBLE)]:
        cells = [cell for cell in row if not is_missing(cell)]
        if len(cells) == 2 and isinstance(cells[0], str):
            meta[cells[0].strip(" :\t")] = str(cells[1]).strip()
        elif len(cells) == 1 and isinstance(cells[0], str) and ":" in cells[0]:
            name, value = cells[0].split(":", 1)
            meta[name.strip()] = value.strip()
    return meta


def _chosen(tables):
    """The tables of a measurement if there are some, otherwise all with numbers."""
    measured = [table for table in tables if _is_record(table) or _is_spectrum(table)]
    longest = max(map(len, measured), default=0)
    summaries = [
        table
        for table in measured
        if len(table) < longest and _is_auxiliary(table.label)
    ]
    chosen = [table for table in measured if table not in summaries]
    if not chosen:
        return [
            table
            for table in tables
            if len(table) > 1
            and _num_numeric(table) > 1
            and not _INFORMATION.match(table.label)
        ]
    others = list(dict.fromkeys(t.label for t in tables if t not in chosen))
    if not others:
        return chosen
    statement = f"tables that are not of the measurement were left out: {others}"
    return [replace(t, statements=(*t.statements, statement)) for t in chosen]


def _is_auxiliary(label):
    return bool(_SUMMARY.match(label) or _INFORMATION.match(label))


def _num_numeric(table):
    return sum(
        column.dtype.kind == "f" and bool(np.isfinite(column).any())
        for column in table.columns
    )


def _is_record(table):
    keys = [_key(name) for name in table.header]
    time = any(key in _TIME or key.endswith("time") for key in keys)
    voltage = any(
        key in _VOLTAGE or key.startswith("voltage") or key.endswith("voltage")
        for key in keys
    )
    current = any(
        key in _CURRENT or key.startswith("current") or key.endswith("current")
        for key in keys
    )
    return voltage and (time or current)


def _is_spectrum(table):
    keys = [_key(name) for name in table.header]
    return any(key in _FREQUENCY or key.startswith("freq") for key in keys)


def _key(name):
    """Letters of a column name without its unit; empty if the name ends in a digit."""
    name = split_unit(name).name
    if name[-1:].isdigit():
        return ""  # `Time1`: one of several columns of its kind
    return re.sub(r"[^a-z]", "", name.lower())


def _joined(tables):
    """The tables, those that continue each other as one."""
    joined: list[RawTable] = []
    for table in tables:
        before = next((t for t in joined if _continues(t, table)), None)
        if before is None:
            joined.append(table)
        else:
            joined[joined.index(before)] = _concatenated(before, table)
    return joined


def _continues(before, table):
    """Whether a table is the continuation of another one on a further sheet."""
    names = (before.label.split(" + ")[-1], table.label)
    if before.header != table.header and any(table.header):
        return False
    if len(before.columns) != len(table.columns) or names[0] == names[1]:
        return False
    bases = [re.sub(r"[\s_(.\-]*\d+\)?$", "", name) for name in names]
    if bases[0] != bases[1] and not names[1].startswith(names[0]):
        return False
    keys = [_key(name) for name in before.header]
    counter = next((key for key in _COUNTERS if key in keys), None)
    if counter is None:
        return False
    i = keys.index(counter)
    last, first = before.columns[i][-1], table.columns[i][0]
    # Numbers and ISO text both increase with time.
    return type(last) is type(first) and bool(first > last)


def _concatenated(before, table):
    parts = [
        np.concatenate([a, b]) if a.dtype == b.dtype else _as_objects(a, b)
        for a, b in zip(before.columns, table.columns, strict=True)
    ]
    label = f"{before.label} + {table.label}"
    statements = [s for s in before.statements if not s.startswith("sheets joined")]
    return RawTable(
        before.path,
        before.format,
        before.header,
        tuple(parts),
        units=before.units,
        lines=np.concatenate([before.lines, table.lines]),
        label=label,
        meta={**table.meta, **before.meta},
        statements=(
            *statements,
            f"sheets joined because each continues the one before: {label}",
        ),
    )


def _as_objects(before, after):
    parts = [
        np.where(np.isnan(part), "", part.astype(str)).astype(object)
        if part.dtype.kind == "f"
        else part
        for part in (before, after)
    ]
    return np.concatenate(parts)


def _distinct_labels(tables):
    """The tables, with the number of the first line where a sheet has several."""
    labels = [table.label for table in tables]
    return tuple(
        table
        if labels.count(table.label) == 1
        else replace(table, label=f"{table.label}, line {table.lines[0]}")
        for table in tables
    )
