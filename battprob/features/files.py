"""From files as instruments wrote them to one table of features."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.despike import despike
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.records import Cell
from battprob.data.spectra import read_spectra
from battprob.data.timeseries import TimeSeries, read_timeseries
from battprob.features.early_life import early_life
from battprob.features.impedance import nyquist_table
from battprob.features.table import FeatureTable

_NUM_VOLTAGES = 1000
_PER_DECADE = 5
_CELLS, _SPECTRA, _CAPACITIES, _SERIES = "packs", "spectra", "capacities", "time series"
_KIND = {
    ".npz": _CELLS,
    ".mat": _CELLS,
    ".dta": _SPECTRA,
    ".z": _SPECTRA,
    ".parquet": _SERIES,
    ".nda": _SERIES,
    ".ndax": _SERIES,
    ".mpr": _SERIES,
}


class FileFeatures(NamedTuple):
    """Features of the cells or spectra in some files.

    Attributes:
        table: one row a cell, or a spectrum.
        cycle_life: life of each row in cycles as the source states it, NaN where it does
            not; None for spectra.
        stated: what was assumed, repaired and chosen on the way, one line each.
    """

    table: FeatureTable
    cycle_life: np.ndarray | None
    stated: tuple[str, ...]

    def to_dataframe(self) -> Any:
        """`FeatureTable.to_dataframe` with the column `cycle_life` where one is known."""
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
    """Early-life features of cells, or Nyquist features of spectra, from any of our files.

    Packs (`.npz`), MATR batches (`.mat`), cyclers' logs (Battery Data Format and
    BatteryArchive `.csv`, `.parquet`, `.mpt`, `.mpr`, `.nda`, `.ndax`; one cell a file)
    give `early_life` features, glitches repaired. Logs are put on the even grid of 1000
    voltages that all of them cover. Spectra (`.DTA`, `.z`, `.mpt`, `.csv`) give
    `nyquist_table` features at five frequencies a decade over the range of all of them.

    Args:
        paths: files of one kind.
        early_cycle, late_cycle: as in `early_life`.

    Raises:
        DataError: a file cannot be read, kinds are mixed, or a cell lacks what is needed;
            the message names it.

    Example:
        >>> made = features_of_files(["cell1.csv", "cell2.csv"])  # doctest: +SKIP
        >>> made.to_dataframe().to_csv("features.csv")  # doctest: +SKIP
    """
    paths = [Path(path) for path in paths]
    absent = [path for path in paths if not path.is_file()]
    if absent or not paths:
        raise DataError(
            f"no file {absent[0]}" if absent else "expected files, got none"
        )
    kinds = {path: _kind(path) for path in paths}
    if len(set(kinds.values())) > 1:
        mixed = ", ".join(f"{path.name} ({kind})" for path, kind in kinds.items())
        raise DataError(
            f"expected files of one kind, got {mixed}: make a table of each"
        )
    if kinds[paths[0]] == _SPECTRA:
        return _of_spectra(paths)
    return _of_cells(*_READERS[kinds[paths[0]]](paths), early_cycle, late_cycle)


def _kind(path):
    suffix = path.suffix.lower()
    if suffix in _KIND:
        return _KIND[suffix]
    with open(path, encoding="cp1252", errors="replace") as file:
        head = "".join(file.readline() for _ in range(300 if suffix == ".mpt" else 1))
    if re.search(r"freq/hz" if suffix == ".mpt" else r"freq|\bf\b", head.lower()):
        return _SPECTRA
    return _CAPACITIES if "capacity_Ah" in head.strip().split(",") else _SERIES


def _of_cells(cells, stated, early_cycle, late_cycle):
    pairs = [despike(cell) for cell in cells]
    repaired = [cell for cell, _ in pairs]
    return FileFeatures(
        early_life(repaired, early_cycle=early_cycle, late_cycle=late_cycle),
        np.array([cell.cycle_life for cell in repaired]),
        (
            *stated,
            *(f"repaired: {repair}" for _, repairs in pairs for repair in repairs),
        ),
    )


def _read_packs(paths):
    cells: list[Cell] = []
    for path in paths:
        cells += read_pack(path) if path.suffix.lower() == ".npz" else read_matr(path)
    return cells, ()


def _read_capacities(paths):
    return [cell for path in paths for cell in read_capacity_csv(path)], ()


def _read_series(paths):
    series = [read_timeseries(path) for path in paths]
    grid = _common_voltages(series)
    stated = [f"{record.name}: {line}" for record in series for line in record.assumed]
    stated.append(f"curves on {len(grid)} voltages, {grid[0]:.4g} to {grid[-1]:.4g} V")
    return [record.to_cell(voltage_v=grid) for record in series], tuple(stated)


def _common_voltages(series: Sequence[TimeSeries]):
    """An even falling grid inside what every record discharged through."""
    ranges = []
    for record in series:
        discharged = record.voltage_v[record.current_a < 0]
        if discharged.size == 0:
            raise DataError(f"{record.name!r} has no rows that discharge")
        ranges.append((discharged.min(), discharged.max()))
    low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    if not low < high:
        raise DataError(
            "the cells' discharges need a range of voltages in common; they end as high as "
            f"{low:g} V and start as low as {high:g} V: leave out the narrow ones"
        )
    return np.linspace(high, low, _NUM_VOLTAGES)


def _of_spectra(paths):
    spectra = [spectrum for path in paths for spectrum in read_spectra(path)]
    low = max(spectrum.frequency_hz.min() for spectrum in spectra)
    high = min(spectrum.frequency_hz.max() for spectrum in spectra)
    if not low < high:
        raise DataError(
            "the spectra need a range of frequencies in common; their lows reach up to "
            f"{low:g} Hz, their highs down to {high:g} Hz: leave out the narrow ones"
        )
    grid = np.geomspace(
        high, low, max(2, round(_PER_DECADE * np.log10(high / low)) + 1)
    )
    stated = [f"{s.name}: {line}" for s in spectra for line in s.assumed]
    stated.append(f"{len(grid)} frequencies, {high:g} to {low:g} Hz")
    return FileFeatures(nyquist_table(spectra, grid), None, tuple(stated))


_READERS = {
    _CELLS: _read_packs,
    _CAPACITIES: _read_capacities,
    _SERIES: _read_series,
}
