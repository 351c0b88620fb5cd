"""Keys and values in the lines before a table."""

import re
from collections.abc import Sequence

from battprob.data.tables.fields import comment_body, is_blank, split

_LONGEST = 1000  # characters; longer lines are protocols in JSON or XML
_MOST = 1000  # entries
_PAIR = re.compile(r"\s*([^:=]{1,60}?)\s*(?::|=)\s*(.*)")
_FIXED_WIDTH = re.compile(r"(\S.{0,18}?\S|\S)\s{2,}(\S.*)")


def preamble(lines: Sequence[str], separator: str) -> dict[str, str]:
    """Values by key of lines such as `Mass (g): 1.2`, `mass;0.0012` or `area = 1 cm2`.

    Values of a key that occurs several times are joined by semicolons. Lines without a
    value are left out.

    Example:
        >>> preamble(["# Cell: A1", "mass;0.0012;;"], ";")
        {'Cell': 'A1', 'mass': '0.0012'}
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        if is_blank(line) or len(line) > _LONGEST or len(found) >= _MOST:
            continue
        body = comment_body(line)
        for left, right in _pairs(line if body is None else body, separator):
            key = left.strip().strip('"').rstrip(":=").strip()
            value = right.strip().strip('"').strip()
            if key and value and value not in found.setdefault(key, []):
                found[key].append(value)
    return {key: "; ".join(values) for key, values in found.items() if values}


def _pairs(line, separator):
    fields = [field for field in split(line, separator or "\t") if field]
    keys = [i for i, field in enumerate(fields[:-1]) if field.endswith(":")]
    if len(keys) > 1:  # Date of Test:<tab>11/12/2020<tab>Filename:<tab>cell.000
        return [(fields[i], fields[i + 1]) for i in keys if i + 1 not in keys]
    pair = _PAIR.fullmatch(line)
    if len(fields) > 1 and separator.strip(" ") and (keys or pair is None):
        return [(fields[0], ", ".join(fields[1:]))]
    if pair is not None:
        return [(pair[1], pair[2].strip(separator + " ") if separator else pair[2])]
    fixed = _FIXED_WIDTH.fullmatch(line.strip())  # dE1 (mV)            5.00     5.00
    return [(fixed[1], ", ".join(fixed[2].split()))] if fixed else []
