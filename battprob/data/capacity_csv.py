"""Read capacity-per-cycle tables: one row per cycle, one or several cells per file."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.capacity_columns import (
    CapacityColumns,
    capacity_columns,
    is_capacity_table,
)
from battprob.data.names import record_name
from battprob.data.records import Cell
from battprob.data.tables.read import read_tables
from battprob.data.tables.table import RawTable

_LARGEST_AH = 1000.0  # the largest cells have some 600 Ah


def read_capacity_csv(
    path: str | PathLike[str],
    *,
    cell: str | None = None,
    cycle: str | None = None,
    capacity_ah: str | None = None,
    batch: str | None = None,
    protocol: str | None = None,
    meta: Sequence[str] = (),
) -> tuple[Cell, ...]:
    r"""Read a table of discharge capacities, cells in the order of their first row.

    Text with any separator and encoding and spreadsheets are read. Usual names of the
    columns are recognised (`cycle`, `Cycle_Index`, `capacity_Ah`,
    `Discharge_Capacity (Ah)`, `cell`, …), and the unit is taken from the name or from a
    row of units. A table without a column of cells is of one cell, which is named after
    the file. `Cell.meta["statements"]` states what was recognised.

    Args:
        path: the file.
        cell, cycle, capacity_ah: names of the columns with the name of the cell, the
            cycle number, and the discharge capacity (empty or `nan`: missing; in Ah if
            the name has no unit). None: the names that are recognised.
        batch, protocol: names of columns whose text is the same in all rows of a cell.
        meta: names of further such columns, kept as text in `Cell.meta`.

    Raises:
        DataError: a column is missing, a value is not a number, the unit is not one of
            charge, a column without unit has relative capacities (from 1 or 100 on),
            capacities are negative in some rows only, cycle numbers decrease,
            or a cell has two batches or protocols; the message names the file, the
            column and the line.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "table.csv"
        >>> _ = path.write_text("cell,cycle,capacity_Ah\na1,1,1.08\na1,2,1.07\n")
        >>> read_capacity_csv(path)
        (Cell('a1', 2 cycles from 1 to 2, 0 curves, cycle_life=nan),)
    """
    table = capacity_table(read_tables(Path(path)), Path(path))
    columns = capacity_columns(table, cell=cell, cycle=cycle, capacity_ah=capacity_ah)
    return cells_of_table(
        table, columns, batch=batch, protocol=protocol, meta=tuple(meta)
    )


def capacity_table(tables: Sequence[RawTable], path: Path) -> RawTable:
    """The table of a file that has cycle numbers and capacities; of one, that one.

    Raises:
        DataError: the file has several tables, and not just one has capacities.
    """
    candidates = [table for table in tables if is_capacity_table(table)] or list(tables)
    if len(candidates) == 1:
        return candidates[0]
    labels = [table.label for table in candidates]
    raise DataError(
        f"{path} has {len(labels)} tables {labels}; expected one table of capacities. "
        "Save the one to read as a file of its own"
    )


def cells_of_table(
    table: RawTable,
    columns: CapacityColumns,
    *,
    batch: str | None = None,
    protocol: str | None = None,
    meta: Sequence[str] = (),
) -> tuple[Cell, ...]:
    """Cells of a table whose columns are known; see `read_capacity_csv`."""
    if len(table) == 0:
        raise DataError(f"{table.path} has a header but no rows")
    numbers = _numbers(table, columns.cycle)
    _require_integers(table, columns.cycle, numbers)
    capacity, statements = _capacities(table, columns.capacity, columns.unit_ah)
    per_cycle = {}
    if columns.charge is not None:
        try:
            charge, more = _capacities(table, *columns.charge)
            per_cycle["charge_capacity_ah"] = charge
        except DataError as error:  # the file is useful without it
            more = (f"no charge capacity: {error}",)
        statements += more
    labels = {name: _text(table, table.index(name)) for name in (batch, protocol, *meta)
              if name is not None}  # fmt: skip
    if not columns.is_named:
        _refuse_relative(table, columns, capacity)
    cells = []
    for name, rows in _rows_of_cells(table, columns.cell).items():
        _require_order(table, columns.cycle, numbers, rows)
        values = {label: _constant(table, label, text, rows, columns.cell)
                  for label, text in labels.items()}  # fmt: skip
        common = (*table.statements, *columns.statements, *statements)
        cells.append(
            Cell(
                name,
                numbers[rows],
                capacity[rows],
                batch=None if batch is None else values[batch],
                protocol=None if protocol is None else values[protocol],
                per_cycle={key: value[rows] for key, value in per_cycle.items()},
                meta={
                    "statements": common + _repeated(numbers[rows]),
                    **{label: values[label] for label in meta},
                },
            )
        )
    return tuple(cells)


def _numbers(table: RawTable, index: int) -> Float[np.ndarray, " r"]:
    column = table.columns[index]
    if column.dtype != object:
        return np.asarray(column, float)
    values = np.full(len(column), np.nan)
    for row, text in enumerate(column):
        if text.strip():
            try:
                values[row] = float(text)
            except ValueError:
                raise DataError(
                    f"{table.location(row)}: {table.header[index].strip()} must be a "
                    f"number, got {text!r}"
                ) from None
    return values


def _require_integers(table, index, numbers):
    wrong = np.flatnonzero(~(numbers == np.round(numbers)))
    if wrong.size:
        row = int(wrong[0])
        value = f"got {numbers[row]:g}" if not np.isnan(numbers[row]) else "is missing"
        raise DataError(
            f"{table.location(row)}: {table.header[index].strip()} must be an integer, "
            f"{value}"
        )


def _capacities(table, index, unit_ah):
    """Capacity of each row in Ah, and statements about its sign.

    A capacity has no sign. Some programs write the charge that leaves the cell as
    negative; then all rows are negative. Signs that differ have no such explanation.
    """
    capacity = unit_ah * _numbers(table, index)
    name = table.header[index].strip()
    negative = np.flatnonzero(capacity < 0)
    if negative.size and (capacity > 0).any():
        row = int(negative[0])
        raise DataError(
            f"{table.location(row)}: {name} is negative ({capacity[row]:g} Ah), but "
            "positive in other rows; expected capacities of one sign. Leave "
            "such values empty"
        )
    largest = np.nanmax(np.abs(capacity), initial=0.0)
    if largest > _LARGEST_AH:
        raise DataError(
            f"{table.path}: {name} has values up to {largest:g} Ah, which no cell has; "
            "write the unit of the column in its name, such as 'capacity_mAh'"
        )
    if negative.size:
        return -capacity, (f"all values of {name!r} are negative: sign reversed",)
    return capacity, ()


def _refuse_relative(table, columns, capacity):
    """Refuse a column without unit that starts at exactly 1 or 100 in every cell."""
    first = [capacity[rows][0] for rows in _rows_of_cells(table, columns.cell).values()]
    if set(first) in ({1.0}, {100.0}):
        name = table.header[columns.capacity].strip()
        raise DataError(
            f"{table.path}: {name} has no unit and starts at exactly {first[0]:g}, as "
            "relative capacities do; if it is a charge, write the unit in its name "
            f"('{name}_Ah') or name the column: read_capacity_csv(path, "
            f"capacity_ah={name!r})"
        )


def _text(table, index):
    """Values of a column as text; whole numbers without a decimal point."""
    column = table.columns[index]
    if column.dtype == object:
        return [text.strip() for text in column]
    return ["" if np.isnan(v) else f"{v:.0f}" if v == round(v) else str(v)
            for v in column.tolist()]  # fmt: skip


def _rows_of_cells(table, index):
    """Rows of each cell, in the order of the first row of each."""
    if index is None:
        return {record_name(table.path): np.arange(len(table))}
    names = np.array(_text(table, index), object)
    empty = np.flatnonzero(names == "")
    if empty.size:
        raise DataError(
            f"{table.location(int(empty[0]))}: {table.header[index].strip()} is empty; "
            "expected the name of a cell"
        )
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def _require_order(table, index, numbers, rows):
    falls = np.flatnonzero(np.diff(numbers[rows]) < 0)
    if falls.size:
        before, row = rows[falls[0]], rows[falls[0] + 1]
        raise DataError(
            f"{table.location(int(row))}: {table.header[index].strip()} decreases from "
            f"{numbers[before]:g} to {numbers[row]:g} within one cell; sort the rows by "
            "cell and cycle, and give the rows of each cell its name in a column 'cell'"
        )


def _constant(table, label, text, rows, cell):
    """The text that a column has in all rows of a cell."""
    other = [int(row) for row in rows if text[row] != text[rows[0]]]
    if other:
        of = "table" if cell is None else "cell"
        raise DataError(
            f"{table.location(other[0])}: {label} is {text[other[0]]!r}, but "
            f"{text[rows[0]]!r} in the first row of this {of}; it must be the same in "
            "all rows of a cell"
        )
    return text[rows[0]]


def _repeated(numbers):
    cycle, count = np.unique(numbers, return_counts=True)
    if (count == 1).all():
        return ()
    first = cycle[count > 1][0]
    return (
        f"doubtful: {(count > 1).sum()} cycle numbers occur more than once, the first "
        f"is {first:g}; all rows are kept",
    )
