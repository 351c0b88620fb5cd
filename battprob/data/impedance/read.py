"""Read the impedance spectra of a file of any supported format."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from battprob._errors import DataError
from battprob.data.impedance.blocks import side_by_side
from battprob.data.impedance.columns import (
    ImpedanceColumns,
    NamedColumns,
    find_columns,
    has_impedance,
)
from battprob.data.impedance.complex_text import split_complex
from battprob.data.impedance.consistency import (
    refuse_contradictions,
    refuse_polar,
    sign_of_phase,
)
from battprob.data.impedance.sign import signed
from battprob.data.impedance.sweeps import point_statements, split_sweeps
from battprob.data.impedance.values import Measured, measured
from battprob.data.names import record_name
from battprob.data.spectra import Spectrum
from battprob.data.tables.read import read_tables
from battprob.data.tables.table import RawTable


class SpectrumOptions(TypedDict, total=False):
    """Arguments of `read_spectra` by name."""

    by: Sequence[str]
    frequency_hz: str | None
    real_ohm: str | None
    imaginary_ohm: str | None
    minus_imaginary_ohm: str | None
    modulus_ohm: str | None
    phase_deg: str | None
    imaginary_sign: Literal["reverse", "keep"] | None
    area_cm2: float | None


def read_spectrum(
    path: str | PathLike[str], **options: Unpack[SpectrumOptions]
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
        >>> spectrum.statements[-1]
        "imaginary part from column '-Im(Z)/Ohm', in ohm, with its sign reversed"
    """
    spectra = read_spectra(path, **options)
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
    modulus_ohm: str | None = None,
    phase_deg: str | None = None,
    imaginary_sign: Literal["reverse", "keep"] | None = None,
    area_cm2: float | None = None,
) -> list[Spectrum]:
    """Read all spectra of a file; `statements` lists how the file was interpreted.

    The format is recognised by the content: Gamry, ZPlot, EC-Lab, Autolab, CHI,
    VersaStudio and other text with or without a header line, spreadsheets, and the
    binary formats whose packages are installed. ImpedanceColumns of real and imaginary part, or
    of modulus and phase, are recognised by their names, with units (Hz, ohm, with a
    prefix) and signs (`-Im(Z)`, `-Z''`) in the header or in a row of units. A file
    without header must have the columns frequency in Hz, real and signed imaginary part
    in ohm. Rows with frequency 0 (rest periods of EC-Lab) are omitted.

    Several sweeps of a file are several spectra. They are distinguished by the table of
    the file, by columns such as `cycle number`, and by jumps back of the frequency. A
    list of frequencies that rises and then falls is one spectrum.

    A file whose imaginary part has the wrong sign is refused: the real part shows the
    sign (Kramers-Kronig relations), or Im Z is positive at nearly all frequencies.

    Args:
        path: the file.
        by: columns whose values distinguish the spectra, if they are not recognised.
            The values become part of the name.
        frequency_hz: name of the column of the frequency, for headers that are not
            recognised. A unit in the header is used; without unit it is in Hz. The
            other names are used in the same way.
        real_ohm, imaginary_ohm: names of the columns of Re Z and Im Z in ohm.
        minus_imaginary_ohm: instead of `imaginary_ohm`, a column of -Im Z.
        modulus_ohm, phase_deg: instead of these, columns of |Z| and of the phase.
        imaginary_sign: "reverse" reverses the sign of Im Z that the file gives, "keep"
            accepts spectra with Im Z > 0 (coils) as they are.
        area_cm2: area in cm² by which values in ohm cm² are divided.

    Returns:
        Spectra in the order of their first row, named after the file, the table and
        what distinguishes the sweeps. `meta` has the values of the other columns that
        are constant in the sweep.

    Raises:
        DataError: a column is not found, a value is not a number, or the sign of Im Z
            is wrong; the message names the file, the line and the column.

    Example:
        >>> spectra = read_spectra("eis.csv", by=["cell"])  # doctest: +SKIP
    """
    path = Path(path)
    named = NamedColumns(
        frequency_hz,
        real_ohm,
        imaginary_ohm,
        minus_imaginary_ohm,
        modulus_ohm,
        phase_deg,
    )
    tables = [split_complex(table) for table in read_tables(path)]
    tables, statements = _with_impedance(path, tables, named)
    spectra = []
    for table, label in zip(tables, _labels(tables), strict=True):
        columns = find_columns(table, named)
        points = measured(table, columns, area_cm2)
        if not any(table.header):
            refuse_polar(path, points.frequency_hz, points.impedance_ohm)
        refuse_contradictions(table, columns, points.rows, points.impedance_ohm)
        spectra += _spectra(
            table,
            columns,
            points,
            (record_name(path), *label),
            statements,
            by,
            imaginary_sign,
        )
    return spectra


def _labels(tables):
    """What distinguishes the tables in the names of their spectra."""
    if len(tables) == 1:
        return [()]
    labels = [table.label for table in tables]
    if len(set(labels)) == len(labels) and all(labels):
        return [(label,) for label in labels]
    return [(str(number),) for number in range(1, len(labels) + 1)]


def _with_impedance(path, tables, named):
    """The tables with an impedance, and a statement that lists the others."""
    tables = [table for table in tables if len(table)]
    if not named.by_kind():
        tables = [block for table in tables for block in side_by_side(table)]
    if not tables:
        raise DataError(
            f"{path}: expected a table of numbers, found no rows of numbers"
        )
    chosen = [table for table in tables if _is_chosen(table, named)]
    if len(tables) == 1 or not chosen:
        # `find_columns` explains what is missing in a single table.
        if len(tables) > 1:
            raise _no_impedance(path, tables)
        return tables, ()
    others = [table.label for table in tables if table not in chosen]
    statements = (f"tables without impedance, not read: {others}",) if others else ()
    if len(chosen) > 1:
        labels = [table.label for table in chosen]
        statements += (f"{len(chosen)} tables of impedances: {labels}",)
    return chosen, statements


def _is_chosen(table, named):
    names = {name for name, _ in named.by_kind().values()}
    return has_impedance(table) or (
        bool(names) and names <= {name.strip() for name in table.header}
    )


def _no_impedance(path, tables):
    listed = "; ".join(
        f"{table.label or number}: {[name.strip() for name in table.header][:8]}"
        for number, table in enumerate(tables, 1)
    )
    return DataError(
        f"{path} ({tables[0].format}) has no table of impedances; expected columns of "
        f"frequency, Re Z and Im Z. Its tables have the columns {listed}"
    )


def _spectra(
    table: RawTable,
    columns: ImpedanceColumns,
    points: Measured,
    name,
    statements,
    by,
    sign,
):
    statements = (
        *table.statements,
        *statements,
        *columns.statements,
        *points.statements,
    )
    used = [column.index for column in (*columns.used, *columns.others)]
    sweeps, of_sweeps = split_sweeps(table, points.rows, points.frequency_hz, used, by)
    phase = sign_of_phase(table, columns, points.rows)
    spectra = []
    for sweep in sweeps:
        frequency = points.frequency_hz[sweep.points]
        full_name = "/".join((*name, *sweep.key))
        impedance, of_sign = signed(
            f"{table.path}: spectrum {full_name!r}" if len(sweeps) > 1 else table.path,
            columns.second,
            frequency,
            points.impedance_ohm[sweep.points],
            None if phase is None else (phase[0], phase[1][sweep.points]),
            sign,
        )
        spectra.append(
            Spectrum(
                full_name,
                frequency,
                impedance,
                statements=(
                    *statements,
                    *of_sweeps,
                    *point_statements(frequency),
                    *of_sign,
                ),
                meta={"file": str(table.path), "format": table.format, **sweep.meta},
            )
        )
    return spectra
