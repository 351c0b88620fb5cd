"""Keys and values in the lines before a table."""

import re
from collections.abc import Sequence

from battprob.data.tables.fields import comment_body, is_blank, split

_LONGEST = 1000  # characters of a line
_MOST = 1000  # entries
# `Mass : 1 mg`, then `Mass: 1 mg`, then `Mass=1 mg`: a key may contain a colon, as in
# `t1 (h:m:s)`, and an equals sign too, as in `weight (at x = 0) : 310 g/mol`.
_PAIRS = (
    re.compile(r"\s*(.{1,80}?)\s+:(?:\s+(.*))?"),
    re.compile(r"\s*([^:]{1,80}?):(?:\s+(.*))?"),
    re.compile(r"\s*([^=:]{1,80}?)\s*=\s*(.*)"),
    re.compile(r"\s*(Loop \d+)\s+(from point number .*)"),  # EC-Lab
)
_FIXED_WIDTH = re.compile(r"(\S.{0,30}?)\s{2,}(\S.*)")


def preamble(lines: Sequence[str], separator: str) -> dict[str, str]:
    """Values by key of lines such as `Mass (g): 1.2`, `mass;0.0012` or `area = 1 cm2`.

    Values of a key that occurs several times are joined by semicolons. Lines without a
    value are left out.

    Example:
        >>> preamble(["# Cell: A1", "mass;0.0012;;"], ";")
        {'Cell': 'A1', 'mass': '0.0012'}
    """
    entries: dict[str, list[str]] = {}
    for line in lines:
        if is_blank(line) or len(line) > _LONGEST or len(entries) >= _MOST:
            continue
        if line.lstrip().startswith(("{", "<")):  # a protocol in JSON or XML
            continue
        body = comment_body(line)
        for left, right in _pairs(line if body is None else body, separator):
            key = left.strip().strip('"').rstrip(":=").strip()
            value = right.strip().strip('"').strip()
            if key and value and value not in entries.setdefault(key, []):
                entries[key].append(value)
    return {key: "; ".join(values) for key, values in entries.items() if values}


def _pairs(line, separator):
    """Keys and values of one line."""
    separator = separator if separator.strip(" ") else "\t"
    fields = [field for field in split(line, separator) if field]
    if len(fields) > 1 and any(field.endswith(":") for field in fields):
        return _alternating(fields)
    for pattern in _PAIRS:
        if pair := pattern.fullmatch(line):
            value = pair[2] or ""
            return [(pair[1], value.strip(separator + " "))]
    if len(fields) > 1:
        return [(fields[0], ", ".join(fields[1:]))]
    fixed = _FIXED_WIDTH.fullmatch(line.strip())  # dE1 (mV)            5.00     5.00
    return [(fixed[1], ", ".join(re.split(r"\s{2,}", fixed[2])))] if fixed else []


def _alternating(fields):
    """Pairs of `Date of Test:`, `11/12/2020`, `Filename:`, `a.000`, `Comment: none`."""
    pairs = []
    key = ""
    for field in fields:
        if field.endswith(":"):
            # Maccor: `Today's Date 09/01/2020  Date of Test:`
            *before, key = re.split(r"\s{2,}", field)
            pairs += [part.rpartition(" ")[::2] for part in before]
        elif key:
            pairs.append((key, field))
            key = ""
        elif pair := _PAIRS[1].fullmatch(field):
            pairs.append((pair[1], pair[2] or ""))
    return pairs
