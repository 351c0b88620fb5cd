"""Read the MATLAB v7.3 batch files of the Toyota-Stanford-MIT fast-charging campaigns."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob.data.records import Cell

_PER_CYCLE = {  # name in the file: ours
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
    """Read every cell of one batch file (`..._batchdata_updated_struct_errorcorrect.mat`).

    Cells are named `<batch date>/cell<place in the file, from 0>`. Entry j of a cell's
    `cycles` belongs to entry j of its `summary.cycle`, which holds the cycle number. An
    entry whose curve is empty (cycle 1 of the first batch) is a placeholder: it gets no
    curve, and NaN as its capacity. A cell without a cycle life is censored at its last
    cycle. Cells that continue in another batch file are not joined, and nothing is
    repaired: see `despike`.

    Args:
        path: the batch file; needs `h5py` (`pip install battprob[data]`).
        last_curve_cycle: curves are read up to this cycle number; capacities always to
            the end.

    Raises:
        DataError: the file lacks a field of this layout; the message names it and the
            cell.

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
    curves = _field(struct["cycles"], "Qdlin", f"cell {name}, cycles")
    curves = np.ravel(curves[()])
    if len(curves) > len(cycle) or len(capacity) != len(cycle):
        raise DataError(
            f"cell {name}: {len(curves)} entries in cycles and {len(capacity)} capacities "
            f"for the {len(cycle)} cycle numbers of its summary; expected one each"
        )
    rows, stack = [], []
    for row in np.flatnonzero(cycle[: len(curves)] <= last_curve_cycle):
        curve = _numbers(file[curves[row]])
        if curve.size == 0:
            capacity[row] = np.nan
            continue
        rows.append(row)
        stack.append(curve)
    life = _numbers(struct["cycle_life"])
    life = float(life[0]) if life.size else float("nan")
    return Cell(
        name,
        cycle,
        capacity,
        curve_cycle=cycle[rows] if rows else None,
        voltage_v=_numbers(struct["Vdlin"]) if rows else None,
        curve_capacity_ah=_stack(name, cycle[rows], stack) if rows else None,
        cycle_life=cycle[-1] if np.isnan(life) else life,
        censored=bool(np.isnan(life)),
        protocol=_text(struct["policy_readable"]),
        batch=date,
        per_cycle=_per_cycle(summary),
        meta={"barcode": _text(struct["barcode"])},
    )


def _per_cycle(summary):
    """The summary's other columns; those that the file leaves empty are left out."""
    columns = {
        ours: _numbers(summary[theirs])
        for theirs, ours in _PER_CYCLE.items()
        if theirs in summary
    }
    return {name: values for name, values in columns.items() if values.size}


def _stack(name, cycles, curves):
    lengths = sorted({len(curve) for curve in curves})
    if len(lengths) > 1:
        odd = next(
            c for c, q in zip(cycles, curves, strict=True) if len(q) == lengths[0]
        )
        raise DataError(
            f"cell {name}: Qdlin has {lengths[0]} values at cycle {odd:g} and {lengths[-1]} "
            "elsewhere; expected one voltage grid"
        )
    return np.stack(curves)


def _field(group, name, where) -> Any:
    if name not in group:
        raise DataError(f"{where} has no field {name!r}; it has {sorted(group)}")
    return group[name]


def _numbers(dataset):
    """The values in one row, whichever way MATLAB turned them; none where empty."""
    if dataset.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    return np.ravel(dataset[()]).astype(float)


def _text(dataset):
    return "".join(chr(int(code)) for code in _numbers(dataset))
