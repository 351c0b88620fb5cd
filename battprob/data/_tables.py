"""Find the table of numbers in a text file, whichever instrument wrote it."""

import csv
import re
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data._cycler_files import load_mpr


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a header, with the line each of them came from.

    Attributes:
        path: the file.
        header: name of each column; empty where the file has no header.
        units: unit of each column where the file gives units a row of their own.
        rows: the fields of each row, as text.
        lines: line of each row in the file, counting from 1 (of a binary file, its row).
        decimal_comma: whether `1,5` is one and a half.
    """

    path: str | PathLike[str]
    header: tuple[str, ...]
    units: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    decimal_comma: bool

    def position(self, column: str) -> int:
        """Where a column stands.

        Raises:
            DataError: there is none of that name, or two; the message lists the names.
        """
        if self.header.count(column) != 1:
            found = "no" if column not in self.header else "more than one"
            raise DataError(
                f"{self.path} has {found} column {column!r}; its columns are "
                f"{list(self.header)}"
            )
        return self.header.index(column)

    def cell(self, row: int, column: int) -> str:
        """Text of one field.

        Raises:
            DataError: the row is too short; the message names the file and line.
        """
        fields = self.rows[row]
        if column >= len(fields):
            raise DataError(
                f"{self.where(row)}: expected {len(self.header) or column + 1} fields, "
                f"got {len(fields)}: the file may be cut off here"
            )
        return fields[column].strip()

    def where(self, row: int) -> str:
        """File and line of a row, as errors state them."""
        return f"{self.path}, line {self.lines[row]}"


def numbers(table: Table, rows: list[int], column: int) -> Float[np.ndarray, " r"]:
    """One column of some rows as numbers.

    Raises:
        DataError: a value is not a number; the message names the file, line and column.
    """
    return np.array([_number(table, row, column) for row in rows])


def find_table(path: str | PathLike[str]) -> Table:
    """The table of a file of EC-Lab, Gamry or ZPlot, or of any delimited text.

    Raises:
        DataError: there is no table, or it has no rows.
    """
    if str(path).lower().endswith(".mpr"):
        return _binary_ec_lab(path)
    lines = _text(path).splitlines()
    if not lines:
        raise DataError(f"{path} is empty")
    for find in (_ec_lab, _gamry, _zplot, _delimited):
        table = find(path, lines)
        if table is not None:
            break
    if table is None or not table.rows:
        raise DataError(f"{path}: expected a table of numbers, found no rows of one")
    return table


def _text(path):
    with open(path, "rb") as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # instruments write µ and ° in the code page of Windows
        return content.decode("cp1252", errors="replace")


def _binary_ec_lab(path):
    records = load_mpr(path)
    rows = tuple(tuple(map(str, record)) for record in records.tolist())
    count = tuple(range(1, len(rows) + 1))
    return Table(
        path, records.dtype.names or (), None, rows, count, decimal_comma=False
    )


def _ec_lab(path, lines):
    if not lines[0].startswith("EC-Lab ASCII FILE"):
        return None
    stated = re.search(r"Nb header lines\s*:\s*(\d+)", "\n".join(lines[1:3]))
    if stated is None:
        raise DataError(
            f"{path}, line 2: expected 'Nb header lines : <number>', as EC-Lab writes it"
        )
    header = int(stated[1]) - 1
    if header >= len(lines):
        raise DataError(
            f"{path}: line 2 states {stated[1]} header lines, the file has {len(lines)}"
        )
    return _table(path, lines, header, header + 1, len(lines), "\t")


def _gamry(path, lines):
    starts = [i for i, line in enumerate(lines) if line.startswith("ZCURVE")]
    if not starts:
        return None
    first = starts[0] + 3  # title, names, units
    if first >= len(lines):
        return None
    end = next(
        (i for i in range(first, len(lines)) if not lines[i].startswith("\t")),
        len(lines),
    )
    table = _table(path, lines, starts[0] + 1, first, end, "\t")
    return replace(table, units=tuple(lines[starts[0] + 2].split("\t")))


def _zplot(path, lines):
    if not re.match(r'\s*"?(ZPLOT|ZPlot|ZView)', lines[0]):
        return None
    header = next((i for i, line in enumerate(lines) if "Freq(Hz)" in line), None)
    if header is None:
        raise DataError(f"{path}: expected a line with 'Freq(Hz)', as ZPlot writes it")
    ends = [i for i, line in enumerate(lines) if line.startswith("End Comments")]
    first = (ends[0] if ends else header) + 1
    delimiter = "\t" if "\t" in "".join(lines[first : first + 1]) else ","
    table = _table(path, lines, header, first, len(lines), delimiter)
    names = tuple(re.split(r"\t|\s{2,}", lines[header].strip(' "\t')))
    return replace(table, header=names)


def _delimited(path, lines):
    counts = {mark: lines[0].count(mark) for mark in "\t;,"}
    delimiter = max(counts, key=lambda mark: counts[mark])
    fields = lines[0].split(delimiter)
    comma = delimiter != ","
    plain = all(is_number(field, decimal_comma=comma) for field in fields)
    return _table(
        path, lines, None if plain else 0, 0 if plain else 1, len(lines), delimiter
    )


def _table(path, lines, header, first, end, delimiter):
    kept = [i for i in range(first, end) if lines[i].strip()]
    names = () if header is None else _fields(lines[header], delimiter)
    return Table(
        path,
        tuple(name.strip() for name in names),
        None,
        tuple(_fields(lines[i], delimiter) for i in kept),
        tuple(i + 1 for i in kept),
        decimal_comma=delimiter != ",",
    )


def _fields(line, delimiter):
    return tuple(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)))


def is_number(text: str, *, decimal_comma: bool) -> bool:
    """Whether a field holds a number."""
    try:
        _parsed(text, decimal_comma)
    except ValueError:
        return False
    return True


def _parsed(text, decimal_comma):
    return float(text.replace(",", ".") if decimal_comma else text)


def _number(table, row, column):
    text = table.cell(row, column)
    try:
        return _parsed(text, table.decimal_comma)
    except ValueError:
        name = table.header[column] if table.header else f"column {column + 1}"
        raise DataError(
            f"{table.where(row)}: {name} must be a number, got {text!r}"
        ) from None
