"""Where lives are learned from: files or cells, made into tables of features."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from battprob import data, features
from battprob._errors import DataError
from battprob.cli.life.pipeline import BATCH, COLUMNS
from battprob.data import Cell, Repair
from battprob.dataset import Dataset
from battprob.features import FeatureTable
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
        """Features, batch codes and lives, for fitting.

        Raises:
            DataError: a life is not known.
        """
        unknown = np.flatnonzero(np.isnan(self.life))
        if unknown.size:
            rows = [self.table.rows[i] for i in unknown[:5]]
            raise DataError(
                f"{self.name}: no life to learn from in {', '.join(rows)}; of a table, "
                "--target names the column of lives"
            )
        target = Target(
            self.life,
            rows=self.table.rows,
            name="cycle life",
            unit="cycles",
            censored=self.censored,
            transform=Log(),
        )
        return self.aligned(self).to_dataset(target)

    def aligned(self, train: "Source") -> FeatureTable:
        """The features that `train` has, and the codes it gives to batches.

        A batch that is not in `train` is coded -1: a level of its own.
        """
        table = self.table.select(train.table.names)
        if train.table.groups is None:
            return table
        names = sorted(set(train.table.groups))
        groups = table.groups or ("",) * len(table.rows)
        codes = [names.index(g) if g in names else -1 for g in groups]
        batch = FeatureTable(
            np.array(codes, float)[:, None],
            names=[BATCH],
            units=[""],
            rows=table.rows,
            groups=table.groups,
        )
        return table.join(batch)


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
    frame: Any = _frame(path)
    life = np.full(len(frame), np.nan)
    if target in frame:
        life = _numbers(path, frame, target)
        frame = frame.drop(columns=target)
    # A header may state its unit in brackets; who asks for it need not.
    header = {str(c).split(" [")[0]: c for c in frame} | {c: c for c in frame}
    absent = [c for c in (*(columns or ()), group) if c and c not in header]
    if absent:
        raise DataError(f"{path} has no column {absent[0]!r}; it has {list(frame)}")
    if columns is not None:
        frame = frame[[header[c] for c in (*columns, group) if c]]
    if group is not None:
        frame = frame.rename(columns={group: "group"}).astype({"group": str})
    for column in frame.columns.difference(["group"]):
        _numbers(path, frame, column)
    return Source(
        name=path.stem,
        table=FeatureTable.from_dataframe(frame),
        life=life,
        censored=np.zeros(len(life), bool),
    )


def _frame(path):
    """The table, its rows named by the column `row` or else by their line."""
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path} is empty: expected a header and one row a cell"
        ) from None
    if frame.empty:
        raise DataError(f"{path} has a header but no rows")
    if "row" in frame:
        return frame.set_index("row")
    return frame.set_axis([f"line {i + 2}" for i in range(len(frame))])


def _numbers(path, frame, column):
    import pandas as pd

    column_values: Any = pd.to_numeric(frame[column], errors="coerce")
    values = column_values.to_numpy(float)
    text = np.flatnonzero(np.isnan(values) & frame[column].notna().to_numpy())
    if text.size:
        raise DataError(
            f"{path} line {text[0] + 2}: column {column!r} holds "
            f"{frame[column].iloc[text[0]]!r}, not a number; name the columns to learn "
            "from with --features, the batch with --group"
        )
    return values
