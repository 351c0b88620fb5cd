"""`FeatureTable`: features with names and units, one row per cell, with variances."""

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
    """Table of features: one row per cell, one column per feature.

    A missing feature is NaN. The table may contain NaN, but `to_dataset` raises an
    error for it.

    Args:
        x: features [n, d].
        names: names of the columns, all different.
        units: unit of each column; "" for a feature without unit.
        rows: names of the rows, all different; tables and targets are matched by them.
        variance: squared standard error of each feature [n, d], in its unit squared; 0
            if the feature is exact, NaN (the default) if the error is unknown.
        groups: batch of each row, stored as text.

    Raises:
        DataError: shapes do not match, a name occurs twice, or a variance is negative.

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
        """Table of the columns `names`, in this order.

        Raises:
            DataError: there is no column of this name; the message lists the columns.
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
        """Table of the rows at `indices`, in this order."""
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
        """Table of the columns of both tables, with rows matched by name.

        Raises:
            DataError: the tables have different rows, different groups of a row, or a
                column of the same name.
        """
        unmatched = sorted(set(self.rows) ^ set(other.rows))
        if unmatched:
            raise DataError(f"cannot join: only one table has row {unmatched[0]!r}")
        order = np.asarray([other.rows.index(row) for row in self.rows], int)
        groups = self.groups
        if other.groups is not None:
            groups = tuple(other.groups[i] for i in order)
            if self.groups is not None and self.groups != groups:
                raise DataError("cannot join: the tables have different groups of rows")
        return FeatureTable(
            np.concatenate([self.x, np.asarray(other.x)[order]], axis=1),
            names=self.names + other.names,
            units=self.units + other.units,
            rows=self.rows,
            variance=np.concatenate(
                [self.variance, np.asarray(other.variance)[order]], axis=1
            ),
            groups=groups,
        )

    def to_dataset(
        self, target: Target, columns: Sequence[str] | None = None
    ) -> Dataset:
        """Dataset of the columns (default: all) and the target, for `model.fit`.

        Raises:
            DataError: a feature is missing or infinite (the message names the column
                and the rows), or the rows of the target are not those of the table in
                the same order.
        """
        if columns is not None:
            return self.select(columns).to_dataset(target)
        if target.rows != self.rows:
            raise DataError(
                f"table and target {target.name!r} must have the same rows in the same "
                f"order: {_first_difference(self.rows, target.rows)}; compute both "
                "from the same list of cells"
            )
        self._require_none(
            "is missing or infinite (leave out the column or these rows)",
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
        """Convert to a pandas DataFrame with the row names as index.

        The header of a feature is `name [unit]`. The column "group" contains the
        groups, columns "variance of …" the variances of features for which any is
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
        """Convert from a pandas DataFrame in the format of `to_dataframe`.

        Raises:
            DataError: a feature is not a number, or a variance column has no
                feature of the same name.
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
        """Write `to_dataframe` to a CSV file, with all digits."""
        self.to_dataframe().to_csv(path)

    @classmethod
    def from_csv(cls, path: str | os.PathLike) -> "FeatureTable":
        """Read a CSV file written by `to_csv`."""
        import pandas as pd

        # Without this, pandas would read the name "01" as 1 and "NA" as missing.
        text: Any = {_ROW: str, _GROUP: str}
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
        return cls.from_dataframe(frame.set_index(_ROW))

    def _require_shapes(self, x, variance):
        n, d = len(self.rows), len(self.names)
        groups = n if self.groups is None else len(self.groups)
        shapes = (x.shape, variance.shape, len(self.units), groups)
        if shapes != ((n, d), (n, d), d, n):
            raise DataError(
                f"{n} rows and {d} names need x and variance of shape ({n}, {d}), {d} "
                f"units and {n} groups; got x {x.shape}, variance {variance.shape}, "
                f"{len(self.units)} units and {groups} groups"
            )

    def _require_none(self, fault, flags):
        """Raise an error that names the first flagged column and its rows."""
        if not flags.any():
            return
        column = int(np.flatnonzero(flags.any(axis=0))[0])
        rows = [self.rows[i] for i in np.flatnonzero(flags[:, column])]
        raise DataError(
            f"column {self.names[column]!r} {fault} in {len(rows)} of {len(self.rows)} "
            f"rows: {', '.join(rows[:8])}"
        )


def _require_different(kind, names):
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise DataError(f"{kind} {repeated[0]!r} occurs twice; names must be unique")


def _first_difference(rows, others):
    if len(rows) != len(others):
        return f"{len(rows)} rows and {len(others)} rows"
    i = next(i for i in range(len(rows)) if rows[i] != others[i])
    return f"row {i} is {rows[i]!r} in the table and {others[i]!r} in the target"


def _split_header(header):
    name, unit = re.findall(r"^(.*?)(?: \[(.*)\])?$", header)[0]
    return name, unit


def _numeric(frame, header):
    try:
        return frame[header].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {header!r} must be numbers: {error}") from None
