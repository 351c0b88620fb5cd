"""Read cells or tables of features, and prepare them for the default model."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from battprob import data, features
from battprob._errors import DataError
from battprob.cli.life.pipeline import COLUMNS
from battprob.data import Cell
from battprob.data.despike import Repair
from battprob.data.readers import registered_reader
from battprob.dataset import Dataset
from battprob.features import FeatureTable
from battprob.models.base import AbstractPosterior
from battprob.predictive import Predictive
from battprob.targets import Target
from battprob.transforms import Log


class Source(NamedTuple):
    """Features and lives of a set of cells.

    Attributes:
        name: name in tables and plots: the split, or else the name of the file.
        table: features, one row per cell.
        life: cycle lives; NaN where not known.
        censored: whether a life is a lower bound.
        cells: the repaired records; empty if the source is a table of features.
        repairs: the changes made by `data.despike`.
    """

    name: str
    table: FeatureTable
    life: np.ndarray
    censored: np.ndarray
    cells: Sequence[Cell] = ()
    repairs: Sequence[Repair] = ()

    @property
    def dataset(self) -> Dataset:
        """Features, batches and lives, for fitting.

        Raises:
            DataError: the life of a cell is not known.
        """
        unknown = np.flatnonzero(np.isnan(self.life))
        if unknown.size:
            rows = [self.table.rows[i] for i in unknown[:5]]
            raise DataError(
                f"{self.name}: the life of {', '.join(rows)} is missing; a training cell "
                "needs it (--target names the column of a table that holds it)"
            )
        target = Target(
            self.life,
            rows=self.table.rows,
            name="cycle life",
            unit="cycles",
            censored=self.censored,
            transform=Log(),
        )
        return self.table.to_dataset(target)

    def predicted_by(self, posterior: AbstractPosterior, train: "Source") -> Predictive:
        """Predict the lives from the features and batches.

        A batch without cells in `train` is predicted as a new batch.

        Args:
            posterior: of the model fitted to `train`.
            train: source of the training cells.

        Raises:
            DataError: a feature of `train` is absent.
        """
        x = self.table.select(train.table.names).x
        if train.table.groups is None:
            return posterior.predict(x)
        groups = self.table.groups or (None,) * len(self.table.rows)
        return posterior.predict(x, groups=groups)


def from_cells(name: str, cells: Sequence[Cell]) -> Source:
    """Repair outliers in the records and compute the features of the default model.

    Raises:
        DataError: a cell lacks data that a feature needs; the message names the cell.
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
    """Read the sources in one file: one for each split of a pack, else one.

    The split 'train' comes first.

    Args:
        path: a pack (.npz), a MATR batch file (.mat), a table of features (.csv), or a
            file of cells in a format of `data.register_reader`.
        target: column of a table with the life in cycles. Lives are unknown where the
            column is missing or an entry is empty.
        group: column of a table with the name of the batch.
        columns: columns of a table that are features; default all others.

    Raises:
        DataError: the file does not exist, is empty, has another format or lacks a
            column, or a value is not a number; the message names the column and the line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"file {path} does not exist")
    if path.suffix.lower() == ".csv" and registered_reader(path) is None:
        return [_from_csv(path, target, group, columns)]
    cells: Any = data.read_file(path)
    if not isinstance(cells[0], Cell):
        raise DataError(
            f"{path}: expected cells (.npz, .mat) or a table of features (.csv); got "
            f"{type(cells[0]).__name__} records. `battprob features` makes a table of them"
        )
    splits = list(dict.fromkeys(cell.split or path.stem for cell in cells))
    splits.sort(key=lambda split: split != "train")
    return [
        from_cells(split, [c for c in cells if (c.split or path.stem) == split])
        for split in splits
    ]


def _from_csv(path, target, group, columns):
    frame: Any = _frame(path)
    # "capacity [Ah]" is found by its name with or without the unit.
    header = {str(c).split(" [")[0]: c for c in frame} | {c: c for c in frame}
    life = np.full(len(frame), np.nan)
    if target in header:
        life = _numbers(path, frame, header[target])
        frame = frame.drop(columns=header[target])
        header = {name: column for name, column in header.items() if column in frame}
    unknown = [c for c in (*(columns or ()), group) if c and c not in header]
    if unknown:
        raise DataError(f"{path} has no column {unknown[0]!r}; it has {list(frame)}")
    if columns is not None:
        chosen = dict.fromkeys(header[c] for c in (*columns, group) if c)
        frame = frame[list(chosen)]
    if group is not None:
        frame = frame.rename(columns={header[group]: "group"}).astype({"group": str})
    for column in frame.columns.difference(["group"]):
        _numbers(path, frame, column)
    return Source(
        name=path.stem,
        table=FeatureTable.from_dataframe(frame),
        life=life,
        censored=np.zeros(len(life), bool),
    )


def _frame(path):
    """The table; its index is the column `row`, or else the line of each row."""
    import pandas as pd

    try:
        frame = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path} is empty; expected a header and one row per cell"
        ) from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table in CSV format: {error}") from None
    if frame.empty:
        raise DataError(f"{path} has a header but no rows; expected one row per cell")
    if "row" in frame:
        return frame.set_index("row")
    return frame.set_axis([f"line {i + 2}" for i in range(len(frame))])


def _numbers(path, frame, column):
    import pandas as pd

    numeric: Any = pd.to_numeric(frame[column], errors="coerce")
    values = numeric.to_numpy(float)
    not_numbers = np.flatnonzero(np.isnan(values) & frame[column].notna().to_numpy())
    if not_numbers.size:
        first = not_numbers[0]
        raise DataError(
            f"{path} line {first + 2}: column {column!r} must hold numbers; got "
            f"{frame[column].iloc[first]!r}. Choose the features with --features and the "
            "batch with --group"
        )
    return values
