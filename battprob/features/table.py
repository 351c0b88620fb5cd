"""`FeatureTable`: named features of named cells, with what is known of their errors."""

import os
import re
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._padding import on_device
from battprob._typing import Array, ArrayLike, Float
from battprob.dataset import Dataset
from battprob.targets import Target

_GROUP, _ROW, _VARIANCE = "group", "row", "variance of "


class FeatureTable(eqx.Module):
    """Features of cells: one row a cell, one column a feature.

    A missing feature is NaN: it may stand in the table, and `to_dataset` refuses it.

    Args:
        x: the features.
        names: what each column is called, all different.
        units: unit of each column; "" where it has none.
        rows: name of each row, all different: tables and targets are matched by it.
        variance: square of each feature's own standard error, in its unit squared; 0 is
            known to be exact, NaN (also the default) not known.
        groups: batch of each row, kept as text.

    Raises:
        DataError: shapes disagree, a name occurs twice, or a variance is negative.

    Example:
        >>> table = FeatureTable(
        ...     [[1.07, 0.01], [1.06, 0.02]],
        ...     names=["first_capacity", "capacity_rise"],
        ...     units=["Ah", "Ah"],
        ...     rows=["cell a", "cell b"],
        ... )
        >>> table.select(["capacity_rise"]).x.shape
        (2, 1)
    """

    x: Float[Array, "n d"]
    variance: Float[Array, "n d"]
    names: tuple[str, ...] = eqx.field(static=True)
    units: tuple[str, ...] = eqx.field(static=True)
    rows: tuple[str, ...] = eqx.field(static=True)
    groups: tuple[str, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        x: ArrayLike | Sequence,
        *,
        names: Sequence[str],
        units: Sequence[str],
        rows: Sequence[str],
        variance: ArrayLike | Sequence | None = None,
        groups: Sequence | None = None,
    ):
        x = np.asarray(x, jnp.result_type(float))
        variance = np.full_like(x, np.nan) if variance is None else variance
        variance = np.asarray(variance, x.dtype)
        self.names, self.units = tuple(names), tuple(units)
        self.rows = tuple(str(row) for row in rows)
        self.groups = None if groups is None else tuple(str(group) for group in groups)
        self._require_shapes(x, variance)
        _require_different("row", self.rows)
        _require_different("column", self.names)
        self._require_none("has a negative variance", variance < 0)
        self.x, self.variance = on_device(x), on_device(variance)

    def select(self, names: Sequence[str]) -> "FeatureTable":
        """The columns `names`, in that order.

        Raises:
            DataError: a name is not there; the message lists those that are.
        """
        columns = np.asarray(resolve_columns(names, self.names), int)
        return FeatureTable(
            np.asarray(self.x)[:, columns],
            names=[self.names[c] for c in columns],
            units=[self.units[c] for c in columns],
            rows=self.rows,
            variance=np.asarray(self.variance)[:, columns],
            groups=self.groups,
        )

    def take(self, indices: ArrayLike | slice) -> "FeatureTable":
        """The rows at `indices`, in that order."""
        rows = np.arange(len(self.rows))[
            indices if isinstance(indices, slice) else np.asarray(indices)
        ]
        return FeatureTable(
            np.asarray(self.x)[rows],
            names=self.names,
            units=self.units,
            rows=[self.rows[i] for i in rows],
            variance=np.asarray(self.variance)[rows],
            groups=None if self.groups is None else [self.groups[i] for i in rows],
        )

    def join(self, other: "FeatureTable") -> "FeatureTable":
        """These columns, then those of `other`, whose rows are matched by name.

        Raises:
            DataError: the tables are not of the same rows, put a row in different
                groups, or share a column's name.
        """
        different = sorted(set(self.rows) ^ set(other.rows))
        if different:
            raise DataError(f"cannot join: only one table has row {different[0]!r}")
        order = np.asarray([other.rows.index(row) for row in self.rows], int)
        theirs = None if other.groups is None else tuple(other.groups[i] for i in order)
        if self.groups is not None and theirs is not None and self.groups != theirs:
            raise DataError(
                "cannot join: the tables disagree on the groups of the rows"
            )
        return FeatureTable(
            np.concatenate([self.x, np.asarray(other.x)[order]], axis=1),
            names=self.names + other.names,
            units=self.units + other.units,
            rows=self.rows,
            variance=np.concatenate(
                [self.variance, np.asarray(other.variance)[order]], axis=1
            ),
            groups=theirs if self.groups is None else self.groups,
        )

    def to_dataset(
        self, target: Target, columns: Sequence[str] | None = None
    ) -> Dataset:
        """The chosen columns (default all) with `target`, ready for `model.fit`.

        Raises:
            DataError: a feature is missing or infinite (the message names column and
                rows), or the target is not of these rows in this order.
        """
        if columns is not None:
            return self.select(columns).to_dataset(target)
        if target.rows != self.rows:
            raise DataError(
                f"table and target {target.name!r} must be of the same rows in the same "
                f"order: {_first_difference(self.rows, target.rows)}; make both from "
                "one list of cells"
            )
        self._require_none(
            "is missing or infinite (leave the column or those rows out)",
            ~np.isfinite(self.x),
        )
        return Dataset(
            self.x,
            target.value,
            noise_variance=target.variance,
            groups=self.groups,
            censored=target.censored,
            feature_names=self.names,
            feature_units=self.units,
            target_name=target.name,
            target_unit=target.unit,
            transform=target.transform,
        )

    def to_dataframe(self) -> Any:
        """A pandas table with the rows as index and units in brackets in the header.

        A column "group" holds the groups, columns "variance of …" the variances that are
        known.
        """
        import pandas as pd

        frame = pd.DataFrame(index=pd.Index(self.rows, name=_ROW))
        if self.groups is not None:
            frame[_GROUP] = list(self.groups)
        for name, unit, column in zip(
            self.names, self.units, np.asarray(self.x).T, strict=True
        ):
            frame[f"{name} [{unit}]" if unit else name] = column
        for name, column in zip(self.names, np.asarray(self.variance).T, strict=True):
            if not np.isnan(column).all():
                frame[_VARIANCE + name] = column
        return frame

    @classmethod
    def from_dataframe(cls, frame: Any) -> "FeatureTable":
        """Read a pandas table laid out as `to_dataframe` writes it.

        Raises:
            DataError: a feature is not a number, or a variance is of no column.
        """
        headers = [str(h) for h in frame.columns]
        features = [h for h in headers if h != _GROUP and not h.startswith(_VARIANCE)]
        names, units = zip(*map(_split_header, features), strict=True)
        variance = np.full((len(frame), len(names)), np.nan)
        for header in headers:
            if header.startswith(_VARIANCE):
                (column,) = resolve_columns([header.removeprefix(_VARIANCE)], names)
                variance[:, column] = _numeric(frame, header)
        return FeatureTable(
            np.stack([_numeric(frame, header) for header in features], axis=1),
            names=names,
            units=units,
            rows=[str(row) for row in frame.index],
            variance=variance,
            groups=list(frame[_GROUP]) if _GROUP in headers else None,
        )

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write `to_dataframe` as a text file, every digit kept."""
        self.to_dataframe().to_csv(path)

    @classmethod
    def from_csv(cls, path: str | os.PathLike) -> "FeatureTable":
        """Read what `to_csv` wrote."""
        import pandas as pd

        # Names stay text: "01" is no number and a batch called "NA" is not missing.
        text: Any = {_ROW: str, _GROUP: str}
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
        return cls.from_dataframe(frame.set_index(_ROW))

    def _require_shapes(self, x, variance):
        n, d = len(self.rows), len(self.names)
        groups = n if self.groups is None else len(self.groups)
        got = (x.shape, variance.shape, len(self.units), groups)
        if got != ((n, d), (n, d), d, n):
            raise DataError(
                f"{n} rows and {d} names need x and variance of shape ({n}, {d}), {d} "
                f"units and {n} groups; got x {x.shape}, variance {variance.shape}, "
                f"{len(self.units)} units and {groups} groups"
            )

    def _require_none(self, fault, flags):
        if not flags.any():
            return
        column = int(np.flatnonzero(flags.any(axis=0))[0])
        rows = [self.rows[i] for i in np.flatnonzero(flags[:, column])]
        raise DataError(
            f"column {self.names[column]!r} {fault} in {len(rows)} of {len(self.rows)} "
            f"rows: {', '.join(rows[:8])}"
        )


def _require_different(kind, names):
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DataError(f"{kind} {twice[0]!r} occurs twice; give it another name")


def _first_difference(mine, theirs):
    if len(mine) != len(theirs):
        return f"{len(mine)} rows and {len(theirs)}"
    where = next(i for i in range(len(mine)) if mine[i] != theirs[i])
    return f"row {where} is {mine[where]!r} in one and {theirs[where]!r} in the other"


def _split_header(header):
    name, unit = re.findall(r"^(.*?)(?: \[(.*)\])?$", header)[0]
    return name, unit


def _numeric(frame, header):
    try:
        return frame[header].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {header!r} must be numbers: {error}") from None
