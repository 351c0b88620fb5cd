"""Read the compressed pack of early discharge curves of Severson et al. (2019)."""

import zipfile
from os import PathLike
from pathlib import Path, PurePosixPath

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell

_KEYS = (
    "Qdlin",
    "scale",
    "voltage",
    "cycles",
    "cycle_life",
    "split",
    "source_file",
    "policy",
    "charge_time_0_80_min",
    "batch_date",
    "barcode",
)
_CAPACITY_KEYS = ("capacity", "scale", "cycle", "row")


def read_pack(
    path: str | PathLike[str], *, capacity_path: str | PathLike[str] | None = None
) -> tuple[Cell, ...]:
    """Read the cells of a `.npz` pack of discharge curves Q(V).

    The cells are named after their source file (`train/cell1`), `protocol` is the
    charging policy and `batch` the batch date. Nothing is repaired (see `despike`).

    Args:
        path: the pack. Arrays: `Qdlin` [cell, cycle, voltage], integers to be
            multiplied by `scale` (Ah); `voltage` (V); `cycles`; and with one entry per
            cell `cycle_life`, `split`, `source_file`, `policy`, `charge_time_0_80_min`,
            `batch_date`, `barcode`.
        capacity_path: a second `.npz` file with the capacity of every cycle. Arrays:
            `capacity` [row, cycle], integers to be multiplied by `scale` (Ah), -1 if
            missing; `cycle` numbers of the same shape; `row`, the index of the cell in
            the pack. Without this file, and for cells that it lacks, `capacity_ah` is
            the last value of each curve. The two differ: the sequence counts the whole
            discharge, the curve ends at the last voltage of the grid (0.02 Ah less in
            the pack of Severson et al.). Do not compare one with the other.

    Raises:
        DataError: an array is missing; the message names it.

    Example:
        >>> cells = read_pack("severson.npz")  # doctest: +SKIP
        >>> cells[0]  # doctest: +SKIP
        Cell('train/cell1', 99 cycles from 2 to 100, 99 curves, cycle_life=2160)

    References:
        Severson et al. (2019), doi:10.1038/s41560-019-0356-8; Attia, Severson and
        Witmer (2021), doi:10.1149/1945-7111/ac2704.
    """
    pack = _load(path, _KEYS)
    curves = pack["Qdlin"] * float(pack["scale"])
    sequences = {} if capacity_path is None else _sequences(capacity_path)
    return tuple(_cell(pack, row, curves[row], sequences) for row in range(len(curves)))


def _load(path, keys):
    if Path(path).is_file() and not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not a pack: expected an .npz file of NumPy arrays")
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in keys if key not in file.files]
        if missing:
            raise DataError(f"{path} has no array {missing[0]!r}; it has {file.files}")
        return {key: file[key] for key in keys}


def _sequences(path):
    """Cycle numbers and capacities in Ah by index of the cell in the pack."""
    file = _load(path, _CAPACITY_KEYS)
    sequences = {}
    rows = zip(file["row"], file["cycle"], file["capacity"], strict=True)
    for row, cycle, capacity in rows:
        observed = capacity >= 0
        sequences[int(row)] = cycle[observed], capacity[observed] * float(file["scale"])
    return sequences


def _cell(pack, row, curves, sequences):
    cycle, capacity = sequences.get(row, (pack["cycles"], curves[:, -1]))
    return Cell(
        str(PurePosixPath(str(pack["source_file"][row])).with_suffix("")),
        cycle,
        capacity,
        curve_cycle=pack["cycles"],
        voltage_v=pack["voltage"],
        curve_capacity_ah=curves,
        cycle_life=float(pack["cycle_life"][row]),
        protocol=str(pack["policy"][row]),
        batch=str(pack["batch_date"][row]),
        split=str(pack["split"][row]),
        meta={
            "barcode": str(pack["barcode"][row]),
            "charge_time_0_80_min": float(pack["charge_time_0_80_min"][row]),
        },
    )
