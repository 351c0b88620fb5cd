"""Features of the cells or spectra in files of any supported format."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.data.impedance.read import read_spectra
from battprob.data.many import FileFailure, ManyFiles, read_many
from battprob.data.names import distinct_names
from battprob.data.paths import files_in
from battprob.data.records import Cell
from battprob.data.reduce import Reduce, ReducedFile
from battprob.data.spectra import Spectrum
from battprob.features._log_voltages import common_voltages, limits_of
from battprob.features.available import MissingFeature, early_life_available
from battprob.features.impedance import nyquist_table
from battprob.features.table import FeatureTable

_FREQUENCIES_PER_DECADE = 5
_ROWS_IN_MEMORY = 10_000_000  # of all logs that are read once; about 0.5 GB


class FileFeatures(NamedTuple):
    """Features of the cells or spectra in a set of files.

    Attributes:
        table: one row per cell or per spectrum; NaN where a feature cannot be computed.
        cycle_life: recorded life of each row in cycles, NaN if unknown; None for
            spectra.
        notes: what was recognised, assumed, repaired and chosen, one line each.
        missing: the reason for each NaN in the table.
        failures: files, or cells, that are not in the table, and the reason.
    """

    table: FeatureTable
    cycle_life: np.ndarray | None
    notes: tuple[str, ...]
    missing: tuple[MissingFeature, ...] = ()
    failures: tuple[FileFailure, ...] = ()

    def __repr__(self):
        rows, columns = self.table.x.shape
        return (
            f"FileFeatures({rows} rows, {columns} features, {len(self.missing)} values "
            f"missing, {len(self.failures)} failures, {len(self.notes)} notes)"
        )

    def to_dataframe(self) -> Any:
        """As `FeatureTable.to_dataframe`, with a column `cycle_life` if known."""
        frame = self.table.to_dataframe()
        if self.cycle_life is not None and not np.isnan(self.cycle_life).all():
            frame["cycle_life"] = self.cycle_life
        return frame


def features_of_files(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    early_cycle: int = 10,
    late_cycle: int = 100,
    voltage_v: ArrayLike | None = None,
    imaginary_sign: Literal["reverse", "keep"] | None = None,
    cache: str | PathLike[str] | None = None,
    num_workers: int | None = None,
    client: Any = None,
    progress: bool = True,
) -> FileFeatures:
    """Compute early-life features of cells, or Nyquist features of spectra, from files.

    All formats of `battprob.data.read_file` are read, including those of readers that
    you registered with `battprob.data.register_reader`.

    - Cells (packs, MATR batches, tables of capacities) and cycler logs (one cell per
      file) give the features of `early_life` after `despike`. The discharge curves of
      logs are interpolated to a common grid of voltages.
    - Spectra give `nyquist_table` features at five frequencies per decade over the
      range that all spectra cover.

    A file that cannot be read does not stop the others; it is listed in `failures`. A
    feature that the record of a cell does not allow is NaN, and `missing` has the
    reason.

    Args:
        paths: files with records of one type (cells, logs or spectra), or folders,
            which stand for all files in and below them.
        early_cycle, late_cycle: see `early_life`.
        voltage_v: voltages of the curves of logs in V, equally spaced; default 1000
            voltages that the early and the late discharge of all logs cover.
        imaginary_sign: sign of Im Z of spectra, as in `battprob.data.read_spectra`;
            other files are then not read.
        cache, num_workers, client, progress: as in `battprob.data.read_many`.

    Raises:
        DataError: a path does not exist, no file gives a row, or the files have records
            of different types.

    Example:
        >>> features = features_of_files(["cell1.csv", "cell2.csv"])  # doctest: +SKIP
        >>> features.to_dataframe().to_csv("features.csv")  # doctest: +SKIP
    """
    options = {
        "cache": cache,
        "num_workers": num_workers,
        "client": client,
        "progress": progress,
    }
    if imaginary_sign is not None:
        options["read"] = partial(read_spectra, imaginary_sign=imaginary_sign)
    cycles = (early_cycle, late_cycle)
    grid = None if voltage_v is None else np.asarray(voltage_v, float)
    listed = files_in(paths)
    # Logs that fit in memory together are read once, others again for their curves.
    keep = cache is None and client is None
    most_rows = _ROWS_IN_MEMORY // len(listed) if keep else 0
    files = _read(listed, Reduce(cycles, grid, grid is None, most_rows), options)
    values, failures, limits = dict(files.values), list(files.failures), ""
    _require_one_kind(values)
    if any(value.waiting for value in values.values()):
        grid = common_voltages(values)
        limits = "" if grid is None else limits_of(values, grid)
        values, more = _with_curves(values, Reduce(cycles, grid), options)
        failures += more
    notes = [note for value in values.values() for note in value.notes]
    if grid is not None:
        notes.append(
            f"curves on {len(grid)} voltages, {grid[0]:.4g} to {grid[-1]:.4g} V{limits}"
        )
    records, renamed = _with_distinct_names(values)
    notes += renamed
    if not records:
        raise _no_rows(failures)
    if isinstance(records[0], Spectrum):
        return _features_of_spectra(records, notes, failures)
    return _features_of_cells(records, notes, failures, cycles)


def _read(paths, reduce: Reduce, options) -> ManyFiles:
    files = read_many(paths, transform=reduce, **options)
    if not files.values:
        raise _no_rows(files.failures)
    return files


def _no_rows(failures: Sequence[FileFailure]) -> DataError:
    if len(failures) == 1:
        return DataError(str(failures[0]))
    listed = "; ".join(str(failure) for failure in failures[:3])
    return DataError(
        f"none of {len(failures)} files gives a row of features: {listed}"
        f"{'; …' if len(failures) > 3 else ''}"
    )


def _require_one_kind(values: Mapping[Path, ReducedFile]):
    by_kind: dict[str, list[str]] = {}
    for path, value in values.items():
        by_kind.setdefault(value.kind, []).append(path.name)
    if len(by_kind) > 1:
        listed = "; ".join(
            f"{kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
            for kind, names in by_kind.items()
        )
        raise DataError(
            f"expected files with one type of records, got {listed}. Make one table for "
            "each type"
        )


def _with_curves(values, reduce: Reduce, options):
    """The files with their logs converted to cells with curves."""
    again = [path for path, value in values.items() if value.waiting and not value.logs]
    read = read_many(again, transform=reduce, **options) if again else ManyFiles({}, ())
    result, failures = {}, list(read.failures)
    for path, value in values.items():
        if not value.waiting:
            result[path] = value
        elif value.logs:
            try:
                result[path] = reduce(value.logs)
            except DataError as error:
                failures.append(FileFailure(path, str(error)))
        elif path in read.values:
            result[path] = read.values[path]
    return result, failures


def _with_distinct_names(values: Mapping[Path, ReducedFile]):
    """Records of all files; those of one name are named after their files."""
    paths: dict[str, list[Path]] = {}
    for path, value in values.items():
        for record in value.records:
            paths.setdefault(record.name, []).append(path)
    shared = {name for name, files in paths.items() if len(set(files)) > 1}
    files = list(dict.fromkeys(path for name in shared for path in paths[name]))
    names = distinct_names([path for path in values if path in files])
    records, notes = [], []
    for path, value in values.items():
        for record in value.records:
            if record.name not in shared:
                records.append(record)
                continue
            single = len(value.records) == 1
            name = names[path] if single else f"{names[path]}/{record.name}"
            records.append(_renamed(record, name))
            notes.append(
                f"the record {record.name!r} of {path} is called {name!r}, because "
                "other files have one of the same name"
            )
    return records, notes


def _renamed(record, name):
    if isinstance(record, Cell):
        return replace(record, name=name)
    return Spectrum(
        name,
        record.frequency_hz,
        record.impedance_ohm,
        statements=record.statements,
        meta=record.meta,
    )


def _features_of_cells(cells, notes, failures, cycles):
    early, late = cycles
    table, missing = early_life_available(cells, early_cycle=early, late_cycle=late)
    empty = np.all(np.isnan(np.asarray(table.x)), axis=1, keepdims=True)[:, 0]
    failures += [
        FileFailure(Path(cell.name), _why_empty(cell, missing, cycles))
        for cell, is_empty in zip(cells, empty, strict=True)
        if is_empty
    ]
    if empty.all():
        raise _no_rows(failures)
    rows = np.flatnonzero(~empty)
    names = {cells[row].name for row in rows}
    return FileFeatures(
        table.take(rows),
        np.array([cells[row].cycle_life for row in rows]),
        tuple(notes),
        tuple(item for item in missing if item.cell in names),
        tuple(failures),
    )


def _why_empty(cell, missing, cycles):
    first, last = cell.cycle[0], cell.cycle[-1]
    if last < cycles[0]:
        what = f"only cycle {first}" if first == last else f"cycles {first} to {last}"
        return (
            f"cell {cell.name!r} has {what}; expected cycles {cycles[0]} and "
            f"{cycles[1]}: choose others (early_cycle, late_cycle; --cycles)"
        )
    reasons = dict.fromkeys(item.reason for item in missing if item.cell == cell.name)
    return f"cell {cell.name!r} has no feature: {'; '.join(reasons)}"


def _features_of_spectra(spectra, notes, failures):
    low = max(spectrum.frequency_hz.min() for spectrum in spectra)
    high = min(spectrum.frequency_hz.max() for spectrum in spectra)
    if not low < high:
        raise DataError(
            "the spectra need a common frequency range; the highest lower limit is "
            f"{low:g} Hz, the lowest upper limit {high:g} Hz: leave out the spectra "
            "with a narrow range"
        )
    num_frequencies = round(_FREQUENCIES_PER_DECADE * np.log10(high / low)) + 1
    grid = np.geomspace(high, low, max(2, num_frequencies))
    notes.append(f"{len(grid)} frequencies, {high:g} to {low:g} Hz")
    table = nyquist_table(spectra, grid)
    return FileFeatures(table, None, tuple(notes), (), tuple(failures))
