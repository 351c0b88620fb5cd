"""Zahner `.ism` files: impedance spectra of Thales."""

import struct
from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.table import RawTable

_FORMAT = "Zahner .ism"
_MOST_POINTS = 1_000_000
_LARGEST_PHASE = 20.0  # rad; a larger one is no phase
_LARGEST_FREQUENCY = 1e10  # Hz
_HEADER = 12  # bytes: version and number of the last point, of 6 bytes each


def is_zahner_ism(path: Path, head: bytes) -> bool:
    """Whether a file is a Zahner spectrum: by its suffix or by its first bytes."""
    if path.suffix.lower() == ".ism":
        return True
    (first,) = struct.unpack(">d", head[_HEADER : _HEADER + 8].ljust(8, b"\0"))
    return (
        head[:5] == b"\0\0\xff\xff\xff"
        and 1 < _number_of_points(head) < _MOST_POINTS
        and 0 < first < _LARGEST_FREQUENCY
    )


def read_zahner_ism(path: Path) -> tuple[RawTable, ...]:
    """Read the spectrum of a Zahner file.

    The columns are `Frequency/Hz`, `Re(Z)/Ohm` and `Im(Z)/Ohm`, computed from the
    modulus and the phase in the file, by increasing frequency. Thales starts at a
    frequency inside the range, goes to one end and then to the other, so that some
    frequencies are measured twice. As in the package `zahner_analysis`, only the points
    between the lowest and the highest frequency are read; the rest is stated.

    Layout: numbers are big-endian. Two integers of 6 bytes (version, number of points
    minus 1), then arrays of float64: frequency in Hz, modulus in ohm, phase in rad.

    Raises:
        DataError: the file is damaged.
    """
    content = path.read_bytes()
    points = _number_of_points(content)
    if not 1 <= points < _MOST_POINTS or len(content) < _HEADER + points * 24:
        raise DataError(
            f"{path}: this {_FORMAT} file is damaged or incomplete: it states "
            f"{points} points but has {len(content)} bytes; export the spectrum from "
            "Zahner Analysis as text"
        )
    frequency, modulus, phase = (
        np.frombuffer(content, ">f8", 3 * points, offset=_HEADER)
        .reshape(3, points)
        .astype(float)
    )
    _check(path, frequency, modulus, phase)
    rows, statements = _one_pass(frequency)
    modulus, phase = modulus[rows], phase[rows]
    return (
        RawTable(
            path,
            _FORMAT,
            ("Frequency/Hz", "Re(Z)/Ohm", "Im(Z)/Ohm"),
            (frequency[rows], modulus * np.cos(phase), modulus * np.sin(phase)),
            statements=statements,
        ),
    )


def _number_of_points(content):
    return int.from_bytes(content[6:12], "big", signed=True) + 1


def _check(path, frequency, modulus, phase):
    valid = np.isfinite(frequency) & np.isfinite(modulus) & np.isfinite(phase)
    valid &= (frequency > 0) & (modulus >= 0) & (np.abs(phase) < _LARGEST_PHASE)
    if not valid.all():
        point = int(np.argmin(valid))
        raise DataError(
            f"{path}: this {_FORMAT} file is damaged: point {point} (counting from 0) "
            f"has the frequency {frequency[point]:g} Hz, modulus {modulus[point]:g} ohm "
            f"and phase {phase[point]:g} rad; export the spectrum from Zahner Analysis "
            "as text"
        )


def _one_pass(frequency):
    """Rows from the lowest to the highest frequency, and a statement on the others."""
    low, high = int(np.argmin(frequency)), int(np.argmax(frequency))
    rows = np.arange(low, high + 1) if low <= high else np.arange(low, high - 1, -1)
    others = len(frequency) - len(rows)
    if not others:
        return rows, ()
    return rows, (
        f"{others} of {len(frequency)} points were left out: they are measured on the "
        "way from the first frequency to the end of the range, and again later",
    )
