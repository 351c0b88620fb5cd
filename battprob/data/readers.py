"""Read a file of any supported format, and register readers of other formats."""

import functools
import importlib.metadata
import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from battprob._errors import DataError
from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.impedance.read import read_spectra
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.timeseries import TimeSeries, read_timeseries

Record = Cell | TimeSeries | Spectrum
Reader = Callable[[Path], Sequence[Record]]

_REGISTERED: dict[str, Reader] = {}
_MPT_HEADER_LINES = 300  # EC-Lab writes its settings before the column names


def register_reader(*suffixes: str) -> Callable[[Reader], Reader]:
    """Decorator of a function that reads all files whose name ends in `suffixes`.

    To read a file format of your own:

    1. Write a function that takes a `pathlib.Path` and returns a list of records of one
       type: `Cell` (capacity per cycle and discharge curves), `TimeSeries` (all logged
       rows of one cell) or `Spectrum` (one impedance spectrum).
    2. Convert all values to the units in the argument names of these classes: s, V, A
       (positive while charging), Ah, °C, Hz, ohm (the imaginary part of a capacitive
       impedance is negative). Write NaN for a missing capacity.
    3. Raise `battprob.DataError` if the file is faulty. Name the file, the line and the
       column in the message.
    4. Write `@register_reader(".xyz")` above the function. From then on it is used by
       all functions that read files (`read_file`, `read_many`, `inspect`,
       `battprob.features.features_of_files`, `battprob.eis.spectra_of_files`).
    5. The shell command `battprob` also finds the function if it is in an installed
       package that names it as an entry point. In the `pyproject.toml` of the package:

           [project.entry-points."battprob.readers"]
           ".xyz" = "my_package:read_xyz"

       The package is imported when the first file with this suffix is read.

    Args:
        suffixes: endings of file names, each with its dot (`".xyz"`, `".log.csv"`).
            Upper and lower case are equal. If several match, the longest is used. A
            registered reader takes precedence over an entry point, and both over a
            built-in one. A later registration of the same suffix replaces an earlier
            one.

    Returns:
        A decorator that returns the function unchanged.

    Raises:
        DataError: there is no suffix, or one does not start with a dot.

    Example:
        >>> import pathlib, tempfile
        >>> @register_reader(".pairs")
        ... def read_pairs(path):
        ...     capacity_ah = [float(line) for line in path.read_text().split()]
        ...     return [Cell(path.stem, range(1, len(capacity_ah) + 1), capacity_ah)]
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a1.pairs"
        >>> _ = path.write_text("1.08 1.07")
        >>> read_file(path)
        (Cell('a1', 2 cycles from 1 to 2, 0 curves, cycle_life=nan),)
    """
    for suffix in suffixes or ("",):
        if not isinstance(suffix, str) or len(suffix) < 2 or suffix[0] != ".":
            raise DataError(
                "register_reader expects suffixes that start with a dot, as in "
                f"@register_reader('.xyz'); got {suffix!r}"
            )

    def register(reader: Reader) -> Reader:
        _REGISTERED.update({suffix.lower(): reader for suffix in suffixes})
        return reader

    return register


def read_file(path: str | PathLike[str]) -> tuple[Record, ...]:
    """Read the records of one file of any supported format.

    | format | suffix | read by | records |
    |---|---|---|---|
    | registered by `register_reader` | as registered | its reader | any |
    | pack of discharge curves | `.npz` | `read_pack` | `Cell` |
    | MATR batch file | `.mat` | `read_matr` | `Cell` |
    | table with column `capacity_Ah` | text | `read_capacity_csv` | `Cell` |
    | cycler log | `.parquet`, `.mpr`, `.nda`, text | `read_timeseries` | `TimeSeries` |
    | impedance spectra | `.DTA`, `.z`, text | `read_spectra` | `Spectrum` |

    Other text files (`.csv`, `.mpt`, …) are distinguished by their header: a file with
    a column of frequencies is read as spectra. The readers have more options (names of
    columns, sign of the current); call them directly if you need these.

    Returns:
        The records in the order of the file, all of one type.

    Raises:
        DataError: the file does not exist or cannot be read, or a registered reader
            returned no records or records of several types.

    Example:
        >>> cells = read_file("2017-05-12_batchdata.mat")  # doctest: +SKIP
    """
    return read_records(Path(path), registered_reader(path))


def read_records(
    path: Path, reader: Callable[[Path], Record | Sequence[Record]] | None
) -> tuple[Record, ...]:
    """Read the records of one file with a given reader; None: a built-in one.

    Raises:
        DataError: as in `read_file`.
    """
    if not path.is_file():
        raise DataError(f"no file {path}")
    result = (reader or _read_built_in)(path)
    records = (result,) if isinstance(result, Record) else tuple(result)
    types = {type(record) for record in records}
    if len(types) != 1 or not isinstance(records[0], Record):
        names = sorted(one.__name__ for one in types)
        raise DataError(
            f"{path}: the reader {getattr(reader, '__name__', reader)} must return one "
            "or more records, all Cell, all TimeSeries or all Spectrum; got "
            f"{len(records)} records of types {names}"
        )
    return records


def registered_reader(path: str | PathLike[str]) -> Reader | None:
    """Reader that a user or an installed package registered for a file, or None."""
    name = Path(path).name.lower()
    suffix = _longest_suffix(name, _REGISTERED)
    if suffix is not None:
        return _REGISTERED[suffix]
    suffix = _longest_suffix(name, _entry_points())
    return None if suffix is None else _load(suffix)


def _longest_suffix(name, suffixes):
    return max(filter(name.endswith, suffixes), key=len, default=None)


@functools.cache
def _entry_points() -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Entry points of the installed packages by suffix; nothing is imported."""
    by_suffix: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group="battprob.readers"):
        by_suffix.setdefault(entry.name.lower(), []).append(entry)
    return by_suffix


@functools.cache
def _load(suffix) -> Reader:
    entries = _entry_points()[suffix]
    if len(entries) > 1:
        packages = sorted(str(entry.dist and entry.dist.name) for entry in entries)
        raise DataError(
            f"the packages {packages} all register a reader of {suffix!r} files: "
            "uninstall all but one, or choose a reader with "
            f"@battprob.data.register_reader({suffix!r})"
        )
    try:
        return entries[0].load()
    except Exception as error:
        raise DataError(
            f"the reader {entries[0].value!r} of {suffix!r} files cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error


def _read_one_timeseries(path):
    return [read_timeseries(path)]


_BY_SUFFIX: dict[str, Reader] = {
    ".npz": read_pack,
    ".mat": read_matr,
    ".dta": read_spectra,
    ".z": read_spectra,
    ".parquet": _read_one_timeseries,
    ".nda": _read_one_timeseries,
    ".ndax": _read_one_timeseries,
    ".mpr": _read_one_timeseries,
}


def _read_built_in(path):
    return _built_in_reader(path)(path)


def _built_in_reader(path):
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    num_lines = _MPT_HEADER_LINES if suffix == ".mpt" else 1
    with open(path, encoding="cp1252", errors="replace") as file:
        header = "".join(file.readline() for _ in range(num_lines))
    # EC-Lab settings contain the word "frequency" also in files of cycling data.
    pattern = r"freq/hz" if suffix == ".mpt" else r"freq|\bf\b"
    if re.search(pattern, header.lower()):
        return read_spectra
    columns = header.strip().split(",")
    return read_capacity_csv if "capacity_Ah" in columns else _read_one_timeseries
