"""The spectrum of an Eco Chemie .dfr file, which has one number per line."""

from pathlib import Path

import numpy as np

from battprob._errors import DataError
from battprob.data.tables.cells import kind
from battprob.data.tables.numbers import to_numbers
from battprob.data.tables.table import RawTable

_FIELDS = 9  # numbers per frequency
_HEADER = ("Frequency (Hz)", "Z' (Ohm)", "-Z'' (Ohm)")


def eco_chemie_table(path: Path, lines: list[str]) -> tuple[RawTable, ...]:
    """Frequency, Z' and -Z'' of an Eco Chemie .dfr file (Autolab FRA).

    After the version come the number of points, a number without known meaning, and nine
    numbers for every point, of which the first three are returned.

    Raises:
        DataError: numbers are missing.
    """
    filled = [(i + 1, line.strip()) for i, line in enumerate(lines) if line.strip()]
    counts = [int(text) for _, text in filled[1:3] if text.isdigit()]
    points = filled[3 : 3 + _FIELDS * counts[0]] if len(counts) == 2 else []
    texts = [text for _, text in points]
    if not points or len(points) < _FIELDS * counts[0]:
        raise DataError(
            f"{path} is not a complete Eco Chemie .dfr file: expected the number of "
            f"points in line 2 and {_FIELDS} numbers for each; export the file again"
        )
    for line, text in points:
        if kind(text) != "number":
            raise DataError(f"{path}, line {line}: expected a number, found {text!r}")
    values = to_numbers(texts).values.reshape(counts[0], _FIELDS)
    return (
        RawTable(
            path=path,
            format="Eco Chemie .dfr",
            header=_HEADER,
            columns=tuple(np.ascontiguousarray(values[:, i]) for i in range(3)),
            lines=np.array([line for line, _ in points[::_FIELDS]]),
            statements=(
                "the file has no header; each point begins with frequency, real part "
                "and negative imaginary part, as the format defines",
            ),
        ),
    )
