"""`RawTable`: one table of a file, with the names that the file gives to its columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from battprob._errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """One table of a file as the file has it: no column is interpreted or converted.

    Args:
        path: the file.
        format: name of the format for the user, such as `EC-Lab text`.
        header: name of each column; all empty if the file has no header line.
        columns: one array per column and all of one length: float64 where every value
            is a number or missing (NaN), otherwise `object` arrays of `str` (missing:
            the empty string).
        units: unit of each column from a separate row of units; None without one.
        lines: line of each row in the file, counted from 1; None for a binary file.
        label: what distinguishes this table from the others of the file (the name of a
            sheet, the number of a loop); empty if there is one table.
        meta: what the text before the table states (`mass`, `Acquisition started on`),
            as text.
        statements: what was recognised or assumed to find the table, one sentence each.
    """

    path: Path
    format: str
    header: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    units: tuple[str, ...] | None = None
    lines: np.ndarray | None = None
    label: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()

    def __len__(self):
        return len(self.columns[0]) if self.columns else 0

    def index(self, column: str) -> int:
        """Index of the column with this name; blanks around the name do not count.

        Raises:
            DataError: no column or several columns have this name.
        """
        names = [name.strip() for name in self.header]
        count = names.count(column.strip())
        if count != 1:
            problem = "no column" if count == 0 else f"{count} columns"
            raise DataError(
                f"{self.path} has {problem} {column!r}; its columns are {names}"
            )
        return names.index(column.strip())

    def unit(self, index: int) -> str:
        """Unit of a column from the row of units; empty if unknown."""
        return "" if self.units is None else self.units[index]

    def location(self, row: int) -> str:
        """Place of a row for an error message, such as `cell.csv, line 12`."""
        if self.lines is None:
            return f"{self.path}, row {row} (counting from 0)"
        return f"{self.path}, line {self.lines[row]}"


def one_table(tables: Sequence[RawTable], path: Path) -> RawTable:
    """The only table of a file.

    Raises:
        DataError: the file has no table, or several.
    """
    if len(tables) != 1:
        labels = [table.label for table in tables]
        raise DataError(f"{path} has {len(tables)} tables {labels}; expected one")
    return tables[0]
