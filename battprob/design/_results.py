"""Checks of the results that are added to a campaign."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.transforms import AbstractTransform


def one_per_test(values: ArrayLike, ids: Sequence[int], name: str) -> list[float]:
    """One number for each test; a single number is accepted for a single test."""
    array = np.asarray(values, float)
    array = array[None] if array.ndim == 0 else array
    if array.shape != (len(ids),):
        raise DataError(
            f"{name} must have one number for each of {len(ids)} tests; got shape "
            f"{array.shape}"
        )
    return array.tolist()


def require_unit(unit: str | None, expected: str, target: str) -> None:
    """Refuse results in another unit than that of the campaign."""
    if unit is not None and unit != expected:
        raise DataError(
            f"{target} of this campaign is in {expected or 'no unit'}; got "
            f"{unit or 'no unit'}: convert the results"
        )


def require_domain(y: float, number: int, transform: AbstractTransform) -> None:
    """Refuse a result for which the transform is not defined."""
    z = float(transform.inverse(jnp.asarray(y)))
    if np.isfinite(y) and not np.isfinite(z):
        raise DataError(
            f"y of test {number} is {y:g}, outside of the domain of the campaign's "
            f"transform {type(transform).__name__}"
        )
