"""Columns of frequency and impedance in a table: their names, units and signs."""

import re
from typing import NamedTuple

from battprob._errors import DataError
from battprob.data._tables import Table

_PREFIX = {"": 1.0, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6}
_NAMES = {
    "frequency": r"freq(uency)?|f",
    "real part": r"re(al)?([ _]?(\(?z\)?|impedance))?|z[ _]?'|z_?re(al)?|z'\(a\)",
    "imaginary part": (
        r"[-−–]?\s*(im(ag(inary)?)?([ _]?(\(?z\)?|impedance))?"
        r"|z[ _]?(''|\")|z_?im(ag)?|z''\(b\))"
    ),
}
_BASE_UNIT = {"frequency": "Hz", "real part": "ohm", "imaginary part": "ohm"}
_UNIT_SPELLINGS = {"hz": "Hz", "hertz": "Hz", "ohm": "ohm", "ohms": "ohm", "ω": "ohm"}
# Groups: name, prefix of the unit, base unit; as in "freq/kHz", "Re (Ohm)", "re_mohm".
_NAME_WITH_UNIT = re.compile(
    r"^(.*?)[\s/_(\[]+([a-zA-Zµμ]*?)(hz|hertz|ohms?|Ω)[)\]]?$", re.IGNORECASE
)


class Columns(NamedTuple):
    """Columns of frequency, real part and imaginary part.

    Args:
        frequency, real, imaginary: index of each column.
        factors: multiplying the columns by these gives Hz, ohm and signed ohm.
        assumptions: the same as sentences for the user.
    """

    frequency: int
    real: int
    imaginary: int
    factors: tuple[float, float, float]
    assumptions: tuple[str, ...]


def columns_by_name(
    table: Table,
    frequency_hz: str | None,
    real_ohm: str | None,
    imaginary_ohm: str | None,
    minus_imaginary_ohm: str | None,
) -> Columns:
    """Columns that the caller named.

    Raises:
        DataError: not exactly three are named, or the table lacks one of them.
    """
    reversed_sign = minus_imaginary_ohm is not None
    imaginary = minus_imaginary_ohm if reversed_sign else imaginary_ohm
    both = reversed_sign and imaginary_ohm is not None
    if frequency_hz is None or real_ohm is None or imaginary is None or both:
        raise DataError(
            f"{table.path}: name three columns: frequency_hz, real_ohm, and either "
            f"imaginary_ohm or minus_imaginary_ohm; the file has {list(table.header)}"
        )
    names = (frequency_hz, real_ohm, imaginary)
    factors = (1.0, 1.0, -1.0 if reversed_sign else 1.0)
    return _columns(tuple(table.index(name) for name in names), names, factors)


def recognised_columns(table: Table) -> Columns:
    """Columns recognised by the names that instruments write into the header.

    Raises:
        DataError: the header has no column or several columns for one of the three
            quantities; the message lists the columns and states how to name them.
    """
    if not table.header:
        return _columns_without_header(table)
    matches = [_match(table, quantity) for quantity in _NAMES]
    indices, factors = zip(*matches, strict=True)
    return _columns(indices, tuple(table.header[i] for i in indices), factors)


def _match(table, quantity):
    """Index and factor of the only column of a quantity."""
    matches = [
        (index, factor)
        for index, name in enumerate(table.header)
        if (factor := _factor(table, index, name, quantity)) is not None
    ]
    if len(matches) != 1:
        raise DataError(
            f"{table.path}: found {len(matches)} columns for the {quantity} among "
            f"{list(table.header)}; name them, as in read_spectrum(path, "
            "frequency_hz='f', real_ohm='Zr', minus_imaginary_ohm='Zi')"
        )
    return matches[0]


def _factor(table, index, name, quantity):
    """Factor from the unit of a column to the base unit; None for another quantity."""
    unit = table.units[index] if table.units else ""
    match = _NAME_WITH_UNIT.match(f"{name} {unit}".strip())
    bare, prefix, base = match.groups() if match else (name, "", _BASE_UNIT[quantity])
    if not re.fullmatch(_NAMES[quantity], bare.strip().lower()):
        return None
    if _UNIT_SPELLINGS[base.lower()] != _BASE_UNIT[quantity] or prefix not in _PREFIX:
        raise DataError(
            f"{table.path}: column {name!r} has the unit {prefix + base!r}; expected "
            f"{_BASE_UNIT[quantity]} with one of the prefixes {list(_PREFIX)}"
        )
    sign = -1.0 if re.match(r"\s*[-−–]", bare) else 1.0
    return sign * _PREFIX[prefix]


def _columns_without_header(table):
    if len(table.rows[0]) != 3:
        raise DataError(
            f"{table.path} has no header and {len(table.rows[0])} columns; expected "
            "three columns: frequency in Hz, real and imaginary part in ohm. Add a "
            "header line"
        )
    assumption = (
        "no header: columns taken as frequency in Hz, real part and signed imaginary "
        "part in ohm"
    )
    return Columns(0, 1, 2, (1.0, 1.0, 1.0), (assumption,))


def _columns(indices, names, factors):
    assumptions = tuple(
        f"{quantity} from column {name!r}, in {_unit_name(quantity, abs(factor))}"
        f"{', with its sign reversed' if factor < 0 else ''}"
        for quantity, name, factor in zip(_NAMES, names, factors, strict=True)
    )
    frequency, real, imaginary = indices
    return Columns(frequency, real, imaginary, factors, assumptions)


def _unit_name(quantity, factor):
    prefix = next(p for p, value in _PREFIX.items() if value == factor)
    return prefix + _BASE_UNIT[quantity]
