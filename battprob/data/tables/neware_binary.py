"""Neware `.nda` and `.ndax` files, read with the package `fastnda`."""

import importlib
import shutil
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

from battprob._errors import DataError
from battprob.data.tables.columns import array_column
from battprob.data.tables.packages import reading, require
from battprob.data.tables.table import RawTable

MAGIC = b"NEWARE"
_REMEDY = "export it from Neware's BTSDA as .xlsx or .csv"
_META = (
    "active_mass_mg",
    "num_datapoints",
    "start_time",
    "creator",
    "sn",
    "remarks",
    "bts_version",
    "Barcode",
    "StartTime",
    "StepName",
    "SCQ",
)


def read_neware_binary(path: Path) -> tuple[RawTable, ...]:
    """Read the rows of a binary file of Neware.

    The columns have the names that `fastnda` gives them:

    | column | meaning |
    |---|---|
    | `index` | number of the row, from 1 |
    | `voltage_V`, `current_mA` | current positive while charging |
    | `total_time_s`, `step_time_s` | time since the start of the test and of the step |
    | `unix_time_s` | instant; old versions: start of the test plus `total_time_s` |
    | `cycle_count` | number of the cycle that the file stores, as BTSDA shows it |
    | `step_count` | consecutive number of the step, from 1 |
    | `step_index` | number of the step in the test plan; it repeats in each cycle |
    | `step_type` | text: `CC_Chg`, `CV_Chg`, `CC_DChg`, `Rest`, … |
    | `capacity_mAh`, `energy_mWh` | signed charge and energy **of the step** |
    | `aux1_temperature_degC`, … | auxiliary channels |

    `capacity_mAh` begins at zero in each step, rises while the current charges and
    falls below zero while it discharges: it is the charge counter minus the discharge
    counter of the instrument. Files of old versions without a cycle number get one
    that rises where the direction of the first step begins again.

    Raises:
        DataError: the package is missing, the file has no rows or `fastnda` cannot
            read it.
    """
    with path.open("rb") as file:
        suffix = ".nda" if file.read(len(MAGIC)) == MAGIC else ".ndax"
    format_name = f"Neware {suffix}"
    module = _fastnda(path, format_name)
    options = {"format": format_name, "remedy": _REMEDY, "logger": "fastnda"}
    with _with_suffix(path, suffix) as source:
        with reading(path, **options) as messages:
            frame = module.read(source, cycle_mode="raw")
        meta = {}
        with suppress(DataError), reading(path, **options):
            meta = _flat(module.read_metadata(source))
    if frame.height == 0:
        raise DataError(f"{path}: this {format_name} file has no rows of a measurement")
    statements = tuple(dict.fromkeys(f"fastnda: {message}" for message in messages))
    expected = meta.get("num_datapoints", "")
    if expected.isdigit() and int(expected) != frame.height:
        statements += (
            f"{frame.height} rows were read, but the file states {expected}: it may "
            "have been copied during the test",
        )
    columns = [array_column(_numpy(frame[name])) for name in frame.columns]
    return (
        RawTable(
            path,
            format_name,
            tuple(frame.columns),
            tuple(columns),
            meta=meta,
            statements=statements,
        ),
    )


def _fastnda(path, format_name):
    """The package; importing it does not change `zlib` for the rest of the program."""
    # `fastnda.ndax` replaces functions of `zlib` by those of another package, whose
    # exceptions are not `zlib.error`.
    functions = zlib.decompress, zlib.decompressobj
    try:
        module = require("fastnda", path, format=format_name, package="fastnda")
        with suppress(ImportError):
            importlib.import_module("fastnda.ndax")
    finally:
        zlib.decompress, zlib.decompressobj = functions
    return module


@contextmanager
def _with_suffix(path, suffix):
    """The path, or a copy with the suffix by which `fastnda` distinguishes formats."""
    if path.suffix.lower() == suffix:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"copy{suffix}"
        shutil.copyfile(path, copy)
        yield copy


def _numpy(series):
    """Values of a polars series; numbers that are missing become NaN."""
    if series.dtype.is_numeric():
        return series.cast(float).fill_null(float("nan")).to_numpy()
    return series.cast(str).fill_null("").to_numpy()


def _flat(metadata, entries=None):
    """The known entries of nested metadata as text."""
    entries = {} if entries is None else entries
    for name, value in metadata.items():
        if isinstance(value, dict):
            _flat(value, entries)
        elif name in _META and value not in ("", None, 0.0):
            entries.setdefault(name, str(value))
    return entries
