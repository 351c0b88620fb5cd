"""Read the MATLAB batch files of the Toyota-Stanford-MIT fast-charging campaigns."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell

_PER_CYCLE = {  # name in the file: name in `Cell.per_cycle`
    "IR": "resistance_ohm",
    "QCharge": "charge_capacity_ah",
    "Tavg": "temperature_mean_c",
    "Tmin": "temperature_min_c",
    "Tmax": "temperature_max_c",
    "chargetime": "charge_time_min",
}


def read_matr(
    path: str | PathLike[str], *, last_curve_cycle: int = 100
) -> tuple[Cell, ...]:
    """Read all cells of one batch file in MATLAB v7.3 format.

    The files are named `..._batchdata_updated_struct_errorcorrect.mat`. The cells are
    named `<batch date>/cell<index in the file, from 0>`. Entry j of `cycles` belongs to
    entry j of `summary.cycle`, which is the cycle number. An entry with an empty curve
    (cycle 1 of the first batch) is a placeholder: it has no curve, and its capacity is
    NaN. A cell without a cycle life is right-censored at its last cycle. Cells that
    continue in another batch file are not joined, and nothing is repaired (see
    `despike`).

    Args:
        path: the batch file; needs `h5py` (`pip install battprob[data]`).
        last_curve_cycle: curves are read up to this cycle number; capacities are read
            for all cycles.

    Raises:
        DataError: a field of this layout is missing; the message names the field and
            the cell.

    Example:
        >>> cells = read_matr("2017-05-12_batchdata.mat")  # doctest: +SKIP

    References:
        Severson et al. (2019), doi:10.1038/s41560-019-0356-8 (the measurements).
    """
    import h5py

    if Path(path).is_file() and not h5py.is_hdf5(path):
        raise DataError(
            f"{path} is not a MATR batch file: expected MATLAB 7.3 (HDF5); save older "
            ".mat files with -v7.3"
        )
    with h5py.File(path, "r") as file:
        batch = _field(file, "batch", path)
        date = _text(_field(file, "batch_date", path))
        names = (
            "summary",
            "cycles",
            "Vdlin",
            "cycle_life",
            "policy_readable",
            "barcode",
        )
        columns = {
            name: np.ravel(_field(batch, name, f"{path}, batch")[()]) for name in names
        }
        structs = [
            {name: file[references[i]] for name, references in columns.items()}
            for i in range(len(columns["summary"]))
        ]
        return tuple(
            _cell(file, f"{date}/cell{i}", date, struct, last_curve_cycle)
            for i, struct in enumerate(structs)
        )


def _cell(file, name, date, struct, last_curve_cycle):
    summary = struct["summary"]
    cycle = _numbers(_field(summary, "cycle", f"cell {name}, summary"))
    capacity = _numbers(_field(summary, "QDischarge", f"cell {name}, summary"))
    references = _field(struct["cycles"], "Qdlin", f"cell {name}, cycles")
    references = np.ravel(references[()])
    if len(references) > len(cycle) or len(capacity) != len(cycle):
        raise DataError(
            f"cell {name}: {len(references)} entries in cycles and {len(capacity)} "
            f"capacities for the {len(cycle)} cycle numbers of its summary; expected "
            "one of each per cycle number"
        )
    # Entries of cell arrays are references to data sets elsewhere in the file.
    rows, curves = [], []
    for row in np.flatnonzero(cycle[: len(references)] <= last_curve_cycle):
        curve = _numbers(file[references[row]])
        if curve.size == 0:
            capacity[row] = np.nan
            continue
        rows.append(row)
        curves.append(curve)
    life = _numbers(struct["cycle_life"])
    life = float(life[0]) if life.size else float("nan")
    return Cell(
        name,
        cycle,
        capacity,
        curve_cycle=cycle[rows] if rows else None,
        voltage_v=_numbers(struct["Vdlin"]) if rows else None,
        curve_capacity_ah=_stack(name, cycle[rows], curves) if rows else None,
        cycle_life=cycle[-1] if np.isnan(life) else life,
        censored=bool(np.isnan(life)),
        protocol=_text(struct["policy_readable"]),
        batch=date,
        per_cycle=_per_cycle(summary),
        meta={"barcode": _text(struct["barcode"])},
    )


def _per_cycle(summary):
    """The other columns of the summary that are present and not empty."""
    columns = {
        name: _numbers(summary[name_in_file])
        for name_in_file, name in _PER_CYCLE.items()
        if name_in_file in summary
    }
    return {name: values for name, values in columns.items() if values.size}


def _stack(name, cycles, curves):
    lengths = sorted({len(curve) for curve in curves})
    if len(lengths) > 1:
        short = next(
            c for c, q in zip(cycles, curves, strict=True) if len(q) == lengths[0]
        )
        raise DataError(
            f"cell {name}: Qdlin has {lengths[0]} values at cycle {short:g} and "
            f"{lengths[-1]} elsewhere; expected one voltage grid"
        )
    return np.stack(curves)


def _field(group, name, location) -> Any:
    if name not in group:
        raise DataError(f"{location} has no field {name!r}; it has {sorted(group)}")
    return group[name]


def _numbers(dataset):
    """Values of a row or column vector as a flat array; empty if MATLAB marks it empty.

    MATLAB stores an empty array as its shape, so the content must not be used.
    """
    if dataset.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    return np.ravel(dataset[()]).astype(float)


def _text(dataset):
    return "".join(chr(int(code)) for code in _numbers(dataset))
