"""Which columns of the feature matrix a kernel, noise model or gate uses."""

from collections.abc import Sequence

import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float


def resolve_columns(
    features: Sequence[str | int] | None, feature_names: Sequence[str]
) -> tuple[int, ...]:
    """Column indices of the chosen features.

    Args:
        features: names or column indices (counted from 0); None chooses all.
        feature_names: names of all columns, in order.

    Raises:
        DataError: a name or index is not in the dataset (the message lists the names), a
            feature is chosen twice, or `features` is a single name instead of a list.

    Example:
        >>> resolve_columns(["temperature_c"], ["rate", "temperature_c"])
        (1,)
    """
    names = list(feature_names)
    if features is None:
        return tuple(range(len(names)))
    if isinstance(features, str):
        raise DataError(
            f"features must be a list; got {features!r}: use [{features!r}]"
        )
    columns = tuple(_index(feature, names) for feature in features)
    twice = [names[c] for c in columns if columns.count(c) > 1]
    if twice:
        raise DataError(
            f"features lists {twice[0]!r} more than once: {list(features)}; list every "
            "feature once"
        )
    return columns


def _index(feature, names):
    if feature in names:
        return names.index(feature)
    # True and False are integers in Python, but a mask is not a list of indices.
    is_index = isinstance(feature, int | np.integer) and not isinstance(feature, bool)
    if not is_index or feature not in range(len(names)):
        raise DataError(f"no feature {feature!r}; the dataset has {names}")
    return int(feature)


def select_columns(
    x: Float[Array, "*b d"], columns: tuple[int, ...] | None
) -> Float[Array, "*b c"]:
    """The columns of `x` with these indices; None selects all."""
    return x if columns is None else x[..., list(columns)]
