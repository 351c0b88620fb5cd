"""`Dataset`: a design matrix, its targets, and what is known of their errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np

from battprob._errors import DataError
from battprob._padding import bucket, on_device, pad_rows
from battprob._typing import Array, ArrayLike, Bool, Float, Int
from battprob.dataset import _validation
from battprob.dataset._validation import EXACT, LOWER_BOUND, UPPER_BOUND
from battprob.transforms import AbstractTransform, Identity

__all__ = ["EXACT", "LOWER_BOUND", "UPPER_BOUND", "Dataset"]


class Dataset(eqx.Module):
    """Rows of features and targets, validated when made.

    Args:
        x: features, one row a cell (or spectrum, or experiment); 1-D means one feature. A
            pandas-like table gives its column names to the features.
        y: targets, in their own unit.
        noise_variance: variance of each target's own measurement error, on the scale of
            `transform` (log units for `transforms.Log`): from replicates, or from the
            standard error of a label that was itself estimated. None: not measured.
        groups: batch of each row (names or numbers), rows that share what is unrecorded.
        protocol: protocol of each row as an integer; -1 where it is not known.
        censored: False or 0 where y is exact, True or 1 where it is a lower bound (the
            test was stopped), -1 where it is an upper bound.
        y_upper: upper end of rows known only to lie in [y, y_upper]; equal to y elsewhere.
        feature_names, feature_units, target_name, target_unit: for tables and plots.
        transform: scale on which targets vary evenly; `transforms.Log()` for lives.

    Raises:
        DataError: shapes disagree, a value is not finite, or a target lies outside the
            transform's domain; the message names the column and the rows.

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
                f"the names all different; got names {names} and units {units}"
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
        """Make a dataset from named columns of a pandas-like table.

        Args:
            frame: any table with `columns` and `frame[name]`.
            target, group, noise_variance, protocol, censored, y_upper: column names.
            features: column names; default every column not named above.
            units: unit of each column that has one, the target's included.

        Raises:
            DataError: a named column is not there; the message lists those that are.
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
        absent = [c for c in named if c is not None and c not in columns]
        if absent:
            raise DataError(f"no column {absent[0]!r}; the table has {columns}")
        if len(features) == 0:
            raise DataError(f"no feature column is left; the table has {columns}")
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
        """Length of the arrays; of a padded dataset, padding included."""
        return self.x.shape[0]

    @property
    def num_features(self) -> int:
        """Number of columns of x."""
        return self.x.shape[1]

    def take(self, indices: ArrayLike | slice) -> "Dataset":
        """The rows at `indices`, in that order.

        Raises:
            IndexError: there is no such row. (JAX would answer with the last one.)
        """
        # In NumPy: in JAX every new number of rows would be a program to compile.
        rows = indices if isinstance(indices, slice) else np.asarray(indices)
        return jax.tree.map(lambda leaf: on_device(np.asarray(leaf)[rows]), self)

    def padded(self, length: int | None = None) -> "Dataset":
        """The same rows and enough masked ones to fill `length` (default: the bucket)."""
        length = bucket(self.num_rows) if length is None else length
        padded = jax.tree.map(lambda leaf: pad_rows(leaf, length), self)
        mask = np.arange(length) < self.num_rows
        mask = on_device(np.asarray(padded.mask) & mask)
        return eqx.tree_at(lambda data: data.mask, padded, mask)

    def append(self, other: "Dataset") -> "Dataset":
        """Rows of this dataset, then rows of `other`, groups matched by name.

        Raises:
            DataError: features, target, transform or the known errors differ.
        """
        for field in (
            "feature_names",
            "feature_units",
            "target_name",
            "target_unit",
            "transform",
        ):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise DataError(
                    f"cannot append: {field} is {mine!r} here, {theirs!r} there"
                )
        optional = {}
        for field in ("noise_variance", "protocol", "y_upper"):
            mine, theirs = getattr(self, field), getattr(other, field)
            if (mine is None) != (theirs is None):
                raise DataError(f"cannot append: {field} is given on one side only")
            optional[field] = None if mine is None else np.concatenate([mine, theirs])
        if (self.groups is None) != (other.groups is None):
            raise DataError("cannot append: groups are given on one side only")
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
        # Padding stays padding.
        mask = on_device(np.concatenate([self.mask, other.mask]))
        return eqx.tree_at(lambda data: data.mask, together, mask)

    @property
    def group_labels(self) -> list[Any] | None:
        """Name of every row's group, or None."""
        if self.groups is None:
            return None
        return [self.group_names[code] for code in np.asarray(self.groups)]
