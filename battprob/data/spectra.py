"""`Spectrum`: one measured impedance spectrum, and the readers that make it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike

from battprob._errors import DataError
from battprob.data._columns import Columns, chosen_columns, known_columns
from battprob.data._tables import Table, find_table, is_number, numbers

_SWEEP = "cycle number"  # EC-Lab counts repeated sweeps of one file in this column


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Spectrum:
    """One impedance spectrum, checked when made and read-only afterwards.

    Args:
        name: unique name of the spectrum.
        frequency_hz: frequencies in Hz in the order in which they were measured.
        impedance_ohm: impedance in ohm; a capacitive one has a negative imaginary part.
        assumed: what a reader took for granted of signs and units, and what it left out,
            one sentence each.
        meta: whatever else the source says of the spectrum.

    Raises:
        DataError: shapes disagree, a frequency is not positive or a value not finite.

    Example:
        >>> Spectrum("a", frequency_hz=[100.0, 10.0], impedance_ohm=[1 - 0.1j, 2 - 0.5j])
        Spectrum('a', 2 frequencies from 10 to 100 Hz)
    """

    name: str
    frequency_hz: Float[np.ndarray, " f"]
    impedance_ohm: Complex[np.ndarray, " f"]
    assumed: tuple[str, ...]
    meta: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        frequency_hz: ArrayLike,
        impedance_ohm: ArrayLike,
        *,
        assumed: Sequence[str] = (),
        meta: Mapping[str, Any] | None = None,
    ):
        fields = {
            "name": name,
            "frequency_hz": np.array(frequency_hz, float),
            "impedance_ohm": np.array(impedance_ohm, complex),
            "assumed": tuple(assumed),
            "meta": dict(meta or {}),
        }
        _check(name, fields["frequency_hz"], fields["impedance_ohm"])
        for field, value in fields.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, field, value)  # frozen only from here on

    def __repr__(self):
        low, high = self.frequency_hz.min(), self.frequency_hz.max()
        count = len(self.frequency_hz)
        return (
            f"Spectrum({self.name!r}, {count} frequencies from {low:g} to {high:g} Hz)"
        )


def read_spectrum(
    path: str | PathLike[str],
    *,
    frequency_hz: str | None = None,
    real_ohm: str | None = None,
    imaginary_ohm: str | None = None,
    minus_imaginary_ohm: str | None = None,
) -> Spectrum:
    r"""Read a file that holds one spectrum; arguments as in `read_spectra`.

    Raises:
        DataError: as in `read_spectra`, or the file holds several.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell7.csv"
        >>> _ = path.write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n10,1.5,0.5\n")
        >>> spectrum = read_spectrum(path)
        >>> complex(spectrum.impedance_ohm[0])
        (1.5-0.5j)
        >>> spectrum.assumed[2]
        "imaginary part from column '-Im(Z)/Ohm', in ohm, its sign turned"
    """
    spectra = read_spectra(
        path,
        frequency_hz=frequency_hz,
        real_ohm=real_ohm,
        imaginary_ohm=imaginary_ohm,
        minus_imaginary_ohm=minus_imaginary_ohm,
    )
    if len(spectra) > 1:
        raise DataError(f"{path} holds {len(spectra)} spectra: use read_spectra")
    return spectra[0]


def read_spectra(
    path: str | PathLike[str],
    *,
    by: Sequence[str] = (),
    frequency_hz: str | None = None,
    real_ohm: str | None = None,
    imaginary_ohm: str | None = None,
    minus_imaginary_ohm: str | None = None,
) -> list[Spectrum]:
    """Read the spectra of a file, and state in `assumed` how it was understood.

    Gamry `.DTA`, ZPlot/ZView `.z`, BioLogic `.mpt` and any other table with a header line
    are told apart by their content, BioLogic's binary `.mpr` (through the package
    `galvani`) by its name. Units (Hz, ohm, with a prefix) and the sign of the
    imaginary part are taken from the header (`-Im(Z)`, `-Z''`). A file of numbers alone
    is read as frequency in Hz, real and signed imaginary part in ohm. Rows with frequency
    0 (EC-Lab's records of rest) are left out, and that is stated.

    Args:
        path: the file.
        by: columns whose text tells one spectrum from the next; their values name it.
            EC-Lab's repeated sweeps are told apart without; so is a file whose frequencies
            come back, if one column of text explains it.
        frequency_hz, real_ohm, imaginary_ohm: names of the columns that hold the
            frequency in Hz and the signed parts of the impedance in ohm, where the
            header is not understood. Give all three or none.
        minus_imaginary_ohm: in place of `imaginary_ohm`, where its sign is to be turned.

    Returns:
        Spectra in order of their first row, named after the file and `by`.

    Raises:
        DataError: a column is not found, or a value is not a number; the message names
            the file, the line and the column.

    Example:
        >>> spectra = read_spectra("eis.csv", by=["cell"])  # doctest: +SKIP
    """
    table = find_table(path)
    named = (frequency_hz, real_ohm, imaginary_ohm, minus_imaginary_ohm)
    columns = (
        known_columns(table)
        if all(name is None for name in named)
        else chosen_columns(table, *named)
    )
    labels = tuple(by) or ((_SWEEP,) if _SWEEP in table.header else ())
    if not labels:
        labels, stated = _told_apart(table, columns.frequency)
        columns = columns._replace(assumed=(*columns.assumed, *stated))
    groups = _row_groups(table, labels)
    stem = Path(path).stem
    return [
        _spectrum(_name(stem, key, groups), table, rows, columns, labels, key)
        for key, rows in groups.items()
    ]


def _told_apart(table: Table, frequency):
    """A column of text that leaves no frequency twice in one spectrum, and what is stated."""
    value, times = _most_frequent(table, range(len(table.rows)), frequency)
    if times == 1:
        return (), ()
    for label in filter(None, table.header):
        groups = _row_groups(table, (label,))
        text = not any(
            is_number(key, decimal_comma=table.decimal_comma) for (key,) in groups
        )
        if text and all(
            _most_frequent(table, rows, frequency)[1] == 1 for rows in groups.values()
        ):
            return (label,), (f"{len(groups)} spectra, told apart by column {label!r}",)
    return (), (
        f"frequency {value} occurs {times} times, taken as readings of one spectrum: "
        "`by` names the columns that tell several apart",
    )


def _most_frequent(table, rows, column):
    return Counter(table.cell(row, column) for row in rows).most_common(1)[0]


def _row_groups(table: Table, labels):
    where = [table.position(label) for label in labels]
    groups = {}
    for row in range(len(table.rows)):
        key = tuple(table.cell(row, column) for column in where)
        groups.setdefault(key, []).append(row)
    return groups


def _name(stem, key, groups):
    return "/".join([stem, *key]) if len(groups) > 1 else stem


def _spectrum(name, table, rows, columns: Columns, labels, key):
    parts = (columns.frequency, columns.real, columns.imaginary)
    values = np.stack([numbers(table, rows, column) for column in parts])
    frequency, real, imaginary = values * np.asarray(columns.factors)[:, None]
    measured = frequency != 0
    assumed = columns.assumed
    if not measured.all():
        left_out = [table.lines[rows[i]] for i in np.flatnonzero(~measured)]
        assumed += (
            f"{len(left_out)} rows with frequency 0 left out, the first in line "
            f"{left_out[0]}",
        )
    return Spectrum(
        name,
        frequency[measured],
        (real + 1j * imaginary)[measured],
        assumed=assumed,
        meta={"file": str(table.path), **dict(zip(labels, key, strict=True))},
    )


def _check(name, frequency, impedance):
    shapes = frequency.shape, impedance.shape
    if frequency.ndim != 1 or frequency.size == 0 or shapes[0] != shapes[1]:
        raise DataError(
            f"spectrum {name!r}: frequency_hz and impedance_ohm must be lists of one "
            f"length, not empty; got shapes {shapes[0]} and {shapes[1]}"
        )
    bad = ~(np.isfinite(frequency) & (frequency > 0) & np.isfinite(impedance))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"spectrum {name!r}: row {row} (counting from 0) has frequency "
            f"{frequency[row]:g} Hz and impedance {impedance[row]:g} ohm; expected a "
            "positive frequency and finite values. Take such rows out of the file"
        )
