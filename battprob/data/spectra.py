"""`Spectrum`: one measured impedance spectrum, and the functions that read it."""

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
from battprob.data._columns import Columns, columns_by_name, recognised_columns
from battprob.data._tables import Table, is_number, numeric_column, read_table

_SWEEP = "cycle number"  # column in which EC-Lab numbers the sweeps of one file


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Spectrum:
    """One impedance spectrum, validated on construction and read-only.

    Args:
        name: unique name of the spectrum.
        frequency_hz: frequencies in Hz, in the order of the measurement.
        impedance_ohm: impedance in ohm; a capacitive impedance has a negative imaginary
            part.
        assumptions: what a reader assumed about signs and units, and which rows it
            omitted, one sentence each.
        meta: any other information about the spectrum.

    Raises:
        DataError: shapes do not match, a frequency is not positive, or a value is not
            finite.

    Example:
        >>> Spectrum("a", frequency_hz=[100.0, 10.0], impedance_ohm=[1 - 0.1j, 2])
        Spectrum('a', 2 frequencies from 10 to 100 Hz)
    """

    name: str
    frequency_hz: Float[np.ndarray, " f"]
    impedance_ohm: Complex[np.ndarray, " f"]
    assumptions: tuple[str, ...]
    meta: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        frequency_hz: ArrayLike,
        impedance_ohm: ArrayLike,
        *,
        assumptions: Sequence[str] = (),
        meta: Mapping[str, Any] | None = None,
    ):
        fields = {
            "name": name,
            "frequency_hz": np.array(frequency_hz, float),
            "impedance_ohm": np.array(impedance_ohm, complex),
            "assumptions": tuple(assumptions),
            "meta": dict(meta or {}),
        }
        _check(name, fields["frequency_hz"], fields["impedance_ohm"])
        for field, value in fields.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, field, value)  # the dataclass is frozen

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
    r"""Read a file with one spectrum; for the arguments see `read_spectra`.

    Raises:
        DataError: as in `read_spectra`, or the file has several spectra.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell7.csv"
        >>> _ = path.write_text("freq/Hz,Re(Z)/Ohm,-Im(Z)/Ohm\n10,1.5,0.5\n")
        >>> spectrum = read_spectrum(path)
        >>> complex(spectrum.impedance_ohm[0])
        (1.5-0.5j)
        >>> spectrum.assumptions[2]
        "imaginary part from column '-Im(Z)/Ohm', in ohm, with its sign reversed"
    """
    spectra = read_spectra(
        path,
        frequency_hz=frequency_hz,
        real_ohm=real_ohm,
        imaginary_ohm=imaginary_ohm,
        minus_imaginary_ohm=minus_imaginary_ohm,
    )
    if len(spectra) > 1:
        raise DataError(f"{path} has {len(spectra)} spectra: use read_spectra")
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
    """Read all spectra of a file; `assumptions` states how the file was interpreted.

    Gamry `.DTA`, ZPlot/ZView `.z`, BioLogic `.mpt` and any other table with a header
    line are recognised by their content, binary BioLogic `.mpr` files (read by the
    package `galvani`) by their suffix. Units (Hz, ohm, with a prefix) and the sign of
    the imaginary part are taken from the header (`-Im(Z)`, `-Z''`). A file without a
    header must have the columns frequency in Hz, real and signed imaginary part in ohm.
    Rows with frequency 0 (EC-Lab's rest periods) are omitted, which `assumptions`
    states.

    Args:
        path: the file.
        by: columns whose text distinguishes the spectra; their values become part of
            the name. Not needed for repeated sweeps of EC-Lab, nor if frequencies
            repeat and one column of text distinguishes the repetitions.
        frequency_hz, real_ohm, imaginary_ohm: names of the columns of the frequency in
            Hz and of the signed parts of the impedance in ohm, for headers that are not
            recognised. Give all three or none.
        minus_imaginary_ohm: instead of `imaginary_ohm`, a column whose sign is
            reversed.

    Returns:
        Spectra in the order of their first row, named after the file and `by`.

    Raises:
        DataError: a column is not found, or a value is not a number; the message names
            the file, the line and the column.

    Example:
        >>> spectra = read_spectra("eis.csv", by=["cell"])  # doctest: +SKIP
    """
    table = read_table(path)
    names = (frequency_hz, real_ohm, imaginary_ohm, minus_imaginary_ohm)
    columns = (
        recognised_columns(table)
        if all(name is None for name in names)
        else columns_by_name(table, *names)
    )
    labels = tuple(by) or ((_SWEEP,) if _SWEEP in table.header else ())
    if not labels:
        labels, assumptions = _label_column(table, columns.frequency)
        columns = columns._replace(assumptions=columns.assumptions + assumptions)
    groups = _row_groups(table, labels)
    stem = Path(path).stem
    return [
        _spectrum(_name(stem, key, groups), table, rows, columns, labels, key)
        for key, rows in groups.items()
    ]


def _label_column(table: Table, frequency):
    """Column of text within whose groups no frequency repeats, and the assumptions."""
    value, count = _most_frequent(table, range(len(table.rows)), frequency)
    if count == 1:
        return (), ()
    for label in filter(None, table.header):
        groups = _row_groups(table, (label,))
        # Numbers could be another measured quantity, such as the time.
        is_text = not any(
            is_number(key, decimal_comma=table.decimal_comma) for (key,) in groups
        )
        if is_text and all(
            _most_frequent(table, rows, frequency)[1] == 1 for rows in groups.values()
        ):
            assumption = f"{len(groups)} spectra, distinguished by column {label!r}"
            return (label,), (assumption,)
    return (), (
        f"frequency {value} occurs {count} times, taken as repeated measurements "
        "within one spectrum: use `by` to name the columns that distinguish several "
        "spectra",
    )


def _most_frequent(table, rows, column):
    # Compared as text: equal frequencies are written equally within one file.
    return Counter(table.field(row, column) for row in rows).most_common(1)[0]


def _row_groups(table: Table, labels):
    """Rows of each combination of values in the columns `labels`."""
    columns = [table.index(label) for label in labels]
    groups = {}
    for row in range(len(table.rows)):
        key = tuple(table.field(row, column) for column in columns)
        groups.setdefault(key, []).append(row)
    return groups


def _name(stem, key, groups):
    return "/".join([stem, *key]) if len(groups) > 1 else stem


def _spectrum(name, table, rows, columns: Columns, labels, key):
    indices = (columns.frequency, columns.real, columns.imaginary)
    values = np.stack([numeric_column(table, rows, index) for index in indices])
    frequency, real, imaginary = values * np.asarray(columns.factors)[:, None]
    measured = frequency != 0
    assumptions = columns.assumptions
    if not measured.all():
        omitted = [table.lines[rows[i]] for i in np.flatnonzero(~measured)]
        assumptions += (
            f"{len(omitted)} rows with frequency 0 omitted, the first in line "
            f"{omitted[0]}",
        )
    return Spectrum(
        name,
        frequency[measured],
        (real + 1j * imaginary)[measured],
        assumptions=assumptions,
        meta={"file": str(table.path), **dict(zip(labels, key, strict=True))},
    )


def _check(name, frequency, impedance):
    shapes = frequency.shape, impedance.shape
    if frequency.ndim != 1 or frequency.size == 0 or shapes[0] != shapes[1]:
        raise DataError(
            f"spectrum {name!r}: frequency_hz and impedance_ohm must be non-empty "
            f"lists of the same length; got shapes {shapes[0]} and {shapes[1]}"
        )
    bad = ~(np.isfinite(frequency) & (frequency > 0) & np.isfinite(impedance))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"spectrum {name!r}: row {row} (counting from 0) has frequency "
            f"{frequency[row]:g} Hz and impedance {impedance[row]:g} ohm; expected a "
            "positive frequency and finite values. Remove such rows from the file"
        )
