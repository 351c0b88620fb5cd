"""Ivium `.idf` files: impedance spectra of IviumSoft."""

import re
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.table import RawTable

_FORMAT = "Ivium .idf"
_REMEDY = "export it from IviumSoft as text"
_DATA = b"primary_data"
_SUFFIXES = (".idf", ".ids")


def is_ivium(path: Path, head: bytes) -> bool:
    """Whether a file is an Ivium data file: by its suffix or by its first bytes."""
    settings = b"Method=" in head and b"Technique=" in head and b"Dconfig=" in head
    return path.suffix.lower() in _SUFFIXES or (settings and b"\0" in head[:16])


def read_ivium(path: Path) -> tuple[RawTable, ...]:
    """Read the impedance spectra of an Ivium file.

    The settings in the file are text; each block of data has the line `primary_data`,
    the number of columns (3), the number of rows, and the rows: real part, imaginary
    part (negative if capacitive) and frequency. The columns are named `Re(Z)/Ohm`,
    `Im(Z)/Ohm` and `Frequency/Hz`. Measurements other than impedance are refused,
    because the meaning of their columns is not in the file.

    Raises:
        DataError: the file has no impedance spectrum or is damaged.
    """
    content = path.read_bytes()
    method = re.search(rb"\nMethod=([^\r\n]*)", content)
    if method is None or _DATA not in content:
        raise DataError(
            f"{path}: expected an {_FORMAT} file with its settings and 'primary_data', "
            f"found neither; the file may be damaged; {_REMEDY}"
        )
    name = method[1].decode("latin-1").strip()
    if name.lower() != "impedance":
        raise DataError(
            f"{path}: this {_FORMAT} file contains a measurement by the method {name!r}, "
            f"but only 'Impedance' can be read; {_REMEDY}"
        )
    blocks = content.split(_DATA)[1:]
    many = len(blocks) > 1
    return tuple(
        _table(path, block, f"spectrum {i}" if many else "")
        for i, block in enumerate(blocks, 1)
    )


def _table(path, block, label):
    lines = block.decode("latin-1").split("\n")
    try:
        width, count = int(lines[1]), int(lines[2])
        rows = [
            [float(field) for field in line.split()] for line in lines[3 : 3 + count]
        ]
        values = np.array(rows, float).reshape(count, width)
    except (ValueError, IndexError):
        raise DataError(
            f"{path}: a block of data of this {_FORMAT} file is damaged or incomplete; "
            f"{_REMEDY}"
        ) from None
    if width != 3:
        raise DataError(
            f"{path}: expected 3 columns in the data of this {_FORMAT} file, found "
            f"{width}; {_REMEDY}"
        )
    real, imaginary, frequency = values.T
    return RawTable(
        path,
        _FORMAT,
        ("Re(Z)/Ohm", "Im(Z)/Ohm", "Frequency/Hz"),
        (real.copy(), imaginary.copy(), frequency.copy()),
        label=label,
    )
