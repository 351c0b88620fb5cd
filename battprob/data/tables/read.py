"""Tables of a file of any format: binary formats by their content, else text."""

import gzip
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

from battprob._errors import DataError
from battprob.data.tables.binary import binary_reader
from battprob.data.tables.table import RawTable
from battprob.data.tables.text import read_text_tables

_HEAD = 8192  # bytes from which binary formats are recognised
_GZIP = b"\x1f\x8b"


def read_tables(path: Path) -> tuple[RawTable, ...]:
    """Tables of a file; the format is recognised by its content, then by its suffix.

    A file `*.gz` is unpacked first.

    Raises:
        DataError: the file is missing, empty, or of a format that cannot be read. The
            message is one line with the remedy.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder; expected a file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not head:
                raise DataError(f"{path} is empty: it has no bytes")
            if head.startswith(_GZIP):
                file.seek(0)
                return _packed(path, file)
            reader = binary_reader(path, head)
            if reader is not None:
                return reader(path)
            file.seek(0)
            raw = file.read()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{path} cannot be opened: {reason}") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        # A null character in the name.
        raise DataError(f"{str(path)!r} cannot be opened: {error}") from None
    return read_text_tables(path, raw)


def _packed(path, file):
    try:
        with gzip.open(file) as unpacked:
            raw = unpacked.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is a gzip file that cannot be unpacked ({error}); copy it again"
        ) from None
    if not raw:
        raise DataError(f"{path} is empty: it has no bytes")
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    reader = binary_reader(inner, raw[:_HEAD])
    if reader is None:
        tables = read_text_tables(path, raw)
    else:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / inner.name
            copy.write_bytes(raw)
            try:
                tables = reader(copy)
            except DataError as error:
                raise DataError(str(error).replace(str(copy), str(path))) from None
    return tuple(replace(table, path=path) for table in tables)
