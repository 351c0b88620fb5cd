"""`Dataset`: feature matrix, targets, their measurement errors, groups and censoring."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from battprob._errors import DataError
from battprob._modules import replace
from battprob._padding import bucket, on_device, pad_rows
from battprob._typing import Array, ArrayLike, Bool, Float, Int
from battprob.dataset import _validation
from battprob.dataset._validation import EXACT, LOWER_BOUND, UPPER_BOUND
from battprob.transforms import AbstractTransform, Identity

__all__ = ["EXACT", "LOWER_BOUND", "UPPER_BOUND", "Dataset"]


class Dataset(eqx.Module):
    """Table of features and targets for fitting a model, validated on construction.

    Args:
        x: features, one row for each cell (or spectrum, or experiment) [rows, features];
            a 1-D array is one feature. A pandas table gives its column names.
        y: targets [rows], in the unit `target_unit`.
        noise_variance: variance of the measurement error of each target, on the scale of
            `transform` (log units for `transforms.Log`), for example from replicates or
            from the standard error of an estimated label. None: unknown.
        groups: group of each row, as names or numbers: rows of one batch, which share
            conditions that are not among the features.
        protocol: protocol of each row as an integer from 0; -1 where it is unknown.
        censored: False or 0 where y is exact, True or 1 where it is a lower bound (the
            test was stopped before the end of life), -1 where it is an upper bound.
        y_upper: upper end of the interval [y, y_upper] that contains the target; equal to
            y where the target is exact.
        feature_names, feature_units, target_name, target_unit: for tables and plots.
        transform: scale on which the target has constant noise; `transforms.Log()` for
            lives. Default `transforms.Identity()`.

    Raises:
        DataError: shapes disagree, a value is not finite, or a target lies outside the
            domain of the transform; the message names the column and the rows.

    Example:
        >>> import numpy as np
        >>> data = Dataset(np.eye(3), [400.0, 900.0, 1200.0], target_unit="cycles")
        >>> data.num_rows, data.num_features
        (3, 3)
    """

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    noise_variance: Float[Array, " n"] | None
    groups: Int[Array, " n"] | None
    protocol: Int[Array, " n"] | None
    censored: Int[Array, " n"]
    y_upper: Float[Array, " n"] | None
    mask: Bool[Array, " n"]
    feature_names: tuple[str, ...] = eqx.field(static=True)
    feature_units: tuple[str, ...] = eqx.field(static=True)
    target_name: str = eqx.field(static=True)
    target_unit: str = eqx.field(static=True)
    group_names: tuple[Any, ...] = eqx.field(static=True)
    transform: AbstractTransform = eqx.field(static=True)

    def __init__(
        self,
        x: Any,
        y: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        protocol: ArrayLike | None = None,
        censored: ArrayLike | None = None,
        y_upper: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        feature_units: Sequence[str] | None = None,
        target_name: str = "target",
        target_unit: str = "",
        transform: AbstractTransform | None = None,
    ):
        if feature_names is None and hasattr(x, "columns"):
            feature_names = [str(name) for name in x.columns]
        x = _validation.numbers("x", x)
        x = x[:, None] if x.ndim == 1 else x
        if x.ndim != 2 or x.size == 0:
            raise DataError(f"x must be [rows, features] and not empty; got {x.shape}")
        n, d = x.shape
        numbered = [f"x{j}" for j in range(d)]
        names = tuple(numbered if feature_names is None else feature_names)
        units = tuple([""] * d if feature_units is None else feature_units)
        if len(names) != d or len(units) != d or len(set(names)) != d:
            raise DataError(
                f"x has {d} columns; feature_names and feature_units need as many entries, "
                f"and all names must differ; got names {names} and units {units}"
            )
        transform = Identity() if transform is None else transform
        y = _validation.column("y", y, n)
        _validation.require_finite(x, names)
        _validation.require_finite(y[:, None], (target_name,))
        _validation.require_domain(y, transform, target_name)
        self.x, self.y = on_device(x), on_device(y)
        self.noise_variance = _validation.noise_variance(noise_variance, n)
        self.groups, self.group_names = _validation.encode_groups(groups, n)
        self.protocol = _validation.protocol(protocol, n)
        self.censored = _validation.censored(censored, n)
        self.y_upper = _validation.upper_end(y_upper, y, n)
        self.mask = on_device(np.ones(n, bool))
        self.feature_names, self.feature_units = names, units
        self.target_name, self.target_unit = target_name, target_unit
        self.transform = transform

    @classmethod
    def from_dataframe(
        cls,
        frame: Any,
        *,
        target: str,
        features: Sequence[str] | None = None,
        group: str | None = None,
        noise_variance: str | None = None,
        protocol: str | None = None,
        censored: str | None = None,
        y_upper: str | None = None,
        units: Mapping[str, str] | None = None,
        transform: AbstractTransform | None = None,
    ) -> "Dataset":
        """Make a dataset from named columns of a table.

        Args:
            frame: pandas table, or any object with `columns` and `frame[name]`.
            target, group, noise_variance, protocol, censored, y_upper: column names; see
                `Dataset` for their content.
            features: column names; default all columns that are not named above.
            units: unit of each column that has one, including the target.
            transform: scale on which the target has constant noise.

        Raises:
            DataError: the table lacks a named column; the message lists its columns.
        """
        optional = {
            "groups": group,
            "noise_variance": noise_variance,
            "protocol": protocol,
            "censored": censored,
            "y_upper": y_upper,
        }
        units = {} if units is None else units
        special = [target, *optional.values()]
        columns = list(frame.columns)
        features = (
            [c for c in columns if c not in special] if features is None else features
        )
        named = (*features, *special, *units)
        missing = [c for c in named if c is not None and c not in columns]
        if missing:
            raise DataError(f"no column {missing[0]!r}; the table has {columns}")
        if len(features) == 0:
            raise DataError(
                f"expected at least one feature column; the table has only {columns}"
            )
        stack = np.stack(
            [_validation.numbers(c, frame[c].to_numpy()) for c in features], axis=1
        )
        return cls(
            stack,
            _validation.numbers(target, frame[target].to_numpy()),
            feature_names=[str(c) for c in features],
            feature_units=[units.get(c, "") for c in features],
            target_name=str(target),
            target_unit=units.get(target, ""),
            transform=transform,
            **{
                field: None if column is None else frame[column].to_numpy()
                for field, column in optional.items()
            },
        )

    @property
    def num_rows(self) -> int:
        """Number of rows, including padding."""
        return self.x.shape[0]

    @property
    def num_features(self) -> int:
        """Number of features, the columns of `x`."""
        return self.x.shape[1]

    def take(self, indices: ArrayLike | slice) -> "Dataset":
        """Select rows by indices, a slice or a mask.

        Raises:
            IndexError: an index is out of bounds.
        """
        # NumPy, because JAX would compile a program for every new number of rows, and
        # would replace an index that is out of bounds by the last row.
        rows = indices if isinstance(indices, slice) else np.asarray(indices)
        return jax.tree.map(lambda leaf: on_device(np.asarray(leaf)[rows]), self)

    def padded(self, length: int | None = None) -> "Dataset":
        """Append masked rows up to `length`; default the next size of `bucket`.

        Datasets of similar size then share compiled programs.
        """
        length = bucket(self.num_rows) if length is None else length
        padded = jax.tree.map(lambda leaf: pad_rows(leaf, length), self)
        mask = np.arange(length) < self.num_rows
        mask = on_device(np.asarray(padded.mask) & mask)
        return eqx.tree_at(lambda data: data.mask, padded, mask)

    def append(self, other: "Dataset") -> "Dataset":
        """Rows of this dataset followed by those of `other`; groups are matched by name.

        Raises:
            DataError: features, target or transform differ, or only one of the two has
                `noise_variance`, `protocol`, `y_upper` or `groups`.
        """
        for field in (
            "feature_names",
            "feature_units",
            "target_name",
            "target_unit",
            "transform",
        ):
            first, second = getattr(self, field), getattr(other, field)
            if first != second:
                raise DataError(
                    f"cannot append: {field} is {first!r} in the first dataset and "
                    f"{second!r} in the second"
                )
        optional = {}
        for field in ("noise_variance", "protocol", "y_upper"):
            first, second = getattr(self, field), getattr(other, field)
            if (first is None) != (second is None):
                raise DataError(f"cannot append: only one dataset has {field}")
            optional[field] = None if first is None else np.concatenate([first, second])
        if (self.groups is None) != (other.groups is None):
            raise DataError("cannot append: only one dataset has groups")
        groups = (self.group_labels or []) + (other.group_labels or []) or None
        together = type(self)(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
            groups=groups,
            censored=np.concatenate([self.censored, other.censored]),
            feature_names=self.feature_names,
            feature_units=self.feature_units,
            target_name=self.target_name,
            target_unit=self.target_unit,
            transform=self.transform,
            **optional,
        )
        # Padded rows remain masked.
        mask = on_device(np.concatenate([self.mask, other.mask]))
        together = eqx.tree_at(lambda data: data.mask, together, mask)
        return _with_group_order(together, self.group_names)

    def without(self, *fields: str) -> "Dataset":
        """The same rows without some optional fields, for a model that cannot use them.

        Args:
            fields: "groups", "noise_variance" or "protocol". Censored labels cannot be
                dropped: as exact labels they would bias every model.

        Raises:
            DataError: a field is not one of these.

        Example:
            >>> data = Dataset([1.0, 2.0], [3.0, 4.0], groups=["A", "B"])
            >>> data.without("groups").groups is None
            True
        """
        for field in fields:
            if field not in _REMOVABLE:
                raise DataError(f"without takes {', '.join(_REMOVABLE)}; got {field!r}")
        changes = dict.fromkeys(fields)
        if "groups" in fields:
            changes["group_names"] = ()
        return replace(self, **changes)

    @property
    def group_labels(self) -> list[Any] | None:
        """Group name of each row; None without groups."""
        if self.groups is None:
            return None
        return [self.group_names[code] for code in np.asarray(self.groups)]


_REMOVABLE = ("groups", "noise_variance", "protocol")


def _with_group_order(dataset, first_names):
    """The dataset with the groups `first_names` numbered first, in that order.

    A posterior refers to groups by their number, which must not change with new rows.
    """
    if dataset.groups is None:
        return dataset
    new = [name for name in dataset.group_names if name not in first_names]
    names = (*first_names, *new)
    numbers = np.array([names.index(name) for name in dataset.group_names], np.int32)
    groups = on_device(numbers[np.asarray(dataset.groups)])
    return replace(dataset, groups=groups, group_names=names)
