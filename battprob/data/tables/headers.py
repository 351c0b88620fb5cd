"""Header lines of text tables: names of columns and rows of units."""

import re
from typing import NamedTuple

from battprob.data.tables.cells import kind
from battprob.data.tables.fields import comment_body, is_blank, split
from battprob.data.tables.units import dimension, split_unit

# Beginnings of words in names of measured quantities.
_QUANTITY = re.compile(
    r"(?:^|[^a-z])(?:time|zeit|temps|date|volt|spannung|potential|tension|ewe|ecell|curr|strom|amp|"
    r"cap|(?:dis)?charge|energ|power|leistung|freq|omega|re\b|re\(|im\b|im\(|real|imag|mod|"
    r"phase|phi|theta|temp|cyc|zykl|step|schritt|rec|index|point|state|mode|status|"
    r"resist|z\b|z['_(\s]|z(?:re|im|mod|ph)|-z|-im|\|z|watt|soc|test|cell|sample)",
    re.IGNORECASE,
)
_SYMBOL = re.compile(r"[tfEUVIQTZPWwRX](?:['′\"_].*|\d*)|-?Z['′\"]{0,2}|dq|dQ|Ah|Wh|pt")
# Units that `units.dimension` does not contain, as instruments write them.
_OTHER_UNIT = re.compile(
    r"[#%°]|bits|deg(?:rees?)?\s?[CFK]?|V\s*vs\.?.*|h?h:mm(?:[:.]ss)?.*|(?:yyyy|dd|mm).*"
    r"|[-1]|[mµμu]?A/(?:cm|m|m)[²2]|\S*/\S+|a\.?u\.?|text|string|char|counts?|none",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]|[%#°]")
_UNIT_ALONE = re.compile(r"[(\[{<][^)\]}>]*[)\]}>]")
_TOKEN = re.compile(r"\S+(?:\s*[(\[{<][^)\]}>]*[)\]}>])?")


class Width(NamedTuple):
    """Number of fields of the rows, and of those before fields that are always empty.

    With `extra_names` the header may have more names than the rows have fields, as some
    instruments write it.
    """

    fields: int
    filled: int
    extra_names: bool = False


def header_of(
    lines: list[str], first: int, width: Width, separator: str, most_markers: int
) -> tuple[int, list[str]] | None:
    """Line and names of the header of the rows that start in line `first`.

    The header is the nearest line above with one name per field. Up to `most_markers`
    lines of other text may lie between; broken rows may too, and are reported when the
    table is read.
    """
    markers = 0
    nearest = True
    for i in range(first - 1, max(first - 200, 0) - 1, -1):
        if is_blank(lines[i]):
            continue
        names = _names(lines[i], width, separator, nearest)
        # Text between rows is no header, unless it repeats one.
        if names is not None and (
            lines[i] in lines[:i] or not _follows_row(lines, i, names, width, separator)
        ):
            return i, names
        cells = split(lines[i], separator)
        numbers = sum(kind(cell) in ("number", "time") for cell in cells)
        markers += len(cells) < 2 or numbers < 0.5 * len(cells)
        nearest = False
        if markers > most_markers:
            return None
    return None


def _follows_row(lines, index, names, width, separator):
    """Whether a line follows rows; one line of numbers may also describe the table."""
    above = [line for line in lines[max(index - 5, 0) : index] if not is_blank(line)]
    is_row = [_is_row(line, width, separator) for line in above]
    if not is_row or not is_row[-1]:
        return False
    if len(above) > 1:
        before = fit(split(above[-2], separator), width)
        if is_row[-2] or (before is not None and looks_like_header(before, separator)):
            return True
    return not all(is_quantity(name) for name in names if name)


def _is_row(line, width, separator):
    cells = split(line, separator)
    numbers = sum(kind(cell) in ("number", "time") for cell in cells)
    return len(cells) == width.fields and numbers > 0.5 * len(cells)


def own_names(line: str, width: Width, separator: str) -> list[str] | None:
    """Fields of a line for the fields of a row, without a comment mark before them."""
    body = comment_body(line)
    if body is not None:
        names = fit(split(body, separator), width)
        if names is not None and names[0]:
            return names
    return fit(split(line, separator), width)


def _names(line, width, separator, nearest):
    """Names of the columns in a line; None if it is no header of these rows."""
    names = own_names(line, width, separator)
    if names is not None and looks_like_header(names, separator):
        return names
    # The header may have other separators than the rows; so do quoted headers.
    text = (comment_body(line) or line).strip().strip('"').strip()
    if not nearest or width.fields == 1 or (separator.strip(" ") and separator in text):
        return None
    width = width._replace(extra_names=False)
    for other in ("\t", ";", ",", "  ", " ", "token"):
        parts = _TOKEN.findall(text) if other == "token" else split(text, other)
        names = fit(parts, width)
        if any(map(_UNIT_ALONE.fullmatch, parts)):
            continue  # `Capacity (Ah)` is one name
        if names is not None and looks_like_header(names, " "):
            return names
    return None


def fit(names: list[str], width: Width) -> list[str] | None:
    """Names for the fields of a row; None if there are too few or too many.

    Names may lack only for fields that are always empty, and may be empty after the
    last field: both come from separators at the ends of lines.
    """
    named = len(names)
    while named and not names[named - 1]:
        named -= 1
    if width.extra_names and named > width.fields:
        named = width.fields
    if not width.filled <= named <= width.fields:
        return None
    return [*names[:named], *[""] * (width.fields - named)]


def looks_like_header(names: list[str], separator: str) -> bool:
    """Whether the fields of a line can be names of columns.

    Most are text. A line of two words, or of words separated by blanks, may be prose:
    half of the words must be known quantities, symbols or have units.
    """
    kinds = [kind(name) for name in names]
    texts = [name for name in names if kind(name) == "text" and _LETTER.search(name)]
    if not texts or len(texts) < 0.5 * len([name for name in names if name]):
        return False
    if kinds.count("number") + kinds.count("time") > 0.3 * len(names):
        return False
    if len(names) - kinds.count("missing") < 0.5 * len(names):
        return False
    if len(names) > 2 and separator.strip(" "):
        return True
    known = [name for name in texts if is_quantity(name)]
    return len(known) >= max(1.0, 0.5 * len(texts))


def is_quantity(name: str) -> bool:
    """Whether a name is a known quantity, a symbol, or has a unit."""
    name = name.strip().strip('"').strip()
    return bool(
        _QUANTITY.search(name.replace("_", " "))
        or _SYMBOL.fullmatch(name)
        or split_unit(name).unit
    )


def is_units(cells: list[str]) -> bool:
    """Whether most cells of a line are units such as `s`, `[V]` or `deg C`."""
    filled = [cell.strip().strip("[]()<>") for cell in cells if cell.strip()]
    units = [
        cell
        for cell in filled
        if kind(cell) in ("text", "missing")
        and (dimension(cell) not in (None, "1") or _OTHER_UNIT.fullmatch(cell))
    ]
    known = [cell for cell in units if dimension(cell) not in (None, "1")]
    return bool(known) and len(units) >= 0.6 * len(filled)
