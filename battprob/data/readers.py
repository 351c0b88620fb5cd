"""Read a file of any supported format, and register readers of other formats."""

import functools
import importlib.metadata
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from battprob._errors import DataError
from battprob.data.capacity_columns import capacity_columns
from battprob.data.capacity_csv import capacity_table, cells_of_table
from battprob.data.cycler.read import timeseries_of_tables
from battprob.data.impedance.read import read_spectra
from battprob.data.kinds import kind_of
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.tables.read import read_tables
from battprob.data.tables.table import RawTable
from battprob.data.timeseries import TimeSeries

Record = Cell | TimeSeries | Spectrum
Reader = Callable[[Path], Sequence[Record]]

_REGISTERED: dict[str, Reader] = {}
PACKED: dict[str, Reader] = {".npz": read_pack, ".mat": read_matr}  # many cells a file


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

    | content of the file | read by | records |
    |---|---|---|
    | suffix registered by `register_reader` | its reader | any |
    | pack of discharge curves (`.npz`) | `read_pack` | `Cell` |
    | MATR batch file (`.mat`) | `read_matr` | `Cell` |
    | cycle numbers and capacities, one row per cycle | `read_capacity_csv` | `Cell` |
    | time, voltage and current | `read_timeseries` | `TimeSeries` |
    | frequency and impedance | `read_spectra` | `Spectrum` |

    The format (text, spreadsheet, binary file of an instrument) is recognised by the
    content, and the kind of the records by the columns that have values. The readers
    have more options (names of columns, sign of the current); call them directly if you
    need these. `battprob.data.inspect` shows how a file is read.

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


def records_of_tables(tables: Sequence[RawTable], path: Path) -> tuple[Record, ...]:
    """Records in the tables of a file, of the kind that `kind_of` finds."""
    kind = kind_of(tables, path)
    if kind == "log":
        return (timeseries_of_tables(tables, path),)
    if kind == "spectra":
        return tuple(read_spectra(path))
    table = capacity_table(tables, path)
    return cells_of_table(table, capacity_columns(table))


def _read_built_in(path):
    reader = PACKED.get(path.suffix.lower())
    if reader is not None:
        return reader(path)
    return records_of_tables(read_tables(path), path)
