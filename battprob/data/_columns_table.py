"""Base of tables whose columns are arrays of one length."""

from dataclasses import fields
from typing import Any

import numpy as np


class ColumnTable:
    """Mixin of a dataclass whose fields are columns: length, text and DataFrame."""

    __slots__ = ()

    def __len__(self):
        return len(getattr(self, fields(self)[0].name))  # pyright: ignore

    def _columns(self):
        names = [one.name for one in fields(self)]  # pyright: ignore
        return {name: getattr(self, name) for name in names}

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with one row per entry and one column per field."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    def _shown(self) -> tuple[str, ...]:
        """Names of the columns that the text of the table has."""
        raise NotImplementedError

    def __repr__(self):
        more = len(self._columns()) - len(self._shown())
        return (
            f"{type(self).__name__}({len(self)} rows; {more} more columns in "
            f"to_dataframe())\n{self._text()}"
        )

    def _text(self, most: int = 12):
        """Aligned text; the middle of a long table is left out."""
        columns = {name: getattr(self, name) for name in self._shown()}
        rows = list(range(len(self)))
        if len(rows) > most:
            rows = [*rows[: most // 2], -1, *rows[-most // 2 :]]
        lines = [list(columns)]
        for row in rows:
            values = [_cell(column[row]) for column in columns.values()]
            lines.append(["…"] * len(columns) if row < 0 else values)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                text.rjust(width) for text, width in zip(line, widths, strict=True)
            )
            for line in lines
        )


def _cell(value):
    if isinstance(value, (float, np.floating)):
        return "-" if np.isnan(value) else f"{value:.4g}"
    return str(value)
