"""Units in the headers of columns: `Test Time / h`, `I [mA]`, `Voltage(V)`, `current_mA`."""

import re
import unicodedata
from typing import NamedTuple


class HeaderName(NamedTuple):
    """Name of a column without its unit, and the unit as written (empty: none)."""

    name: str
    unit: str


# Factors from a unit to the SI unit or the unit that battprob uses for the dimension.
_DIMENSIONS: dict[str, dict[str, float]] = {
    "s": {"s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
          "min": 60, "mins": 60, "minute": 60, "minutes": 60,
          "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
          "d": 86400, "day": 86400, "days": 86400},
    "V": {"v": 1, "volt": 1, "volts": 1},
    "A": {"a": 1, "amp": 1, "amps": 1, "ampere": 1, "amperes": 1},
    "Ah": {"ah": 1, "amphr": 1, "amphour": 1, "amperehour": 1, "amphours": 1,
           "ahr": 1, "ahrs": 1, "amphrs": 1, "amperehours": 1,
           "as": 1 / 3600, "c": 1 / 3600, "coulomb": 1 / 3600},
    "Wh": {"wh": 1, "watthr": 1, "watthour": 1, "whr": 1, "whrs": 1,
           "ws": 1 / 3600, "j": 1 / 3600},
    "W": {"w": 1, "watt": 1, "watts": 1},
    "ohm": {"ohm": 1, "ohms": 1, "ω": 1},
    "Hz": {"hz": 1, "hertz": 1},
    "rad/s": {"rad/s": 1, "rads-1": 1, "rads^-1": 1, "rad/sec": 1},
    "degC": {"degc": 1, "c": 1, "°c": 1, "celsius": 1, "deg.c": 1, "℃": 1},
    "degF": {"degf": 1, "°f": 1, "fahrenheit": 1},
    "K": {"k": 1, "kelvin": 1},
    "deg": {"deg": 1, "°": 1, "degree": 1, "degrees": 1, "rad": 57.29577951308232},
    "S": {"siemens": 1},
    "1": {"1": 1, "": 1, "#": 1},
}  # fmt: skip
_PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "μ": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3,
             "M": 1e6, "G": 1e9}  # fmt: skip
_WORD_PREFIXES = {"nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "kilo": 1e3, "mega": 1e6}
_SCALED = ("s", "V", "A", "Ah", "Wh", "W", "ohm", "Hz")  # dimensions with prefixes

_BRACKETS = re.compile(r"^(.*?)\s*[(\[{<]\s*([^()\[\]{}<>]*?)\s*[)\]}>]\s*$")
_SEPARATOR = re.compile(r"^(.*?\S)(?:\s*/\s*|\s+in\s+|\s*,\s*)([^/]*(?:/s)?)$")
_TRAILING = re.compile(r"^(.*\S)[\s_.]+([^\s_]+)$")


def split_unit(header: str) -> HeaderName:
    """Name and unit of a column from its header.

    Recognised are units in any bracket, after a slash, after ` in `, and as the last
    word after a blank or an underscore, with an SI prefix where the unit takes one. A
    last part that is no unit stays part of the name (`cycle number`).

    Example:
        >>> split_unit("Test Time / h"), split_unit("I [mA]")
        (HeaderName(name='Test Time', unit='h'), HeaderName(name='I', unit='mA'))
        >>> split_unit("current_mA"), split_unit("cycle_index")
        (HeaderName(name='current', unit='mA'), HeaderName(name='cycle_index', unit=''))
    """
    header = header.strip().strip('"').strip()
    for pattern in (_BRACKETS, _SEPARATOR, _TRAILING):
        match = pattern.match(header)
        if match and match[1].strip() and dimension(match[2]) is not None:
            return HeaderName(match[1].strip(), match[2].strip())
    return HeaderName(header, "")


def dimension(unit: str) -> str | None:
    """Dimension of a unit, named by its base unit (`s`, `V`, `Ah`, …); None if unknown.

    `C` alone is the degree Celsius; use `factor` with the dimension you expect for
    coulombs.
    """
    if _normal(unit) in ("c", "k"):
        return {"c": "degC", "k": "K"}[_normal(unit)]
    found = [base for base in _DIMENSIONS if factor(unit, base) is not None]
    return found[0] if found else None


def factor(unit: str, base: str) -> float | None:
    """Factor from `unit` to the base unit of a dimension; None for another dimension.

    Example:
        >>> factor("mA", "A"), factor("min", "s"), factor("mAs", "Ah")
        (0.001, 60.0, 2.7777777777777776e-07)
        >>> factor("V", "A") is None
        True
    """
    table = _DIMENSIONS[base]
    written = _spelled(unit)
    if written.lower() in table:
        return float(table[written.lower()])
    if base not in _SCALED:
        return None
    for word, scale in _WORD_PREFIXES.items():
        if written.lower().startswith(word) and written[len(word) :].lower() in table:
            return scale * table[written[len(word) :].lower()]
    scale = _PREFIXES.get(written[:1])
    rest = written[1:].lower()
    # `M` and `m` differ, but "MA" of a current in capitals only is ambiguous.
    return None if scale is None or rest not in table else scale * table[rest]


def _spelled(unit):
    """Unit with one spelling of micro and of the ampere-hour's separators."""
    unit = unicodedata.normalize("NFKC", unit).strip()
    unit = unit.replace("Ω", "ohm").replace("Ω", "ohm")
    return re.sub(r"(?<=[A-Za-z])[.\-·*_ ](?=[A-Za-z])", "", unit)


def _normal(unit):
    return _spelled(unit).lower()
