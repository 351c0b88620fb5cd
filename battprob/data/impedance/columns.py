"""ImpedanceColumns of frequency and impedance of a table, as complex impedances in ohm."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.impedance.quantities import (
    ADMITTANCE,
    ANGULAR,
    FREQUENCY,
    IMAGINARY,
    LOGARITHM,
    MODULUS,
    PHASE,
    REACTANCE,
    REAL,
    RESISTANCE,
    ImpedanceQuantity,
    quantity,
    unit_factor,
    unit_name,
    written_unit,
)
from battprob.data.tables.table import RawTable

# Main impedance first, then the whole cell, then the counter electrode.
_ELECTRODES = ("", "wece", "we", "ce")
_PAIRS = ((REAL, IMAGINARY), (MODULUS, PHASE), (RESISTANCE, REACTANCE))
_Z = re.compile(r"z|impedance", re.IGNORECASE)
_EXAMPLE = (
    "name the columns, as in read_spectra(path, frequency_hz='f', real_ohm='Zr', "
    "minus_imaginary_ohm='Zi') or `battprob eis fit FILE --frequency f --real Zr "
    "--minus-imaginary Zi`"
)


@dataclass(frozen=True, slots=True)
class NamedColumns:
    """Names of the columns that the caller gave; see `read_spectra`."""

    frequency_hz: str | None = None
    real_ohm: str | None = None
    imaginary_ohm: str | None = None
    minus_imaginary_ohm: str | None = None
    modulus_ohm: str | None = None
    phase_deg: str | None = None

    def by_kind(self) -> dict[str, tuple[str, float]]:
        """Name and sign of each column that was named, by the kind of its quantity.

        Raises:
            DataError: two of the names exclude each other.
        """
        rectangular = (self.real_ohm, self.imaginary_ohm, self.minus_imaginary_ohm)
        polar = (self.modulus_ohm, self.phase_deg)
        both = None not in rectangular[1:]
        if both or (any(map(bool, rectangular)) and any(map(bool, polar))):
            raise DataError(
                "name either real_ohm and one of imaginary_ohm and "
                "minus_imaginary_ohm, or modulus_ohm and phase_deg"
            )
        names = {
            FREQUENCY: (self.frequency_hz, 1.0),
            REAL: (self.real_ohm, 1.0),
            IMAGINARY: (self.imaginary_ohm, 1.0),
            MODULUS: (self.modulus_ohm, 1.0),
            PHASE: (self.phase_deg, 1.0),
        }
        if self.minus_imaginary_ohm is not None:
            names[IMAGINARY] = (self.minus_imaginary_ohm, -1.0)
        return {kind: (name, sign) for kind, (name, sign) in names.items() if name}


@dataclass(frozen=True, slots=True)
class ImpedanceColumn:
    """A column of a table whose quantity is known."""

    index: int
    name: str
    quantity: ImpedanceQuantity


class ImpedanceColumns(NamedTuple):
    """The columns of one impedance.

    Attributes:
        frequency: column of the frequency or of the angular frequency.
        first, second: real and imaginary part, or modulus and phase.
        others: further columns of frequency or impedance, for comparison.
        statements: what was chosen or assumed, one sentence each.
    """

    frequency: ImpedanceColumn
    first: ImpedanceColumn
    second: ImpedanceColumn
    others: tuple[ImpedanceColumn, ...]
    statements: tuple[str, ...]

    @property
    def polar(self) -> bool:
        """Whether modulus and phase give the impedance."""
        return self.first.quantity.kind == MODULUS

    @property
    def used(self) -> tuple[ImpedanceColumn, ImpedanceColumn, ImpedanceColumn]:
        """The three columns that give the spectrum."""
        return self.frequency, self.first, self.second


def has_impedance(table: RawTable) -> bool:
    """Whether the header names a frequency and a part of an impedance."""
    kinds = {
        column.quantity.kind
        for column in _recognised(table)
        if column.quantity.factor is not None
    }
    return bool(kinds & {FREQUENCY, ANGULAR}) and any(
        set(pair) <= kinds for pair in _PAIRS
    )


def find_columns(table: RawTable, named: NamedColumns) -> ImpedanceColumns:
    """ImpedanceColumns of a table that give the spectrum.

    Args:
        table: the table.
        named: names that the caller gave; the other columns are recognised by header.

    Raises:
        DataError: the header has no column or several columns for a quantity, or a unit
            that is not one of the quantity; the message lists the columns and states
            how to name them.
    """
    names = named.by_kind()
    if not any(table.header):
        return _columns_without_header(table, names)
    columns = _recognised(table)
    for kind, (name, sign) in names.items():
        column = _named_column(table, kind, name, sign)
        kinds = (FREQUENCY, ANGULAR) if kind == FREQUENCY else (kind,)
        columns = [one for one in columns if one.quantity.kind not in kinds]
        columns.append(column)
    frequency = _frequency(table, columns)
    pair = _named_pair(table, columns, names) or _pair(table, columns)
    used = (frequency, *pair)
    others = tuple(
        column
        for column in columns
        if column not in used
        and column.quantity.electrode == pair[0].quantity.electrode
        and column.quantity.factor is not None
        and table.columns[column.index].dtype != object
        and not set(names) - {FREQUENCY}
    )
    statements = tuple(map(_statement, used)) + _unused(columns, pair)
    return ImpedanceColumns(frequency, *pair, others, statements)


def numbers(table: RawTable, column: ImpedanceColumn) -> np.ndarray:
    """Values of a column in its base unit and with the sign of its header [r].

    Raises:
        DataError: a value is not a number; the message names file, line and column.
    """
    values = table.columns[column.index]
    if values.dtype == object:
        values = _parsed(table, column, values)
    scale = column.quantity.factor
    assert scale is not None  # `find_columns` refuses other units
    if column.quantity.kind == ANGULAR:
        scale /= 2 * np.pi
    return column.quantity.sign * scale * values


def _parsed(table, column, values):
    parsed = np.empty(len(values))
    for row, text in enumerate(values):
        try:
            parsed[row] = float(text) if str(text).strip() else np.nan
        except ValueError:
            raise DataError(
                f"{table.location(row)}: {column.name} must be a number, got {text!r}; "
                "correct or remove this row"
            ) from None
    return parsed


def _recognised(table):
    found = []
    for index, header in enumerate(table.header):
        recognised = quantity(header, table.unit(index)) if header else None
        if recognised is not None:
            found.append(ImpedanceColumn(index, header.strip(), recognised))
    return found


def _named_column(table, kind, name, sign):
    index = table.index(name)
    unit = written_unit(name) or table.unit(index)
    recognised = quantity(name, table.unit(index))
    if kind == FREQUENCY and _is_angular(recognised, unit):
        kind = ANGULAR
    if recognised and recognised.kind == kind and recognised.sign < 0:
        if kind == IMAGINARY and sign > 0:
            raise DataError(
                f"{table.path}: the header of column {name!r} has a minus sign: name "
                "it as minus_imaginary_ohm (battprob eis: --minus-imaginary)"
            )
        sign = -1.0
    if kind == PHASE and not unit:
        unit = "deg"  # by the name of the argument
    scale, per_area = unit_factor(kind, unit)
    column = ImpedanceColumn(
        index, name.strip(), ImpedanceQuantity(kind, "", sign, unit, scale, per_area)
    )
    return _with_known_unit(table, column)


def _is_angular(recognised, unit):
    by_name = recognised is not None and recognised.kind == ANGULAR
    return by_name or (bool(unit) and unit_factor(ANGULAR, unit)[0] is not None)


def _with_known_unit(table, column):
    kind, unit = column.quantity.kind, column.quantity.unit
    if column.quantity.factor is None:
        base = {FREQUENCY: "Hz", ANGULAR: "rad/s", PHASE: "deg or rad"}.get(kind, "ohm")
        raise DataError(
            f"{table.path}: column {column.name!r} for the {kind} has the unit "
            f"{unit!r}; expected {base}"
        )
    return column


def _frequency(table, columns):
    frequency = _one_of(table, columns, FREQUENCY) or _one_of(table, columns, ANGULAR)
    if frequency is not None:
        return frequency
    logarithms = [c.name for c in columns if c.quantity.kind == LOGARITHM]
    if logarithms:
        raise DataError(
            f"{table.path}: column {logarithms[0]!r} is a logarithm; expected a column "
            "of the frequency in Hz"
        )
    if not any(column.quantity.factor for column in columns):
        raise DataError(
            f"{table.path} ({table.format}) has no columns of an impedance spectrum "
            f"(frequency, real and imaginary part) among {_names(table)}; {_EXAMPLE}"
        )
    raise _not_found(table, FREQUENCY, 0)


def _named_pair(table, columns, names):
    """The two columns of the quantities that the caller named, at least one of them."""
    for kinds in _PAIRS[:2]:
        if set(kinds) & set(names):
            first, second = (_one_of(table, columns, kind) for kind in kinds)
            if first is None or second is None:
                raise _not_found(table, kinds[0 if first is None else 1], 0)
            return first, second
    return None


def _pair(table, columns):
    usable = [column for column in columns if column.quantity.factor is not None]
    for electrode in _ELECTRODES:
        same = [c for c in usable if c.quantity.electrode == electrode]
        for kinds in _PAIRS:
            first, second = (_one_of(table, same, kind) for kind in kinds)
            if first is not None and second is not None:
                return first, second
    for kind in (REAL, IMAGINARY, MODULUS, PHASE):
        _one_of(table, columns, kind)  # an unknown unit is the reason, if there is one
    raise _no_impedance(table, columns)


def _no_impedance(table, columns):
    kinds = {column.quantity.kind for column in columns}
    if kinds & {ADMITTANCE, LOGARITHM} and not kinds & {REAL, IMAGINARY, MODULUS}:
        other = [c.name for c in columns if c.quantity.kind in (ADMITTANCE, LOGARITHM)]
        return DataError(
            f"{table.path} has columns of admittances or logarithms {other} but none "
            "of an impedance in ohm: convert them to frequency, Re Z and Im Z first"
        )
    missing = IMAGINARY if REAL in kinds else PHASE if MODULUS in kinds else REAL
    return _not_found(table, missing, 0)


def _one_of(table, columns, kind):
    """The column of a kind; of several, the first if all have the same values.

    None if there is none.
    """
    matches = [column for column in columns if column.quantity.kind == kind]
    usable = [c for c in matches if c.quantity.factor is not None]
    if not usable:
        return _with_known_unit(table, matches[0]) if matches else None
    if kind not in (FREQUENCY, ANGULAR):
        # `IMag` beside `Z''` is a current, `Im` beside `Zim` may be one.
        usable = [c for c in usable if _Z.search(c.name)] or usable
    first = numbers(table, usable[0])
    for other in usable[1:]:
        if not np.allclose(numbers(table, other), first, rtol=1e-4, equal_nan=True):
            raise _not_found(table, kind, len(usable))
    return usable[0]


def _not_found(table, kind, count):
    return DataError(
        f"{table.path}: found {count} columns for the {kind} among "
        f"{_names(table)}; {_EXAMPLE}"
    )


def _names(table):
    return [name.strip() for name in table.header]


def _columns_without_header(table, names):
    if names:
        raise DataError(
            f"{table.path} has no header line, so that columns cannot be named; add a "
            "header line to the file"
        )
    if len(table.columns) != 3:
        raise DataError(
            f"{table.path} has no header and {len(table.columns)} columns; expected "
            "three columns: frequency in Hz, real and imaginary part in ohm. Add a "
            "header line"
        )
    used = (
        ImpedanceColumn(index, str(index + 1), ImpedanceQuantity(kind))
        for index, kind in enumerate((FREQUENCY, REAL, IMAGINARY))
    )
    statement = (
        "no header: columns taken as frequency in Hz, real part and signed imaginary "
        "part in ohm"
    )
    frequency, first, second = used
    return ImpedanceColumns(frequency, first, second, (), (statement,))


def _statement(column):
    kind, _, sign, unit, _, _ = column.quantity
    text = f"{kind} from column {column.name!r}"
    if unit:
        text += f", in {unit_name(column.quantity)}"
    elif kind != PHASE:  # the unit of a phase is decided from the values
        text += f", taken as {unit_name(column.quantity)} because the file has no unit"
    if kind == ANGULAR:
        text += ", divided by 2π"
    return text + (", with its sign reversed" if sign < 0 else "")


def _unused(columns: Iterable[ImpedanceColumn], pair):
    electrode = pair[0].quantity.electrode
    others = [
        column.name
        for column in columns
        if column.quantity.electrode != electrode
        and column.quantity.kind in (REAL, IMAGINARY)
    ]
    if not others:
        return ()
    return (
        f"the file also has the impedances of other electrodes {others}: they are not "
        "used unless the columns are named",
    )
