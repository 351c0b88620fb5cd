"""Where lives are learned from: files or cells, made into tables of features."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from battprob import data, features
from battprob._errors import DataError
from battprob.data import Cell, Repair
from battprob.dataset import Dataset
from battprob.features import FeatureTable
from battprob.life.pipeline import COLUMNS
from battprob.targets import Target
from battprob.transforms import Log

_READERS = {".npz": data.read_pack, ".mat": data.read_matr}


class Source(NamedTuple):
    """Features of some cells, and what is known of their lives.

    Attributes:
        name: how tables and plots call them: a split, or the name of the file.
        table: their features.
        life: their lives in cycles; NaN where not known.
        censored: whether a life is a lower bound.
        cells: the repaired records, if the source is not a table of features.
        repairs: what was changed in them.
    """

    name: str
    table: FeatureTable
    life: np.ndarray
    censored: np.ndarray
    cells: Sequence[Cell] = ()
    repairs: Sequence[Repair] = ()

    @property
    def dataset(self) -> Dataset:
        """Features and lives, for fitting.

        Raises:
            DataError: a life is not known.
        """
        unknown = np.flatnonzero(np.isnan(self.life))
        if unknown.size:
            rows = [self.table.rows[i] for i in unknown[:5]]
            raise DataError(f"{self.name}: no life to learn from in {', '.join(rows)}")
        target = Target(
            self.life,
            rows=self.table.rows,
            name="cycle life",
            unit="cycles",
            censored=self.censored,
            transform=Log(),
        )
        return self.table.to_dataset(target)


def from_cells(name: str, cells: Sequence[Cell]) -> Source:
    """Repair the cells' glitches and take the features of the default model.

    Raises:
        DataError: a cell lacks what the features need; the message names it.
    """
    pairs = [data.despike(cell) for cell in cells]
    repaired = [cell for cell, _ in pairs]
    return Source(
        name=name,
        table=features.early_life(repaired).select(COLUMNS),
        life=np.array([cell.cycle_life for cell in repaired]),
        censored=np.array([cell.censored for cell in repaired]),
        cells=repaired,
        repairs=[repair for _, repairs in pairs for repair in repairs],
    )


def read(
    path: str | os.PathLike,
    target: str = "cycle_life",
    group: str | None = None,
    columns: Sequence[str] | None = None,
) -> list[Source]:
    """Sources in one file; a pack gives one for each of its splits.

    Args:
        path: a pack (.npz), a MATR batch file (.mat) or a table of features (.csv).
        target: column of a table with the life, in cycles; absent or empty: not known.
        group: column of a table that names the batch.
        columns: columns of a table that are features; default all others.

    Raises:
        DataError: the file is absent, empty, of another kind, or lacks a column, or a
            feature is missing; the message says where and what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path}")
    if path.suffix == ".csv":
        return [_from_csv(path, target, group, columns)]
    if path.suffix not in _READERS:
        raise DataError(
            f"{path.name} is neither a pack (.npz), nor a MATR batch file (.mat), nor a "
            "table of features (.csv)"
        )
    cells = _READERS[path.suffix](path)
    splits = list(dict.fromkeys(cell.split or path.stem for cell in cells))
    return [
        from_cells(split, [c for c in cells if (c.split or path.stem) == split])
        for split in splits
    ]


def _from_csv(path, target, group, columns):
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path} is empty: expected a header and one row a cell"
        ) from None
    if frame.empty:
        raise DataError(f"{path} has a header but no rows")
    labels = [
        c for c in ("row", "cell", "name") if c in frame and frame[c].dtype == object
    ]
    others = [c for c in frame if c not in {target, group, *labels}]
    columns = (
        [c for c in others if not c.startswith("variance of ")]
        if columns is None
        else columns
    )
    absent = [c for c in (*columns, group) if c is not None and c not in frame]
    if absent:
        raise DataError(f"{path} has no column {absent[0]!r}; it has {list(frame)}")
    x = np.stack([_numbers(path, frame, c) for c in columns], axis=1)
    life = _numbers(path, frame, target) if target in frame else np.full(len(x), np.nan)
    names = frame[labels[0]] if labels else [f"line {i + 2}" for i in range(len(x))]
    return Source(
        name=path.stem,
        table=FeatureTable(
            x,
            names=columns,
            units=[""] * len(columns),
            rows=[str(name) for name in names],
            groups=None if group is None else frame[group].astype(str).tolist(),
        ),
        life=life,
        censored=np.zeros(len(x), bool),
    )


def _numbers(path, frame, column):
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce")
    text = values.isna() & frame[column].notna()
    if text.any():
        line = int(np.flatnonzero(text)[0])
        raise DataError(
            f"{path} line {line + 2}: column {column!r} holds {frame[column][line]!r}, not "
            "a number; name the columns to learn from with --features, the batch with "
            "--group"
        )
    return values.to_numpy(float)
