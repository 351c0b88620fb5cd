"""Quantities of impedance spectra in the headers of columns: `-Im(Z)/Ohm`, `Zmod`."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from battprob.data.tables.units import factor, split_unit

FREQUENCY, ANGULAR = "frequency", "angular frequency"
REAL, IMAGINARY = "real part", "imaginary part"
MODULUS, PHASE = "modulus", "phase"
RESISTANCE, REACTANCE = "resistance", "reactance"  # real and imaginary part, if both
ADMITTANCE, LOGARITHM = "admittance", "logarithm"  # recognised in order to refuse them

_BASE_UNIT = {FREQUENCY: "Hz", ANGULAR: "rad/s", PHASE: "deg"}  # the others: ohm

# Names without blanks, punctuation and the minus sign, in lower case.
_Z = r"(?:z|(?:complex)?impedance|impedanz|impedancia|阻抗)"
_RE = r"(?:part[ei]e?)?r[eé](?:al|ell|elle|el|ale)?(?:part|teil)?"
_IM = r"(?:part[ei]e?)?im(?:m?ag(?:in[aä]r(?:y|e|ia|io)?|inaire)?|g)?(?:part|teil)?"
_ABS = r"(?:abs(?:olute)?|mod(?:ulus)?|mag(?:nitude)?|betrag)"
_ANGLE = (
    r"(?:phasen?(?:angle|shift|winkel)?|相位角?|theta|θ|phi|φ|arg(?:ument)?|angle|phz)"
)
_NAMES = {
    FREQUENCY: r"f|(?:ac|applied|measured|excitation)?fr[eé]q(?:s|uen(?:cy|cies|ce|ces|z|zen))?"
    r"|frecuencia|frequenza|频率|頻率|周波数",
    ANGULAR: r"omega|ω|(?:angular|radial|circular)freq(?:uency)?",
    # `Zs` is the series impedance of Novocontrol, as against the parallel one.
    REAL: rf"{_RE}(?:of)?{_Z}?'?|{_Z}s?(?:'|'a|r|prime|{_RE})|[实実實]部",
    IMAGINARY: rf"{_IM}(?:of)?{_Z}?(?:'')?|{_Z}s?(?:''|''b|i|doubleprime|{_IM})|[虚虛]部",
    MODULUS: rf"{_Z}|\|{_Z}\||/{_Z}/|{_ABS}(?:of)?(?:{_Z}|\|{_Z}\|)?|{_Z}{_ABS}",
    PHASE: rf"{_ANGLE}(?:of)?{_Z}?|{_Z}{_ANGLE}|∠{_Z}",
    RESISTANCE: r"r|rs|(?:series)?resistance",
    REACTANCE: r"x|xs|(?:series)?reactance",
    ADMITTANCE: rf"(?:{_RE}|{_IM}|{_ABS})(?:of)?y|y(?:'|''|{_RE}|{_IM}|{_ABS})"
    r"|\|y\||g|b|(?:complex)?admittance|conductance|susceptance",
}
_KINDS = {kind: re.compile(names) for kind, names in _NAMES.items()}

_SAME = str.maketrans(
    {
        **dict.fromkeys('"″“”〃', "''"),
        **dict.fromkeys("′’‘´`ʹ", "'"),
        **dict.fromkeys("−–—‐‑﹣－", "-"),
        **dict.fromkeys("∣ǀ¦", "|"),
        "º": "°",
    }
)
# Solartron writes the unit as `Impedance Phase Degrees (')`.
_DEGREES = re.compile(r"\bdegrees\s*\('\)$", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:data|measured|meas)\b[\s:._]*", re.IGNORECASE)
_MINUS = re.compile(
    r"^\(?\s*(?:-\s*(?:1\s*[*x]?)?|neg(?:ative|\b|_|(?=z|im))|minus)\)?[\s._*]*"
)
_MINUS_AFTER = re.compile(
    r"(?:[\s_.(]+(?:neg|negative|minus)\)?|\s*[*x]\s*\(?-1\)?|\s*\(\s*-\s*\))$"
)
_ELECTRODES = re.compile(r"z(wece|we|ce)(?=$|[|/'])")
_LOGARITHM = re.compile(r"^(?:log_?10|log|lg|ln)\s*[_(\[]?\s*(.+?)[)\]]?$")
_AREA = re.compile(
    r"^(.*?)[\s/_,(\[{]+([pnuμmkKMG]?(?:[oO]hms?|Ω))\s*[.·*⋅ -]?\s*(c?m)\s*\^?\s*2"
    r"\s*[)\]}]?$"
)
_ANY_UNIT = re.compile(r"^(.*?\S)\s*(?:[(\[{]([^()\[\]{}]+)[)\]}]|/\s*([^/]+))$")


class ImpedanceQuantity(NamedTuple):
    """ImpedanceQuantity of a column, as its header states it.

    Attributes:
        kind: such as `REAL`.
        electrode: `wece` or `ce` if the header names another impedance of a cell with
            three electrodes than the main one, otherwise empty.
        sign: -1 for a header with a minus sign, otherwise 1.
        unit: unit as the file writes it; empty if it has none.
        factor: multiplying the column by it gives Hz, ohm (or ohm cm²) or degrees; None
            if the unit belongs to another quantity.
        per_area: whether the unit is that of an impedance times an area.
    """

    kind: str
    electrode: str = ""
    sign: float = 1.0
    unit: str = ""
    factor: float | None = 1.0
    per_area: bool = False


def quantity(header: str, unit: str = "") -> ImpedanceQuantity | None:
    """ImpedanceQuantity of a column of a spectrum; None for a column of anything else.

    Args:
        header: name of the column, with or without a unit.
        unit: unit from a separate row of units, if there is one.

    Example:
        >>> quantity("-Im(Z) / mOhm")[:5]
        ('imaginary part', '', -1.0, 'mOhm', 0.001)
        >>> quantity("Freq", "kHz").factor, quantity("I/mA")
        (1000.0, None)
    """
    header = _plain(header)
    unit = _plain(unit).strip("()[]{} ")
    if match := _LOGARITHM.match(header.lower()):
        inner = quantity(match[1])
        return None if inner is None else inner._replace(kind=LOGARITHM)
    for name, written in _splits(header):
        recognised = _kind(name)
        if recognised is not None:
            return _with_unit(*recognised, written, unit)
    return None


def unit_factor(kind: str, unit: str) -> tuple[float | None, bool]:
    """Factor of a unit to that of the quantity (None: not its unit), and `per_area`."""
    if match := _AREA.match(f" {unit}"):
        area = {"cm": 1.0, "m": 1e4}[match[3]]
        scale = factor(match[2], "ohm") if _base(kind) == "ohm" else None
        return (None if scale is None else scale * area), True
    if unit.isascii() and unit.isupper() and unit[0] == "M":
        return None, False  # `MHZ` and `MOHM` may be mHz and mohm
    return factor(unit, _base(kind)) if unit else 1.0, False


def unit_name(column: ImpedanceQuantity) -> str:
    """Unit for a statement: the base unit, or the file's own if it differs."""
    base = {"deg": "degrees"}.get(_base(column.kind), _base(column.kind))
    if column.per_area:
        return "ohm cm²"
    return base if column.factor == 1 else column.unit


def written_unit(header: str) -> str:
    """Unit in the header of a column whose name is not recognised; empty without one.

    Example:
        >>> written_unit("Zr [mOhm]"), written_unit("Zr (V)"), written_unit("Zr new")
        ('mOhm', 'V', '')
    """
    header = _plain(header)
    if match := _AREA.match(header):
        return f"{match[2]} {match[3]}2"
    return split_unit(header).unit


def _base(kind):
    return _BASE_UNIT.get(kind, "ohm")


def _plain(header):
    """Header with one character for each kind of prime, bar and minus sign."""
    header = header.strip()
    if header.startswith('"') and header.endswith('"'):
        header = header.strip('"')
    header = unicodedata.normalize("NFKC", header.translate(_SAME))
    return _DEGREES.sub("(degrees)", _PREFIX.sub("", header.strip()))


def _splits(header) -> Iterator[tuple[str, str]]:
    """Possible names with their units; the first that is recognised is meant."""
    yield header, ""  # before the units: in `Z'(a)` the letter is no ampere
    yield split_unit(header)
    if match := _AREA.match(header):
        yield match[1], f"{match[2]} {match[3]}2"
    if match := _ANY_UNIT.match(header):
        yield match[1], match[2] or match[3]


def _kind(name):
    """Kind, electrode and sign of a name without unit; None if it is not recognised."""
    name = name.strip().lower()
    bare = _MINUS_AFTER.sub("", _MINUS.sub("", name))
    sign = 1.0 if bare == name else -1.0
    compact = re.sub(r"[\s_.,:;(){}\[\]<>*-]", "", bare)
    electrode = _ELECTRODES.search(compact)
    compact = _ELECTRODES.sub("z", compact)
    for kind, pattern in _KINDS.items():
        if pattern.fullmatch(compact):
            return kind, electrode[1] if electrode else "", sign
    return None


def _with_unit(kind, electrode, sign, written, in_row):
    scale, per_area = unit_factor(kind, written or in_row)
    if kind == FREQUENCY and scale is None and factor(written or in_row, "rad/s"):
        kind, scale = ANGULAR, 1.0
    if written and in_row and unit_factor(kind, in_row) != (scale, per_area):
        scale = None
        written = f"{written} in the header and {in_row} in the row of units"
    return ImpedanceQuantity(kind, electrode, sign, written or in_row, scale, per_area)
