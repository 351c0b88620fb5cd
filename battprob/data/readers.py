"""Read a file of any supported format, and register readers of other formats."""

import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from battprob._errors import DataError
from battprob.data.capacity_csv import read_capacity_csv
from battprob.data.matr import read_matr
from battprob.data.pack import read_pack
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum, read_spectra
from battprob.data.timeseries import TimeSeries, read_timeseries

Record = Cell | TimeSeries | Spectrum
Reader = Callable[[Path], Sequence[Record]]

_REGISTERED: dict[str, Reader] = {}
_MPT_HEADER_LINES = 300  # EC-Lab writes its settings before the column names


def register_reader(suffixes: str | Sequence[str], reader: Reader) -> None:
    """Use `reader` for all files whose name ends in one of `suffixes`.

    To read a file format of your own:

    1. Write a function that takes a `pathlib.Path` and returns a list of records of one
       type: `Cell` (capacity per cycle and discharge curves), `TimeSeries` (all logged
       rows of one cell) or `Spectrum` (one impedance spectrum).
    2. Convert all values to the units in the argument names of these classes: s, V, A
       (positive while charging), Ah, °C, Hz, ohm (the imaginary part of a capacitive
       impedance is negative). Write NaN for a missing capacity.
    3. Raise `battprob.DataError` if the file is faulty. Name the file, the line and the
       column in the message.
    4. Call `register_reader(".xyz", read_xyz)` once, before files are read. The reader
       is then used by `read_file`, `battprob.features.features_of_files`,
       `battprob.eis.spectra_of_files` and the commands `battprob features` and
       `battprob eis` in the same process (`battprob.cli.main([...])`).

    Args:
        suffixes: one or several endings of file names, each with its dot (`".xyz"`,
            `".log.csv"`). Upper and lower case are equal. If several match, the longest
            is used. A registered reader takes precedence over a built-in one, and a
            later registration of the same suffix replaces an earlier one.
        reader: function from a path to a list of records.

    Raises:
        DataError: a suffix does not start with a dot.

    Example:
        >>> import pathlib, tempfile
        >>> def read_pairs(path):
        ...     capacity_ah = [float(line) for line in path.read_text().split()]
        ...     return [Cell(path.stem, range(1, len(capacity_ah) + 1), capacity_ah)]
        >>> register_reader(".pairs", read_pairs)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a1.pairs"
        >>> _ = path.write_text("1.08 1.07")
        >>> read_file(path)
        (Cell('a1', 2 cycles from 1 to 2, 0 curves, cycle_life=nan),)
    """
    suffixes = [suffixes] if isinstance(suffixes, str) else list(suffixes)
    for suffix in suffixes:
        if len(suffix) < 2 or not suffix.startswith("."):
            raise DataError(
                f"a suffix must start with a dot, such as '.xyz'; got {suffix!r}"
            )
    _REGISTERED.update({suffix.lower(): reader for suffix in suffixes})


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
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path}")
    reader = registered_reader(path) or _built_in_reader(path)
    records = tuple(reader(path))
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
    """Reader that a user registered for the longest matching suffix, or None."""
    name = Path(path).name.lower()
    matches = [suffix for suffix in _REGISTERED if name.endswith(suffix)]
    return _REGISTERED[max(matches, key=len)] if matches else None


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
