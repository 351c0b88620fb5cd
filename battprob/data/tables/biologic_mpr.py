"""BioLogic `.mpr` files, read with the package `datalab-org-galvani` (GPL, optional)."""

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.columns import array_column
from battprob.data.tables.packages import reading, require
from battprob.data.tables.table import RawTable

MAGIC = b"BIO-LOGIC MODULAR FILE"
_FORMAT = "BioLogic .mpr"
_REMEDY = "export it from EC-Lab as text (.mpt)"
_UNKNOWN = "unknown_colID"
_LOOP = "loop number"
_SIZES = (8, 4, 2, 1)  # bytes of the numbers in a record


def read_biologic_mpr(path: Path) -> tuple[RawTable, ...]:
    """Read the rows of a binary file of EC-Lab or BT-Lab.

    The columns have the names that EC-Lab gives them in a text export: `time/s`,
    `Ewe/V`, `I/mA` or `<I>/mA`, `dq/mA.h`, `(Q-Qo)/mA.h`, `Ns`, `half cycle`,
    `freq/Hz`, `Re(Z)/Ohm`, `-Im(Z)/Ohm`, …. The flags come first (`mode`, `ox/red`,
    …). Files with several loops get a column `loop number`, counted from 0. There is
    no column `cycle number` in files of cycling; EC-Lab computes it from `half cycle`.

    `galvani` does not know all columns. It finds the size of an unknown one from the
    length of the rows; with several unknown ones this may have several solutions, and
    then the columns between the first and the last of them are left out.

    Raises:
        DataError: the package is missing, or it cannot read the file.
    """
    module = require(
        "galvani.BioLogic", path, format=_FORMAT, package="datalab-org-galvani"
    )
    with reading(path, format=_FORMAT, remedy=_REMEDY):
        file, problem = _parsed(module, path.read_bytes())
    if len(file.data) == 0:
        raise DataError(f"{path}: this {_FORMAT} file has no rows of a measurement")
    columns, statements = _columns(file)
    if problem:
        statements += (f"the start of the measurement could not be read ({problem})",)
    return (
        RawTable(
            path,
            _FORMAT,
            tuple(columns),
            tuple(columns.values()),
            meta=_meta(file),
            statements=statements,
        ),
    )


def _parsed(module, content) -> tuple[Any, str]:
    """The file as an object of `galvani`, and why its log could not be read, if so."""
    # The rows are complete before the dates are read. The dates fail for some files, for
    # example those that were started around midnight, and are not needed.
    file = module.MPRfile.__new__(module.MPRfile)
    try:
        file.__init__(io.BytesIO(content))
    except Exception as error:
        if not hasattr(file, "version"):
            raise
        return file, str(error).splitlines()[0] if str(error) else type(error).__name__
    return file, ""


def _columns(file):
    names = file.data.dtype.names
    ambiguous = _ambiguous(file.data.dtype)
    columns = {
        name: array_column(np.ascontiguousarray(file.get_flag(name)))
        for name in file.flags_dict
    }
    columns |= {
        name: array_column(np.ascontiguousarray(file.data[name]))
        for name in names
        if name != "flags" and not name.startswith(_UNKNOWN) and name not in ambiguous
    }
    statements = ()
    unknown = [name for name in names if name.startswith(_UNKNOWN)]
    if unknown:
        numbers = ", ".join(name.removeprefix(_UNKNOWN + "_") for name in unknown)
        statements += (f"columns of unknown meaning were left out (types {numbers})",)
    if ambiguous:
        statements += (
            f"the columns {sorted(ambiguous)} were left out: they lie between columns "
            f"of unknown size; {_REMEDY} if they are needed",
        )
    loops = _loop_numbers(file)
    if loops is not None:
        columns[_LOOP] = loops
    return columns, statements


def _ambiguous(dtype):
    """Names of the columns whose position in a row is not certain."""
    names = dtype.names
    unknown = [i for i, name in enumerate(names) if name.startswith(_UNKNOWN)]
    if len(unknown) < 2:
        return set()
    total = sum(dtype[i].itemsize for i in unknown)
    solutions = itertools.product(_SIZES, repeat=len(unknown))
    if sum(sum(sizes) == total for sizes in solutions) == 1:
        return set()
    between = names[unknown[0] + 1 : unknown[-1]]
    return {name for name in between if not name.startswith(_UNKNOWN)}


def _loop_numbers(file):
    """Number of the loop of each row, or None if the file has no loops."""
    starts = getattr(file, "loop_index", None)
    if starts is None:
        return None
    starts = np.unique(starts[starts < len(file.data)])
    if len(starts) < 2:
        return None
    rows = np.arange(len(file.data))
    return np.maximum(np.searchsorted(starts, rows, side="right") - 1, 0).astype(float)


def _meta(file):
    start = getattr(file, "timestamp", None) or getattr(file, "startdate", None)
    return {} if start is None else {"Acquisition started on": start.isoformat()}
