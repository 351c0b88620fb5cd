"""`inspect`: what a file contains, how it was read, and a figure of it."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob.data.inspection.columns import CONVERSION, ColumnSummary, summaries
from battprob.data.inspection.tables import frame_of, shown_of
from battprob.data.inspection.text import counts, paragraph, table_lines
from battprob.data.readers import (
    PACKED,
    Record,
    read_records,
    records_of_tables,
    registered_reader,
)
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.tables.read import read_tables
from battprob.data.tables.table import RawTable
from battprob.data.timeseries import TimeSeries

_MOST_COLUMNS = 40  # rows of the table of columns in the terminal


@dataclass(frozen=True, eq=False, repr=False)
class Inspection:
    """Result of `inspect`: print it for a summary in text.

    Attributes:
        name: the file, or the name of the record.
        format: format of the file, such as `EC-Lab text`; empty for a record.
        records: the records that were read; empty if the file is refused.
        columns: name, unit, range and number of missing values of each column of the
            file.
        statements: what was recognised, assumed, repaired and found doubtful, one
            sentence each.
        error: why the file is refused; None if it was read.
        tables: the tables of a refused file as the file has them, not interpreted.
    """

    name: str
    format: str
    records: tuple[Record, ...]
    columns: tuple[ColumnSummary, ...] = ()
    statements: tuple[str, ...] = ()
    error: str | None = None
    tables: tuple[RawTable, ...] = ()

    @functools.cached_property
    def figure(self) -> Any:
        """Matplotlib figure of the records; of a refused file, its columns of numbers.

        - Log: voltage and current over time, capacity per cycle, Q(V) of some cycles.
        - Spectra: Nyquist and Bode plots.
        - Cells: capacity per cycle, and Q(V) if there are curves.

        Raises:
            DataError: the file is refused and has no column of numbers.
            ModuleNotFoundError: matplotlib is not installed.
        """
        from battprob.data.inspection import figure

        if self.records:
            return figure.figure_of(self.records)
        drawn = figure.figure_of_tables(self.tables, Path(self.name).name)
        if drawn is None:
            raise DataError(f"nothing to draw: {self.error}")
        return drawn

    def to_dataframe(self) -> Any:
        """One row per cycle (log, one cell), per spectrum or per cell, in pandas.

        Of a refused file: one row per column of the file.
        """
        if self.records:
            return frame_of(self.records)
        return self.columns_to_dataframe()

    def columns_to_dataframe(self) -> Any:
        """The columns of the file as a pandas DataFrame, one row per column."""
        import pandas as pd

        frame = pd.DataFrame(self.columns, columns=ColumnSummary._fields)
        several = len({column.table for column in self.columns}) > 1
        return frame if several else frame.drop(columns="table")

    @property
    def summary(self) -> str:
        """What the file contains, in one line."""
        if self.error is not None:
            return f"refused: {self.error.removeprefix(f'{self.name}: ')}"
        return _summary(self.records) + (f" ({self.format})" if self.format else "")

    def __str__(self):
        parts = [self.name, *paragraph(self.summary)]
        if self.columns:
            frame = shown_of(self.columns_to_dataframe())
            parts += ["", "Columns of the file", *table_lines(frame, _MOST_COLUMNS)]
        statements = [line for line in self.statements if not _in_table(line)]
        if statements:
            parts += ["", "How it was read"]
            parts += [line for text in statements for line in paragraph(text, "  - ")]
        if self.records:
            parts += ["", *self._rows()]
        return "\n".join(parts)

    def _rows(self):
        """Lines of the table of cycles, spectra or cells, and of the kinds of steps."""
        first = self.records[0]
        title = _TITLES[type(first)]
        if isinstance(first, Cell) and len(self.records) == 1:
            title = "Cycles"
        try:
            frame = self.to_dataframe()
            lines = [f"{title} ({len(frame)})", *table_lines(shown_of(frame))]
            if isinstance(first, TimeSeries):
                lines += ["", f"Steps ({len(first.steps)}): {counts(first.steps.kind)}"]
        except DataError as error:
            return [f"{title}: none", *paragraph(str(error))]
        return lines

    def __repr__(self):
        return f"Inspection({self.name!r}: {self.summary})"


def inspect(
    source: str | PathLike[str] | Record | Sequence[Record],
    *,
    read: Callable[[Path], Record | Sequence[Record]] | None = None,
) -> Inspection:
    """Show what a file contains and how it is read: the first thing to do with a file.

    Args:
        source: a file, or records (a log, cells, spectra) that were read before.
        read: function that reads the file, such as
            `functools.partial(read_timeseries, charging_is_positive=False)`; default
            `read_file`.

    Returns:
        Columns with units, statements about the reading, a table and a figure. For a
        file that cannot be read it has the reason (`error`) and the tables that were
        found.

    Raises:
        DataError: the file does not exist.

    Example:
        >>> log = TimeSeries("a1", [0, 3600], [4.1, 3.0], [-1, -1], [1, 1])
        >>> inspect(log).summary
        "cycler log 'a1': 2 rows in 1 h, cycle 1, 3 to 4.1 V, -1 to -1 A"
        >>> inspection = inspect("cell_17.res")  # doctest: +SKIP
        >>> print(inspection)  # doctest: +SKIP
        >>> inspection.figure.savefig("cell_17.png")  # doctest: +SKIP
    """
    if isinstance(source, Record):
        return _of_records(source.name, "", (source,))
    if not isinstance(source, str | PathLike):
        records = tuple(source)
        return _of_records(", ".join(r.name for r in records[:3]), "", records)
    path = Path(source)
    if not path.is_file():
        raise DataError(f"no file {path}")
    reader = read or registered_reader(path)
    tables = ()
    try:
        if registered_reader(path) is None and path.suffix.lower() not in PACKED:
            tables = read_tables(path)
        if reader is None and tables:
            records = records_of_tables(tables, path)
        else:
            records = read_records(path, reader)
    except DataError as error:
        return Inspection(
            str(path),
            _format(path, tables),
            (),
            columns=summaries(tables, ()),
            statements=tuple(line for table in tables for line in table.statements),
            error=" ".join(str(error).split()),
            tables=tables,
        )
    return _of_records(str(path), _format(path, tables), records, tables)


def _of_records(name, format_name, records, tables=()):
    statements = tuple(dict.fromkeys(line for r in records for line in _statements(r)))
    return Inspection(
        name,
        format_name,
        records,
        columns=summaries(tables, statements),
        statements=statements,
    )


def _format(path, tables):
    names = {".npz": "pack of cells", ".mat": "MATR batch file"}
    return tables[0].format if tables else names.get(path.suffix.lower(), "")


def _statements(record):
    if isinstance(record, Cell):
        return record.meta.get("statements", ())
    return record.statements


_TITLES = {TimeSeries: "Cycles", Spectrum: "Spectra", Cell: "Cells"}


def _summary(records):
    first = records[0]
    if isinstance(first, TimeSeries):
        return f"cycler log {first.name!r}: {_extent(first)}"
    if isinstance(first, Spectrum):
        points = [len(spectrum.frequency_hz) for spectrum in records]
        low = min(spectrum.frequency_hz.min() for spectrum in records)
        high = max(spectrum.frequency_hz.max() for spectrum in records)
        num = f"{min(points)} frequencies"
        if max(points) > min(points):
            num = f"{min(points)} to {max(points)} frequencies"
        band = f"{high:.4g} to {low:.4g} Hz"
        if len(points) == 1:
            return f"impedance spectrum {first.name!r}: {num}, {band}"
        return f"{len(points)} impedance spectra, {num} each, {band}"
    if len(records) == 1:
        return f"cell {first.name!r}: {len(first.cycle)} rows, {_range(first.cycle)}"
    cycles = sum(len(cell.cycle) for cell in records)
    return f"{len(records)} cells with {cycles} cycles in all"


def _extent(log):
    hours = (log.time_s[-1] - log.time_s[0]) / 3600
    time = f"{hours:.4g} h" if hours < 240 else f"{hours / 24:.4g} days"
    low, high = log.voltage_v.min(), log.voltage_v.max()
    lowest, highest = log.current_a.min(), log.current_a.max()
    return (
        f"{len(log.time_s)} rows in {time}, {_range(np.unique(log.cycle))}, "
        f"{low:.4g} to {high:.4g} V, {lowest:.4g} to {highest:.4g} A"
    )


def _in_table(statement):
    """Whether a statement only repeats a line of the table of columns."""
    return bool(re.fullmatch(rf"\w+ from column '[^']*'{CONVERSION}", statement))


def _range(cycle):
    return (
        f"cycle {cycle[0]}" if len(cycle) == 1 else f"cycles {cycle[0]} to {cycle[-1]}"
    )
