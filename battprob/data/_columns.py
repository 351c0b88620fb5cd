"""Which columns of a table are frequency and impedance, in which units and with which sign."""

import re
from typing import NamedTuple

from battprob._errors import DataError
from battprob.data._tables import Table

_PREFIX = {"": 1.0, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6}
_NAMES = {
    "frequency": r"freq(uency)?|f",
    "real part": r"re(al)?([ _]?(\(?z\)?|impedance))?|z[ _]?'|z_?re(al)?|z'\(a\)",
    "imaginary part": (
        r"[-−–]?\s*(im(ag(inary)?)?([ _]?(\(?z\)?|impedance))?|z[ _]?(''|\")|z_?im(ag)?|z''\(b\))"
    ),
}
_BASE_UNIT = {"frequency": "Hz", "real part": "ohm", "imaginary part": "ohm"}
_SPELLINGS = {"hz": "Hz", "hertz": "Hz", "ohm": "ohm", "ohms": "ohm", "ω": "ohm"}
_UNIT = re.compile(
    r"^(.*?)[\s/_(\[]+([a-zA-Zµμ]*?)(hz|hertz|ohms?|Ω)[)\]]?$", re.IGNORECASE
)


class Columns(NamedTuple):
    """Positions of frequency, real and imaginary part, and what they are multiplied by.

    `assumed` says the same in sentences.
    """

    frequency: int
    real: int
    imaginary: int
    factors: tuple[float, float, float]
    assumed: tuple[str, ...]


def chosen_columns(
    table: Table,
    frequency_hz: str | None,
    real_ohm: str | None,
    imaginary_ohm: str | None,
    minus_imaginary_ohm: str | None,
) -> Columns:
    """The columns that the caller named.

    Raises:
        DataError: not exactly three are named, or one is not there.
    """
    turned = minus_imaginary_ohm is not None
    imaginary = minus_imaginary_ohm if turned else imaginary_ohm
    both = turned and imaginary_ohm is not None
    if frequency_hz is None or real_ohm is None or imaginary is None or both:
        raise DataError(
            "name three columns: frequency_hz, real_ohm, and imaginary_ohm or "
            f"minus_imaginary_ohm; {table.path} has {list(table.header)}"
        )
    names = (frequency_hz, real_ohm, imaginary)
    factors = (1.0, 1.0, -1.0 if turned else 1.0)
    return _stated(tuple(table.position(name) for name in names), names, factors)


def known_columns(table: Table) -> Columns:
    """The columns that the header names, by the names that instruments use.

    Raises:
        DataError: one of the three is not recognised, or two are; the message lists the
            columns and says how to name them.
    """
    if not table.header:
        return _without_header(table)
    found = [_find(table, quantity) for quantity in _NAMES]
    positions, factors = zip(*found, strict=True)
    return _stated(positions, tuple(table.header[p] for p in positions), factors)


def _find(table, quantity):
    matches = [
        (position, factor)
        for position, name in enumerate(table.header)
        if (factor := _factor(table, position, name, quantity)) is not None
    ]
    if len(matches) != 1:
        raise DataError(
            f"{table.path}: found {len(matches)} columns for the {quantity} among "
            f"{list(table.header)}; name them, as in read_spectrum(path, "
            "frequency_hz='f', real_ohm='Zr', minus_imaginary_ohm='Zi')"
        )
    return matches[0]


def _factor(table, position, name, quantity):
    """What the column is multiplied by, or None where it is another quantity."""
    unit = table.units[position] if table.units else ""
    given = _UNIT.match(f"{name} {unit}".strip())
    bare, prefix, base = given.groups() if given else (name, "", _BASE_UNIT[quantity])
    if not re.fullmatch(_NAMES[quantity], bare.strip().lower()):
        return None
    if _SPELLINGS[base.lower()] != _BASE_UNIT[quantity] or prefix not in _PREFIX:
        raise DataError(
            f"{table.path}: column {name!r} has the unit {prefix + base!r}; expected "
            f"{_BASE_UNIT[quantity]}, or that with one of the prefixes {list(_PREFIX)}"
        )
    sign = -1.0 if re.match(r"\s*[-−–]", bare) else 1.0
    return sign * _PREFIX[prefix]


def _without_header(table):
    if len(table.rows[0]) != 3:
        raise DataError(
            f"{table.path} has no header and {len(table.rows[0])} columns; expected "
            "three: frequency in Hz, real and imaginary part in ohm. Write a header line"
        )
    assumed = (
        "no header: columns taken as frequency in Hz, real and signed imaginary part"
    )
    return Columns(0, 1, 2, (1.0, 1.0, 1.0), (f"{assumed} in ohm",))


def _stated(positions, names, factors):
    assumed = tuple(
        f"{quantity} from column {name!r}, in {_unit_name(quantity, abs(factor))}"
        f"{', its sign turned' if factor < 0 else ''}"
        for quantity, name, factor in zip(_NAMES, names, factors, strict=True)
    )
    frequency, real, imaginary = positions
    return Columns(frequency, real, imaginary, factors, assumed)


def _unit_name(quantity, factor):
    prefix = next(p for p, value in _PREFIX.items() if value == factor)
    return prefix + _BASE_UNIT[quantity]
