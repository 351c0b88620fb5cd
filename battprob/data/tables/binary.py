"""Which reader a file needs that is not plain text: by its first bytes, then by name."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from battprob._errors import DataError
from battprob.data.tables.arbin_res import read_arbin_res
from battprob.data.tables.biologic_mpr import MAGIC as _BIOLOGIC
from battprob.data.tables.biologic_mpr import read_biologic_mpr
from battprob.data.tables.hdf5 import MAGIC as _HDF5
from battprob.data.tables.hdf5 import read_hdf5
from battprob.data.tables.ivium import is_ivium, read_ivium
from battprob.data.tables.markup import (
    is_excel_xml,
    is_html,
    read_excel_xml,
    read_html,
)
from battprob.data.tables.neware_binary import MAGIC as _NEWARE
from battprob.data.tables.neware_binary import read_neware_binary
from battprob.data.tables.palmsens import is_palmsens, read_palmsens
from battprob.data.tables.parquet import (
    ARROW_MAGIC,
    PARQUET_MAGIC,
    read_feather,
    read_parquet,
)
from battprob.data.tables.table import RawTable
from battprob.data.tables.workbook import read_workbook
from battprob.data.tables.zahner import is_zahner_ism, read_zahner_ism

TableReader = Callable[[Path], tuple[RawTable, ...]]


class _Refusal(NamedTuple):
    """A format that cannot be read, and what to do."""

    format: str
    remedy: str


_UNPACK = "unpack it and read the files inside"
_EXPORT = "export the measurement as .csv with the software of the instrument"
_NO_TABLE = "it contains no table that can be read; " + _EXPORT
_REFUSED: tuple[tuple[bytes, _Refusal], ...] = (
    (b"\x1f\x8b", _Refusal("a gzip archive", _UNPACK)),
    (b"BZh", _Refusal("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\0", _Refusal("an xz archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", _Refusal("a zstd archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", _Refusal("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", _Refusal("a RAR archive", _UNPACK)),
    (b"%PDF-", _Refusal("a PDF document", _NO_TABLE)),
    (b"\x89PNG\r\n\x1a\n", _Refusal("a PNG image", _NO_TABLE)),
    (b"\xff\xd8\xff", _Refusal("a JPEG image", _NO_TABLE)),
    (b"GIF8", _Refusal("a GIF image", _NO_TABLE)),
    (b"II*\0", _Refusal("a TIFF image", _NO_TABLE)),
    (b"MM\0*", _Refusal("a TIFF image", _NO_TABLE)),
    (b"{\\rtf", _Refusal("an RTF document", "save the table in it as .csv")),
    (b"SQLite format 3\0", _Refusal("an SQLite database", "export its table as .csv")),
    (b"TDSm", _Refusal("a LabVIEW TDMS file", "export its channels as .csv")),
    (b"MDF     ", _Refusal("an MDF file", "export its channels as .csv")),
    (b"MATLAB 5.0", _Refusal("a MATLAB file", "export its table as .csv")),
    (
        b"MATLAB 7.3",
        _Refusal(
            "a MATLAB 7.3 file",
            "battprob.data.read_matr reads those of the MATR data set; export the "
            "table of others as .csv",
        ),
    ),
    (b"\x80\x02", _Refusal("a Python pickle", "save the table as .csv or .parquet")),
    (b"\x80\x03", _Refusal("a Python pickle", "save the table as .csv or .parquet")),
    (b"\x80\x04", _Refusal("a Python pickle", "save the table as .csv or .parquet")),
    (b"\x80\x05", _Refusal("a Python pickle", "save the table as .csv or .parquet")),
    (b"\x93NUMPY", _Refusal("a NumPy array", "save it with the names of its columns")),
    (b"MZ", _Refusal("a Windows program", "choose the file of the measurement")),
    (b"\x7fELF", _Refusal("a program", "choose the file of the measurement")),
)
# Formats of files with these suffixes that do not begin as they should.
_BY_SUFFIX = {
    ".res": "an Arbin .res file (Access database)",
    ".mdb": "an Access database",
    ".accdb": "an Access database",
    ".mpr": "a BioLogic .mpr file",
    ".nda": "a Neware .nda file",
    ".ndax": "a Neware .ndax file",
    ".pssession": "a PalmSens .pssession file",
    ".parquet": "a parquet file",
    ".feather": "a feather file",
    ".arrow": "an Arrow file",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".hdf": "an HDF5 file",
    ".xlsx": "an Excel workbook",
    ".xlsm": "an Excel workbook",
    ".xlsb": "an Excel workbook",
    ".xls": "an Excel workbook",
    ".ods": "an OpenDocument spreadsheet",
}
# Binary formats without known first bytes.
_REFUSED_SUFFIX = {
    ".nox": _Refusal(
        "a Metrohm Autolab NOVA file (.nox)", "export it from NOVA as text"
    ),
    ".isc": _Refusal("a Zahner voltammogram (.isc)", "export it as text"),
    ".isw": _Refusal(
        "a Zahner series of spectra (.isw)", "export each as .ism or text"
    ),
    ".mat": _Refusal("a MATLAB file", "export its table as .csv"),
}


def _refuse(refusal) -> TableReader:
    def refuse(path: Path) -> tuple[RawTable, ...]:
        raise DataError(
            f"{path}: expected a table of a measurement, found {refusal.format}; "
            f"{refusal.remedy}"
        )

    return refuse


def _refuse_damaged(expected) -> TableReader:
    def refuse(path: Path) -> tuple[RawTable, ...]:
        raise DataError(
            f"{path}: expected {expected} by its name, but it does not begin like one; "
            "it is damaged or has another format: copy it again from the instrument, or "
            "export the measurement as .csv"
        )

    return refuse


def _read_zip(path: Path) -> tuple[RawTable, ...]:
    """Read a zip archive, which may be a workbook or a Neware file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        expected = _BY_SUFFIX.get(path.suffix.lower(), "a zip archive")
        return _refuse_damaged(expected)(path)
    return _reader_of_members(names)(path)


def _reader_of_members(names):
    if any(name.endswith(".ndc") for name in names):
        return read_neware_binary
    if any(name.startswith("xl/") for name in names) or "content.xml" in names:
        return read_workbook
    if any(name.startswith("word/") for name in names):
        return _refuse(_Refusal("a Word document", "save the table in it as .csv"))
    if names and all(name.endswith(".npy") for name in names):
        remedy = "battprob.data.read_pack reads packs; export others as .csv"
        return _refuse(_Refusal("a NumPy archive (.npz)", remedy))
    return _refuse(_Refusal(f"a zip archive of {len(names)} files", _UNPACK))


_ACCESS = (b"\0\1\0\0Standard Jet DB", b"\0\1\0\0Standard ACE DB")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\3\4", b"PK\5\6")

_BY_MAGIC: tuple[tuple[tuple[bytes, ...], TableReader], ...] = (
    (_ACCESS, read_arbin_res),
    ((_BIOLOGIC,), read_biologic_mpr),
    ((_NEWARE,), read_neware_binary),
    ((PARQUET_MAGIC,), read_parquet),
    ((ARROW_MAGIC,), read_feather),
    ((_HDF5,), read_hdf5),
    ((_OLE,), read_workbook),
    (_ZIP, _read_zip),
)
_BY_HEAD: tuple[tuple[Callable[[bytes], bool], TableReader], ...] = (
    (is_palmsens, read_palmsens),
    (is_excel_xml, read_excel_xml),
    (is_html, read_html),
)
_BY_PATH: tuple[tuple[Callable[[Path, bytes], bool], TableReader], ...] = (
    (is_zahner_ism, read_zahner_ism),
    (is_ivium, read_ivium),
)


# Excel up to version 4 wrote its cells without a container.
_OLD_EXCEL = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
_SAVE_AS = "open it in a spreadsheet program and save it as .xlsx or .csv"


def binary_reader(path: Path, head: bytes) -> TableReader | None:
    """Reader of a file that is not plain text, or None if the file is text or unknown.

    The first bytes decide, so that the name may be wrong (a workbook named `.csv`); a
    text file named `.xls` gives None. Formats that are known but cannot be read, such as
    archives and images, and damaged files give a reader that raises a `DataError` with
    the name of the format.

    Args:
        path: the file.
        head: its first 8 KiB, or the whole file if it is shorter.
    """
    reader = _reader_by_content(path, head)
    if reader is not None or _is_text(head):
        return reader
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _refuse_damaged(_BY_SUFFIX[suffix])
    refusal = _REFUSED_SUFFIX.get(suffix)
    return None if refusal is None else _refuse(refusal)


def _reader_by_content(path, head):
    readers: list[TableReader] = [
        reader for magics, reader in _BY_MAGIC if head.startswith(magics)
    ]
    if not readers and (refusal := _refusal(head)):
        readers.append(_refuse(refusal))
    readers += [reader for has_head, reader in _BY_HEAD if has_head(head)]
    readers += [reader for is_format, reader in _BY_PATH if is_format(path, head)]
    return readers[0] if readers else None


def _refusal(head):
    if head.startswith(_OLD_EXCEL):
        return _Refusal("an Excel file of version 4 or older", _SAVE_AS)
    return next(
        (refusal for magic, refusal in _REFUSED if head.startswith(magic)), None
    )


def _is_text(head):
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    control = sum(byte < 9 or 14 <= byte < 32 for byte in head)
    return b"\0" not in head and control <= 0.02 * len(head)
