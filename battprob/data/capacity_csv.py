"""Read capacity-per-cycle tables: one row a cycle, any number of cells in a file."""

import csv
from collections.abc import Sequence
from os import PathLike

from battprob._errors import DataError
from battprob.data.records import Cell


def read_capacity_csv(
    path: str | PathLike[str],
    *,
    cell: str = "cell",
    cycle: str = "cycle",
    capacity_ah: str = "capacity_Ah",
    batch: str | None = None,
    protocol: str | None = None,
    meta: Sequence[str] = (),
) -> tuple[Cell, ...]:
    r"""Read a table of discharge capacities, cells in order of their first row.

    Args:
        path: a CSV file with a header line.
        cell, cycle, capacity_ah: names of the columns that hold the cell's name, the cycle
            number, and the discharge capacity in Ah (empty or `nan`: no value).
        batch, protocol: columns that hold the same text in all rows of a cell.
        meta: further such columns, kept as text in `Cell.meta`.

    Raises:
        DataError: a column is absent, a value is not a number, cycles fall, or a cell has
            two batches or protocols; the message names the file, the column and the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "table.csv"
        >>> _ = path.write_text("cell,cycle,capacity_Ah\na1,1,1.08\na1,2,1.07\n")
        >>> read_capacity_csv(path)
        (Cell('a1', 2 cycles from 1 to 2, 0 curves, cycle_life=nan),)
    """
    labels = [name for name in (batch, protocol, *meta) if name is not None]
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _require_columns(path, reader.fieldnames, [cell, cycle, capacity_ah, *labels])
        cells = {}
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            record = cells.setdefault(row[cell], {"cycle": [], "ah": [], "labels": {}})
            _add_cycle(record["cycle"], _number(row, cycle, where), cycle, where)
            record["ah"].append(_number(row, capacity_ah, where, empty=float("nan")))
            for label in labels:
                _add_label(record["labels"], row, label, where)
    if not cells:
        raise DataError(f"{path} has a header but no rows")
    return tuple(
        Cell(
            name,
            record["cycle"],
            record["ah"],
            batch=record["labels"].get(batch),
            protocol=record["labels"].get(protocol),
            meta={label: record["labels"][label] for label in meta},
        )
        for name, record in cells.items()
    )


def _require_columns(path, columns, wanted):
    absent = [name for name in wanted if name not in (columns or ())]
    if absent:
        raise DataError(
            f"{path} has no column {absent[0]!r}; its columns are {columns}. Name the "
            "column to use, as in read_capacity_csv(path, cycle='record')"
        )


def _number(row, column, where, empty=None):
    text = (row[column] or "").strip()
    if text == "" and empty is not None:
        return empty
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: {column} must be a number, got {text!r}") from None


def _add_cycle(cycles, number, column, where):
    if number != round(number):
        raise DataError(f"{where}: {column} must be a whole number, got {number:g}")
    if cycles and number < cycles[-1]:
        raise DataError(
            f"{where}: {column} falls from {cycles[-1]:g} to {number:g} within one cell; "
            "sort the rows by cell and cycle"
        )
    cycles.append(number)


def _add_label(labels, row, column, where):
    if labels.setdefault(column, row[column]) != row[column]:
        raise DataError(
            f"{where}: {column} is {row[column]!r}, but {labels[column]!r} in this cell's "
            "first row; a cell has one"
        )
