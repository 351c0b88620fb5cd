"""Columns of a cycler's table: which column is which quantity, in which unit."""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.cycler.names import (
    IMPLIED_UNITS,
    NEED_UNIT,
    QUANTITIES,
    name_key,
)
from battprob.data.cycler.states import direction_of_states
from battprob.data.tables.table import RawTable
from battprob.data.tables.units import dimension, factor, split_unit

REQUIRED = ("time_s", "voltage_v", "current_a")
_HINT = (
    "read_timeseries(path, columns={'time_s': 't', 'voltage_v': 'U', 'current_a': 'I'})"
)
# The format of a duration in brackets, as in `Relative Time(h:min:s.ms)`.
_CLOCK_FORMAT = re.compile(r"[(\[][^()\[\]]*h+\s*:\s*m+[^()\[\]]*[)\]]", re.IGNORECASE)
_REFERENCE = re.compile(r"(?<=V)\s+vs\.?\s[^)\]]*")  # `V vs. Li/Li+`
_FAHRENHEIT = re.compile(r"\s*(.*temp.*?)[\s_]*[(\[/]\s*F\s*[)\]]?\s*", re.IGNORECASE)
_DEGREE_LOST = re.compile(r"[\ufffd?](?=C\b)")  # a degree sign in a lost code page


class Source(NamedTuple):
    """The column of a file that one quantity is read from.

    Args:
        column: index of the column in the table.
        header: name of the column in the file.
        unit: its unit as written; empty without one.
        scale, offset: `value * scale + offset` has the unit of the quantity.
        named: the caller named the column.
    """

    column: int
    header: str
    unit: str
    scale: float
    offset: float = 0.0
    named: bool = False


def find_columns(
    table: RawTable, named: Mapping[str, str]
) -> tuple[dict[str, Source], tuple[str, ...]]:
    """Column of each quantity of a log, by name; also columns that the caller named.

    Args:
        table: the table.
        named: name of the column of quantities that the caller knows.

    Returns:
        The column of each quantity found, and sentences about columns that were found
        but not used.

    Raises:
        DataError: a named column is missing, the unit of a column does not fit its
            quantity, or two columns have equal claims to a required quantity.
    """
    sources = {name: _named_source(table, name, named[name]) for name in named}
    taken = {source.column for source in sources.values()}
    candidates = _candidates(table, taken)
    notes = []
    for quantity, ranked in candidates.items():
        if quantity in sources or not ranked:
            continue
        best, others = _preferred(table, quantity, ranked)
        sources[quantity] = best
        unused = [source.header.strip() for source in others]
        if unused and quantity in ("time_s", "voltage_v", "current_a", "cycle"):
            notes.append(
                f"{quantity} could also come from {unused}; {best.header.strip()!r} "
                "is preferred"
            )
    return sources, tuple(notes)


def missing_columns(sources: Mapping[str, Source]) -> list[str]:
    """Required quantities that a table does not have in any form.

    A wall clock or the time in the step replaces the time of the test, and the charge
    since the previous row replaces the current.
    """
    clocks = ("time_s", "unix_time_s", "step_time_s")
    charges = ("current_a", "charge_increment_ah")
    alternatives = (clocks, ("voltage_v",), charges)
    return [
        names[0] for names in alternatives if not any(name in sources for name in names)
    ]


def no_columns_error(table: RawTable, missing: str) -> DataError:
    """Error of a table without a required quantity."""
    return DataError(
        f"{table.path}: found no column for {missing!r} among "
        f"{[name.strip() for name in table.header]}; name the columns, as in {_HINT}"
    )


def parse_header(table: RawTable, index: int) -> tuple[str, str]:
    """Name and unit of a column; the unit may stand in a row of its own."""
    header = unicodedata.normalize("NFKC", table.header[index])  # also full-width ()
    header = _REFERENCE.sub("", _DEGREE_LOST.sub("°", header))
    # `F` alone is the farad, except in the name of a temperature.
    if match := _FAHRENHEIT.fullmatch(header):
        return match[1], "degF"
    without_format = _CLOCK_FORMAT.sub("", header).strip()
    if without_format != header.strip():
        return without_format, ""
    name, unit = split_unit(header)
    row_unit = _REFERENCE.sub("", table.unit(index)).strip().strip("()[]").strip()
    return (name, unit) if unit else (header.strip(), row_unit)


def _candidates(table, taken):
    """Sources of each quantity, in order of preference: (rank, source)."""
    ranked: dict[str, list[tuple[int, Source]]] = {name: [] for name in QUANTITIES}
    for index in range(len(table.header)):
        if index in taken or _is_empty(table.columns[index]):
            continue
        for quantity, rank, source in _readings(table, index):
            ranked[quantity].append((rank, source))
    for candidates in ranked.values():
        candidates.sort(key=lambda pair: pair[0])
    # Codes such as 1, 2, 3 mean nothing here; a column of words further back does.
    ranked["state"] = [
        (rank, source)
        for rank, source in ranked["state"]
        if direction_of_states(table.columns[source.column]) is not None
    ]
    return ranked


def _readings(table, index):
    """Quantities that one column may be: (quantity, rank, source)."""
    header = table.header[index]
    name, unit = parse_header(table, index)
    # The whole header first: in `Cycle C` and `Amp-hr` the last word is no unit.
    whole = (header, unit if name == header.strip() else table.unit(index))
    for text, written in dict.fromkeys([whole, (name, unit)]):
        key = name_key(text)
        if text.strip() == "T" and not written:
            key = "temperature"
        readings = [
            (quantity, names.names.index(key), source)
            for quantity, names in QUANTITIES.items()
            if key in names.names
            and (source := _source(index, header, quantity, key, written)) is not None
        ]
        if readings:
            return readings
    return []


def _source(index, header, quantity, key, unit):
    """Source of a quantity if the unit fits, otherwise None."""
    unit = unit.strip() or IMPLIED_UNITS.get(key, "")
    if not unit and (quantity, key) in NEED_UNIT:
        return None
    conversion = unit_conversion(unit, QUANTITIES[quantity].dimension)
    return None if conversion is None else Source(index, header, unit, *conversion)


def unit_conversion(unit: str, base: str) -> tuple[float, float] | None:
    """Factor and offset from a unit to the base unit; None for another dimension.

    Without a unit, the base unit is assumed.

    Example:
        >>> unit_conversion("mA", "A"), unit_conversion("", "V")
        ((0.001, 0.0), (1.0, 0.0))
        >>> unit_conversion("degF", "degC")[0]
        0.5555555555555556
    """
    if not unit or base == "text":
        return 1.0, 0.0
    if base == "1":
        return (1.0, 0.0) if dimension(unit) in ("1", "Hz", None) else None
    if base == "date":
        return (factor(unit, "s") or 1.0, 0.0)
    if base == "degC":
        kind = dimension(unit) or ("degF" if unit.upper() == "F" else None)
        conversions = {"degC": (1.0, 0.0), "K": (1.0, -273.15),
                       "degF": (1 / 1.8, -32 / 1.8)}  # fmt: skip
        return conversions.get(kind or "")
    scale = factor(unit, base)
    return None if scale is None else (scale, 0.0)


def _preferred(table, quantity, ranked):
    """The best source and the others; equal claims of different values are refused."""
    best_rank, best = ranked[0]
    equals = [source for rank, source in ranked if rank == best_rank][1:]
    different = [source for source in equals if not _same_values(table, best, source)]
    if different and quantity in REQUIRED:
        headers = [source.header.strip() for source in (best, *different)]
        remedy = (
            f"name the one to use, as in read_timeseries(path, columns={{{quantity!r}: "
            f"{headers[0]!r}}})"
        )
        if len(set(headers)) < len(headers):
            remedy = "rename or remove one of them"
        raise DataError(
            f"{table.path}: {len(headers)} columns may be {quantity}: {headers}; {remedy}"
        )
    return best, [source for rank, source in ranked if rank != best_rank]


def _same_values(table, first, second):
    """Whether two columns hold the same quantity in different units (`/s`, `/h`)."""
    one, other = table.columns[first.column], table.columns[second.column]
    if object in (one.dtype, other.dtype):
        return bool(np.array_equal(one, other))
    one, other = first.scale * one, second.scale * other
    span = np.nanmax(np.abs(one)) if np.isfinite(one).any() else 0.0
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-4 * span, equal_nan=True))


def _is_empty(column):
    if column.dtype == object:
        return not any(value.strip() for value in column)
    return not np.isfinite(column).any()


def _named_source(table, quantity, header):
    """Source of a quantity whose column the caller named, with the unit of the file."""
    index = _named_index(table, header)
    name, unit = parse_header(table, index)
    base = _base_unit(quantity)
    unit = unit or IMPLIED_UNITS.get(name_key(name), "") or _bare_unit(name, base)
    if base is None:  # a quantity of the caller's own: the values as written
        return Source(index, table.header[index], unit, 1.0, named=True)
    conversion = unit_conversion(unit, base)
    if conversion is None:
        raise DataError(
            f"{table.path}: column {header!r}, named for {quantity}, has the unit "
            f"{unit!r}; expected a unit of {base}. Name the column of {quantity}"
        )
    return Source(index, table.header[index], unit, *conversion, named=True)


def _bare_unit(name, base):
    """The name itself if it is only a unit, such as `mA`; not `C`, which may be a name."""
    units = base in ("s", "V", "A", "Ah", "Wh", "W", "ohm") and name.strip() != "C"
    return name.strip() if units and factor(name, base) is not None else ""


def _base_unit(quantity):
    """Unit of a quantity from its name: `pressure_kpa` has none that is known here."""
    if quantity in QUANTITIES:
        return QUANTITIES[quantity].dimension
    suffixes = {"s": "s", "v": "V", "a": "A", "ah": "Ah", "wh": "Wh", "w": "W",
                "ohm": "ohm", "c": "degC"}  # fmt: skip
    return suffixes.get(quantity.rsplit("_", 1)[-1]) if "_" in quantity else None


def _named_index(table, header):
    """Index of the column with a name; case and blanks count only if they must."""
    names = [name.strip() for name in table.header]
    if names.count(header.strip()) >= 1:
        return table.index(header)
    loose = [i for i, name in enumerate(names) if _loose(name) == _loose(header)]
    if len(loose) != 1:
        raise DataError(
            f"{table.path}: found no column for {header!r} among {names}; give the "
            f"name as the file writes it, as in {_HINT}"
        )
    return loose[0]


def _loose(name):
    return re.sub(r"\s+", "", name).lower()
