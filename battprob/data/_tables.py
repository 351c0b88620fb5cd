"""Find the table of numbers in a text file of an impedance analyser."""

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
    """Rows of text with a header and the line number of each row.

    Attributes:
        path: the file.
        header: name of each column; empty if the file has no header.
        units: unit of each column if the file has a separate row of units, else None.
        rows: the fields of each row, as text.
        lines: line number of each row, from 1; row number for a binary file.
        decimal_comma: whether `1,5` means 1.5.
    """

    path: str | PathLike[str]
    header: tuple[str, ...]
    units: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    decimal_comma: bool

    def index(self, column: str) -> int:
        """Index of the column with this name.

        Raises:
            DataError: no column or several columns have this name; the message lists
                the columns.
        """
        if self.header.count(column) != 1:
            number = "no" if column not in self.header else "more than one"
            raise DataError(
                f"{self.path} has {number} column {column!r}; its columns are "
                f"{list(self.header)}"
            )
        return self.header.index(column)

    def field(self, row: int, column: int) -> str:
        """Text of one field.

        Raises:
            DataError: the row is too short; the message names the file and line.
        """
        fields = self.rows[row]
        if column >= len(fields):
            raise DataError(
                f"{self.location(row)}: expected {len(self.header) or column + 1} "
                f"fields, got {len(fields)}: the file may be truncated"
            )
        return fields[column].strip()

    def location(self, row: int) -> str:
        """File and line of a row, for error messages."""
        return f"{self.path}, line {self.lines[row]}"


def numeric_column(
    table: Table, rows: list[int], column: int
) -> Float[np.ndarray, " r"]:
    """Values of one column in the given rows.

    Raises:
        DataError: a value is not a number; the message names the file, line and column.
    """
    return np.array([_number(table, row, column) for row in rows])


def read_table(path: str | PathLike[str]) -> Table:
    """Read the table of an EC-Lab, Gamry or ZPlot file, or of any delimited text file.

    Raises:
        DataError: the file has no table, or the table has no rows.
    """
    if str(path).lower().endswith(".mpr"):
        return _binary_ec_lab(path)
    lines = _text(path).splitlines()
    if not lines:
        raise DataError(f"{path} is empty")
    for parse in (_ec_lab, _gamry, _zplot, _delimited):
        table = parse(path, lines)
        if table is not None:
            break
    if table is None or not table.rows:
        raise DataError(
            f"{path}: expected a table of numbers, found no rows of numbers"
        )
    return table


def _text(path):
    with open(path, "rb") as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # many instruments write µ and ° in Windows-1252
        return content.decode("cp1252", errors="replace")


def _binary_ec_lab(path):
    records = load_mpr(path)
    rows = tuple(tuple(map(str, record)) for record in records.tolist())
    row_numbers = tuple(range(1, len(rows) + 1))
    header = records.dtype.names or ()
    return Table(path, header, None, rows, row_numbers, decimal_comma=False)


def _ec_lab(path, lines):
    if not lines[0].startswith("EC-Lab ASCII FILE"):
        return None
    match = re.search(r"Nb header lines\s*:\s*(\d+)", "\n".join(lines[1:3]))
    if match is None:
        raise DataError(
            f"{path}, line 2: expected 'Nb header lines : <number>', as EC-Lab writes "
            "it"
        )
    header = int(match[1]) - 1
    if header >= len(lines):
        raise DataError(
            f"{path}: line 2 states {match[1]} header lines, but the file has only "
            f"{len(lines)} lines"
        )
    return _table(path, lines, header, header + 1, len(lines), "\t")


def _gamry(path, lines):
    starts = [i for i, line in enumerate(lines) if line.startswith("ZCURVE")]
    if not starts:
        return None
    first = starts[0] + 3  # after the title, the names and the units
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
    # Some versions separate the names by spaces and the numbers by commas.
    names = tuple(re.split(r"\t|\s{2,}", lines[header].strip(' "\t')))
    return replace(table, header=names)


def _delimited(path, lines):
    counts = {delimiter: lines[0].count(delimiter) for delimiter in "\t;,"}
    delimiter = max(counts, key=lambda one: counts[one])
    fields = lines[0].split(delimiter)
    comma = delimiter != ","
    no_header = all(is_number(field, decimal_comma=comma) for field in fields)
    header, first = (None, 0) if no_header else (0, 1)
    return _table(path, lines, header, first, len(lines), delimiter)


def _table(path, lines, header, first, end, delimiter):
    used = [i for i in range(first, end) if lines[i].strip()]
    names = () if header is None else _fields(lines[header], delimiter)
    return Table(
        path,
        tuple(name.strip() for name in names),
        None,
        tuple(_fields(lines[i], delimiter) for i in used),
        tuple(i + 1 for i in used),
        decimal_comma=delimiter != ",",
    )


def _fields(line, delimiter):
    return tuple(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)))


def is_number(text: str, *, decimal_comma: bool) -> bool:
    """Whether the text of a field is a number."""
    try:
        _parse(text, decimal_comma)
    except ValueError:
        return False
    return True


def _parse(text, decimal_comma):
    return float(text.replace(",", ".") if decimal_comma else text)


def _number(table, row, column):
    text = table.field(row, column)
    try:
        return _parse(text, table.decimal_comma)
    except ValueError:
        name = table.header[column] if table.header else f"column {column + 1}"
        raise DataError(
            f"{table.location(row)}: {name} must be a number, got {text!r}"
        ) from None
