"""PalmSens `.pssession` files: JSON that PSTrace writes in UTF-16."""

import json
from pathlib import Path

from battprob._errors import DataError
from battprob.data.tables.columns import cell_column
from battprob.data.tables.table import RawTable

_FORMAT = "PalmSens .pssession"
_MARK = "PalmSens"
_PREFIXES = {
    "Pico": "p",
    "Nano": "n",
    "Micro": "u",
    "Milli": "m",
    "Kilo": "k",
    "Mega": "M",
}


def is_palmsens(head: bytes) -> bool:
    """Whether the start of a file is that of a PalmSens session."""
    text = _decoded(head[: len(head) // 2 * 2]).lstrip("\ufeff \r\n\t")
    return text.startswith("{") and _MARK in text[:400]


def read_palmsens(path: Path) -> tuple[RawTable, ...]:
    """Read the measurements of a PalmSens session, one table each.

    The columns have the names of the quantities in the file: `Frequency`, `Z'`, `-Z''`,
    `|Z|`, `-Phase` of impedance spectra; `Time`, `Potential`, `Current` of others. The
    units follow from the classes of the file (`MicroAmpere`: uA). Each table is labelled
    with the title of the measurement. Arrays whose length is not that of the frequencies
    (of the first array in other measurements) are left out, and hidden ones.

    Raises:
        DataError: the file is damaged or has no measurement.
    """
    session = _session(path)
    tables = [
        table
        for measurement in session.get("Measurements") or []
        if (table := _table(path, measurement)) is not None
    ]
    if not tables:
        raise DataError(f"{path}: this {_FORMAT} file has no measurement with values")
    return tuple(tables)


def _decoded(content):
    for encoding in ("utf-16", "utf-8-sig"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.lstrip("\ufeff").startswith("{"):
            return text
    return content.decode("utf-8", "replace")


def _session(path):
    text = _decoded(path.read_bytes()).strip("\ufeff\0 \r\n\t")
    try:
        session = json.loads(text)
    except (ValueError, RecursionError):
        session = None
    if not isinstance(session, dict):
        raise DataError(
            f"{path}: this {_FORMAT} file is damaged or incomplete (its JSON text does "
            "not end); export the measurement from PSTrace as .csv"
        )
    return session


def _table(path, measurement):
    arrays = [
        array
        for array in (measurement.get("DataSet") or {}).get("Values") or []
        if array.get("DataValues") and not array.get("Hidden")
    ]
    if not arrays:
        return None
    first = next((a for a in arrays if _name(a) == "Frequency"), arrays[0])
    size = len(first["DataValues"])
    arrays = _distinct([a for a in arrays if len(a["DataValues"]) == size])
    return RawTable(
        path,
        _FORMAT,
        tuple(arrays),
        tuple(
            cell_column([point.get("V") for point in array["DataValues"]]).values
            for array in arrays.values()
        ),
        units=tuple(_unit(array.get("Unit") or {}) for array in arrays.values()),
        label=str(measurement.get("Title") or ""),
    )


def _name(array):
    unit = array.get("Unit") or {}
    name = str(unit.get("Q") or array.get("Description") or "")
    return "|Z|" if name == "Z" else name


def _distinct(arrays):
    """Arrays by name; a second array of one quantity has its description added."""
    named = {}
    for array in arrays:
        name = _name(array)
        if name in named:
            name = f"{name} {array.get('Description', '')}".strip()
        named.setdefault(name, array)
    return named


def _unit(unit):
    symbol = str(unit.get("S") or "")
    kind = str(unit.get("Type") or "").rsplit(".", 1)[-1]
    prefix = next(
        (short for word, short in _PREFIXES.items() if kind.startswith(word)), ""
    )
    # Some versions write the prefix in the symbol too.
    return symbol if not prefix or len(symbol) > 1 else prefix + symbol
