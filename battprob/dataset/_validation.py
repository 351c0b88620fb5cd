"""Validation of the columns of a dataset; every error names the column and the rows."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._padding import on_device
from battprob._typing import Array, ArrayLike

EXACT, LOWER_BOUND, UPPER_BOUND = 0, 1, -1
UNKNOWN = -1
_MISSING = ("None", "nan", "<NA>", "NaT")


def numbers(name: str, values: ArrayLike) -> np.ndarray:
    """Array of floats in the default precision of JAX; text, dates, complex are refused."""
    try:
        array = np.asarray(values)
        # Tables store numbers with missing values as objects.
        if array.dtype.kind in "fiubO":
            return array.astype(float).astype(jnp.result_type(float))
        problem = f"got {array.dtype}"
    except (TypeError, ValueError) as error:
        problem = error
    raise DataError(
        f"{name} must be numeric: {problem}. Encode categories first, for "
        "example as one column of 0 and 1 for each category"
    )


def column(name: str, values: ArrayLike, n: int) -> np.ndarray:
    """One number for each row."""
    array = numbers(name, values)
    if array.shape != (n,):
        raise DataError(
            f"{name} must have one value for each row, shape ({n},); got {array.shape}"
        )
    return array


def require_finite(table: np.ndarray, names: Sequence[str]) -> None:
    """Refuse NaN and infinity in any of the named columns."""
    bad = ~np.isfinite(table)
    if not bad.any():
        return
    column = int(np.flatnonzero(bad.any(axis=0))[0])
    raise DataError(
        f"column {names[column]!r} is not finite in rows {_rows(bad[:, column])} (counting "
        "from 0): drop these rows, or impute the values if you know why they are missing"
    )


def require_domain(y: np.ndarray, transform: Any, name: str) -> None:
    """Refuse targets outside the domain of the transform."""
    with np.errstate(all="ignore"):
        bad = ~np.isfinite(np.asarray(_inverse(transform, on_device(y))))
    if bad.any():
        raise DataError(
            f"target {name!r} is outside the domain of {type(transform).__name__} in rows "
            f"{_rows(bad)} (counting from 0): {y[bad][:3]}"
        )


@eqx.filter_jit
def _inverse(transform, y):
    return transform.inverse(y)


def _require_rows(good, rule):
    if not good.all():
        raise DataError(f"{rule}; wrong in rows {_rows(~good)} (counting from 0)")


def _rows(flags, most=8):
    rows = [str(r) for r in np.flatnonzero(flags)]
    return ", ".join(rows[:most]) + (
        f" and {len(rows) - most} more" if len(rows) > most else ""
    )


def noise_variance(values: ArrayLike | None, n: int) -> Array | None:
    """One variance for each row: finite and not negative."""
    if values is None:
        return None
    array = column("noise_variance", values, n)
    good = np.isfinite(array) & (array >= 0)
    _require_rows(good, "noise_variance must be finite and not negative")
    return on_device(array)


def protocol(values: ArrayLike | None, n: int) -> Array | None:
    """Integers from 0, or `UNKNOWN`."""
    if values is None:
        return None
    array = column("protocol", values, n)
    good = np.isfinite(array) & (array == np.round(array)) & (array >= UNKNOWN)
    _require_rows(good, "protocol must be an integer from 0, or -1 where unknown")
    return on_device(array.astype(np.int32))


def censored(values: ArrayLike | None, n: int) -> Array:
    """`EXACT`, `LOWER_BOUND` or `UPPER_BOUND` for every row."""
    array = column("censored", np.zeros(n) if values is None else values, n)
    good = np.isin(array, (EXACT, LOWER_BOUND, UPPER_BOUND))
    _require_rows(
        good, "censored must be 0 (exact), 1 (lower bound) or -1 (upper bound)"
    )
    return on_device(array.astype(np.int32))


def upper_end(values: ArrayLike | None, y: np.ndarray, n: int) -> Array | None:
    """Upper ends of the intervals that start at `y`."""
    if values is None:
        return None
    array = column("y_upper", values, n)
    _require_rows(array >= y, "y_upper must not be less than y")
    return on_device(array)


def encode_groups(
    groups: ArrayLike | None, n: int
) -> tuple[Array | None, tuple[Any, ...]]:
    """Codes from 0, and the group names in sorted order."""
    if groups is None:
        return None, ()
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise DataError(
            f"groups must have one name for each row, shape ({n},); got {labels.shape}"
        )
    named = ~np.isin(labels.astype(str), _MISSING)
    _require_rows(named, "every row must have a group name")
    names, codes = np.unique(labels, return_inverse=True)
    return on_device(codes.astype(np.int32)), tuple(names.tolist())
