"""Columns of a table with one row per cycle: cell, cycle number, discharge capacity."""

import re
import unicodedata
from typing import NamedTuple

from battprob._errors import DataError
from battprob.data.tables.table import RawTable
from battprob.data.tables.units import dimension, factor, split_unit

# Names without unit, blanks and punctuation. The first that a table has is used.
_NAMES = {
    "cycle": ("cycle", "cycleindex", "cyclenumber", "cyclenum", "cycleno", "cyclecount",
              "cycleid", "cycles", "cyc", "cyc#", "cycle#", "zyklus", "zyklen",
              "zyklusnummer", "zyklennummer", "zyklusnr", "zyklennr"),
    "discharge": ("dischargecapacity", "dischargingcapacity", "capacitydischarge",
                  "dischargecap", "dischargeah", "qdischarge", "qdis", "qd", "dchgcap",
                  "capdchg", "capacitydchg", "dchgcapacity", "dischcapacity",
                  "discapacity", "dcapacity", "disccap", "discap", "dcap", "capd",
                  "entladekapazitat", "entladekapazitaet"),
    "capacity": ("capacity", "cap", "q", "kapazitat", "kapazitaet"),
    "charge": ("chargecapacity", "chargingcapacity", "capacitycharge", "qcharge",
               "ladekapazitat", "ladekapazitaet"),
    "cell": ("cell", "cellid", "cellname", "cellnumber", "cellno", "cell#", "battery",
             "batteryid", "batteryname", "barcode", "serialnumber", "sample",
             "sampleid", "samplename", "file", "filename", "zelle", "zellname"),
}  # fmt: skip
_NO_UNIT = "taken as Ah because its name has no unit"
_CHARGES = ("discharge", "capacity", "charge")
_HINT = "read_capacity_csv(path, cycle='record', capacity_ah='Q [mAh]')"


class CapacityColumns(NamedTuple):
    """Indices of the columns of a table of capacities, and the units.

    Attributes:
        cycle: index of the cycle number.
        capacity: index of the discharge capacity.
        unit_ah: unit of the capacity in Ah.
        cell: index of the name of the cell; None if the table is of one cell.
        charge: index of the charge capacity and its unit in Ah; None without one.
        is_named: whether the caller named the capacity, or its name has a unit.
        statements: how the columns were recognised.
    """

    cycle: int
    capacity: int
    unit_ah: float
    cell: int | None
    charge: tuple[int, float] | None
    is_named: bool
    statements: tuple[str, ...]


def capacity_columns(
    table: RawTable,
    *,
    cell: str | None = None,
    cycle: str | None = None,
    capacity_ah: str | None = None,
) -> CapacityColumns:
    """Recognise the columns of a table of capacities, or use those that are named.

    Raises:
        DataError: a column is not found, or the unit of the capacity is not one of
            charge.
    """
    cycle_index = _required(table, _index(table, cycle, "cycle"), "cycle")
    index = _index(table, capacity_ah, "discharge", "capacity")
    index = _required(table, index, "discharge")
    unit_ah, unit = _unit(table, index)
    name = table.header[index].strip()
    cell_index = _index(table, cell, "cell")
    statements = (
        f"cycle numbers from column {table.header[cycle_index].strip()!r}",
        f"discharge capacity from column {name!r}, {unit}",
        "one cell, because no column has names of cells"
        if cell_index is None
        else f"cells from column {table.header[cell_index].strip()!r}",
    )
    charge, of_charge = _charge(table)
    return CapacityColumns(
        cycle_index,
        index,
        unit_ah,
        cell_index,
        charge,
        capacity_ah is not None or unit != _NO_UNIT,
        statements + of_charge,
    )


def _charge(table):
    """Index and unit of the charge capacity if it can be read, and a statement."""
    try:
        index = _index(table, None, "charge")
        if index is None:
            return None, ()
        unit_ah, unit = _unit(table, index)
    except DataError as error:  # the file is useful without it
        return None, (f"no charge capacity: {error}",)
    name = table.header[index].strip()
    return (index, unit_ah), (f"charge capacity from column {name!r}, {unit}",)


def is_capacity_table(table: RawTable) -> bool:
    """Whether the names of the columns include a cycle number and a capacity.

    Raises:
        DataError: several columns have names of one of them.
    """
    return (
        _index(table, None, "cycle") is not None
        and _index(table, None, "discharge", "capacity") is not None
    )


_MEANING = {
    "cycle": "a cycle number",
    "discharge": "a discharge capacity",
    "capacity": "a discharge capacity",
    "charge": "a charge capacity",
    "cell": "the name of a cell",
}


def _required(table, index, quantity) -> int:
    if index is None:
        if not any(_header(table)):
            raise DataError(
                f"{table.path} has no header line; expected names of columns, such as "
                "'cycle,capacity_Ah', in the line before the numbers"
            )
        raise DataError(
            f"{table.path} has no column that is known as {_MEANING[quantity]}; its "
            f"columns are {_header(table)}. Name the columns, as in {_HINT}"
        )
    return index


def _header(table):
    return [name.strip() for name in table.header]


def _index(table, name, *quantities):
    """Index of the named column, else of the first known name of the quantities."""
    if name is not None:
        return table.index(name)
    names = [
        _plain(split_unit(header).name)
        if _may_be(table, i, quantity=quantities[0])
        else ""
        for i, header in enumerate(table.header)
    ]
    for quantity in quantities:
        for known in _NAMES[quantity]:
            if names.count(known) == 1:
                return names.index(known)
            if known in names:
                same = [
                    h for h, n in zip(_header(table), names, strict=True) if n == known
                ]
                raise DataError(
                    f"{table.path} has the columns {same}, which are all known as "
                    f"{_MEANING[quantity]}; name the one to use, "
                    f"as in {_HINT}"
                )
    return None


def _may_be(table, index, quantity):
    """Whether the unit of a column does not exclude a quantity (`Capacity (mWh)`)."""
    unit = table.unit(index).strip() or split_unit(table.header[index]).unit
    if quantity in _CHARGES and factor(unit, "Ah") is not None:
        return True  # `C` is the coulomb here, and not the degree Celsius
    return dimension(unit) in ("1", None)


def _plain(name):
    name = re.sub(r"[(\[{].*?[)\]}]", "", name)  # a remark or a unit that is not known
    name = unicodedata.normalize("NFKD", name.lower())  # `ä` becomes `a` and a mark
    return re.sub(r"[^a-z0-9#]", "", name)


def _unit(table, index):
    """Unit of a capacity in Ah, and a statement about it."""
    header = table.header[index].strip()
    written = table.unit(index).strip() or split_unit(header).unit
    if not written:
        remark = re.search(r"[(\[{](.*?)[)\]}]|(%)|/\s*(\S*)$", header)
        written = next(filter(None, remark.groups()), "") if remark else ""
    if not written:
        return 1.0, _NO_UNIT
    unit_ah = factor(written, "Ah")
    if unit_ah is None:
        raise DataError(
            f"{table.path}: column {header!r} has the unit {written!r}; expected a "
            "charge, such as Ah or mAh. Convert the column to Ah and write the unit in "
            "its name ('capacity_Ah')"
        )
    return unit_ah, f"in {written}"
