"""Read a spectrum from a plain CSV file."""

import os

import numpy as np

from battprob._errors import DataError

_FREQUENCY = ("freq_hz", "frequency_hz", "frequency", "freq/hz", "freq")
_REAL = ("re_ohm", "real_ohm", "real", "re(z)/ohm", "zreal")
_IMAG = ("im_ohm", "imag_ohm", "imag", "im(z)/ohm", "zimag")
_MINUS_IMAG = ("-im(z)/ohm", "minus_im_ohm", "-zimag")


def read_spectrum(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and complex impedances in Ohm of a CSV file.

    Columns are found by name (`freq_hz re_ohm im_ohm` and the like; `-Im(Z)/Ohm` is
    turned round); without a header they are frequency, real, imaginary part. Im Z is
    taken as signed: negative where capacitive.

    Raises:
        DataError: a column is missing, or a value is no number (row and column named).
    """
    with open(path, encoding="utf-8-sig") as file:
        lines = [line.strip() for line in file if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty: expected rows of frequency, Re Z, Im Z")
    header = [name.strip().lower().replace(" ", "") for name in lines[0].split(",")]
    if _is_number(header[0]):
        columns, sign, first = (0, 1, 2), 1.0, 1
    else:
        (*columns, sign), first = _columns(header, path), 2
        lines = lines[1:]
    rows = [_numbers(line, columns, i + first, path) for i, line in enumerate(lines)]
    frequency, real, imag = np.array(rows).T
    return frequency, real + 1j * sign * imag


def _columns(header, path):
    def position(names):
        return next((header.index(name) for name in names if name in header), None)

    frequency, real, imag = map(position, (_FREQUENCY, _REAL, _IMAG))
    minus = position(_MINUS_IMAG)
    imaginary = minus if imag is None else imag
    if frequency is None or real is None or imaginary is None:
        raise DataError(
            f"{path} needs columns freq_hz, re_ohm and im_ohm; its header is {header}"
        )
    return frequency, real, imaginary, -1.0 if imag is None else 1.0


def _numbers(line, columns, row, path):
    cells = line.split(",")
    try:
        return [float(cells[column]) for column in columns]
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}, row {row}: not three numbers in {line!r}") from error


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
