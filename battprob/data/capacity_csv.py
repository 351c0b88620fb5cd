"""Read capacity-per-cycle tables: one row per cycle, several cells per file."""

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
    r"""Read a table of discharge capacities, cells in the order of their first row.

    Args:
        path: a CSV file with a header line.
        cell, cycle, capacity_ah: names of the columns with the name of the cell, the
            cycle number, and the discharge capacity in Ah (empty or `nan`: missing).
        batch, protocol: names of columns whose text is the same in all rows of a cell.
        meta: names of further such columns, kept as text in `Cell.meta`.

    Raises:
        DataError: a column is missing, a value is not a number, cycle numbers decrease,
            or a cell has two batches or protocols; the message names the file, the
            column and the line.

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
            location = f"{path}, line {reader.line_num}"
            record = cells.setdefault(row[cell], {"cycle": [], "ah": [], "labels": {}})
            number = _number(row, cycle, location)
            _add_cycle(record["cycle"], number, cycle, location)
            capacity = _number(row, capacity_ah, location, if_empty=float("nan"))
            record["ah"].append(capacity)
            for label in labels:
                _add_label(record["labels"], row, label, location)
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


def _require_columns(path, columns, required):
    missing = [name for name in required if name not in (columns or ())]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; its columns are {columns}. Name the "
            "column to use, as in read_capacity_csv(path, cycle='record')"
        )


def _number(row, column, location, if_empty=None):
    text = (row[column] or "").strip()
    if text == "" and if_empty is not None:
        return if_empty
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{location}: {column} must be a number, got {text!r}"
        ) from None


def _add_cycle(cycles, number, column, location):
    if number != round(number):
        raise DataError(f"{location}: {column} must be an integer, got {number:g}")
    if cycles and number < cycles[-1]:
        raise DataError(
            f"{location}: {column} decreases from {cycles[-1]:g} to {number:g} within "
            "one cell; sort the rows by cell and cycle"
        )
    cycles.append(number)


def _add_label(labels, row, column, location):
    if labels.setdefault(column, row[column]) != row[column]:
        raise DataError(
            f"{location}: {column} is {row[column]!r}, but {labels[column]!r} in the "
            "first row of this cell; it must be the same in all rows of a cell"
        )
