"""Features of the cells or spectra in files of any supported format."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.despike import despike
from battprob.data.readers import read_file
from battprob.data.spectra import Spectrum
from battprob.data.timeseries import TimeSeries
from battprob.features.early_life import early_life
from battprob.features.impedance import nyquist_table
from battprob.features.table import FeatureTable

_NUM_VOLTAGES = 1000
_FREQUENCIES_PER_DECADE = 5


class FileFeatures(NamedTuple):
    """Features of the cells or spectra in a set of files.

    Attributes:
        table: one row per cell or per spectrum.
        cycle_life: recorded life of each row in cycles, NaN if unknown; None for
            spectra.
        notes: what was assumed, repaired and chosen, one line each.
    """

    table: FeatureTable
    cycle_life: np.ndarray | None
    notes: tuple[str, ...]

    def to_dataframe(self) -> Any:
        """As `FeatureTable.to_dataframe`, with a column `cycle_life` if known."""
        frame = self.table.to_dataframe()
        if self.cycle_life is not None and not np.isnan(self.cycle_life).all():
            frame["cycle_life"] = self.cycle_life
        return frame


def features_of_files(
    paths: Sequence[str | PathLike[str]],
    *,
    early_cycle: int = 10,
    late_cycle: int = 100,
) -> FileFeatures:
    """Compute early-life features of cells, or Nyquist features of spectra, from files.

    All formats of `battprob.data.read_file` are read, including those of readers that
    you registered with `battprob.data.register_reader`.

    - Cells (packs `.npz`, MATR batches `.mat`) and cycler logs (Battery Data Format and
      BatteryArchive `.csv`, `.parquet`, `.mpt`, `.mpr`, `.nda`, `.ndax`; one cell per
      file) give `early_life` features after `despike`. The discharge curves of logs are
      interpolated to 1000 equally spaced voltages, which all cells cover.
    - Spectra (`.DTA`, `.z`, `.mpt`, `.csv`) give `nyquist_table` features at five
      frequencies per decade over the range that all spectra cover.

    Args:
        paths: files with records of one type (cells, logs or spectra).
        early_cycle, late_cycle: see `early_life`.

    Raises:
        DataError: a file cannot be read, the files have records of different types, or
            a cell lacks required cycles; the message names the file or the cell.

    Example:
        >>> features = features_of_files(["cell1.csv", "cell2.csv"])  # doctest: +SKIP
        >>> features.to_dataframe().to_csv("features.csv")  # doctest: +SKIP
    """
    paths = [Path(path) for path in paths]
    missing = [path for path in paths if not path.is_file()]
    if missing or not paths:
        raise DataError(
            f"no file {missing[0]}" if missing else "expected files, got none"
        )
    records = {path: read_file(path) for path in paths}
    types = {path: type(of_file[0]) for path, of_file in records.items()}
    if len(set(types.values())) > 1:
        listed = ", ".join(f"{path.name} ({t.__name__})" for path, t in types.items())
        raise DataError(
            f"expected files with one type of records, got {listed}: make one table "
            "for each type"
        )
    joined = [record for path in paths for record in records[path]]
    if isinstance(joined[0], Spectrum):
        return _features_of_spectra(joined)
    notes = []
    if isinstance(joined[0], TimeSeries):
        joined, notes = _cells_of_series(joined)
    return _features_of_cells(joined, notes, early_cycle, late_cycle)


def _features_of_cells(cells, notes, early_cycle, late_cycle):
    pairs = [despike(cell) for cell in cells]
    repaired = [cell for cell, _ in pairs]
    repairs = [f"repaired: {repair}" for _, listed in pairs for repair in listed]
    return FileFeatures(
        early_life(repaired, early_cycle=early_cycle, late_cycle=late_cycle),
        np.array([cell.cycle_life for cell in repaired]),
        (*notes, *repairs),
    )


def _cells_of_series(series):
    grid = _common_voltages(series)
    notes = [f"{one.name}: {line}" for one in series for line in one.assumptions]
    notes.append(f"curves on {len(grid)} voltages, {grid[0]:.4g} to {grid[-1]:.4g} V")
    return [one.to_cell(voltage_v=grid) for one in series], notes


def _common_voltages(series: Sequence[TimeSeries]):
    """Equally spaced falling voltages within the discharge range of all records."""
    ranges = []
    for record in series:
        discharged = record.voltage_v[record.current_a < 0]
        if discharged.size == 0:
            raise DataError(f"{record.name!r} has no rows with a discharge current")
        ranges.append((discharged.min(), discharged.max()))
    low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    if not low < high:
        raise DataError(
            "the discharges of the cells need a common voltage range; the highest "
            f"final voltage is {low:g} V, the lowest initial voltage {high:g} V: leave "
            "out the cells with a narrow range"
        )
    return np.linspace(high, low, _NUM_VOLTAGES)


def _features_of_spectra(spectra):
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
    notes = [f"{s.name}: {line}" for s in spectra for line in s.statements]
    notes.append(f"{len(grid)} frequencies, {high:g} to {low:g} Hz")
    return FileFeatures(nyquist_table(spectra, grid), None, tuple(notes))
