"""`Target`: the target value of each cell, with its variance and censoring."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.transforms import AbstractTransform, Identity


class Target(eqx.Module):
    """Target value of each cell, with the variance of its error and its censoring.

    Args:
        value: target values [n], in `unit`.
        rows: name of the cell of each value.
        name: name of the target.
        unit: unit of the target.
        variance: variance of the measurement error of each value [n], on the scale of
            `transform`; None: unknown.
        censored: 0 or False for an exact value, 1 or True for a lower bound, -1 for an
            upper bound; default: all exact.
        transform: scale on which models predict the target; default: `Identity`.

    Raises:
        DataError: the lengths differ.

    Example:
        >>> target = Target([420.0, 910.0], rows=["a", "b"], name="life", unit="cycles")
        >>> target.value.shape, target.censored.tolist()
        ((2,), [0, 0])
    """

    value: Float[Array, " n"]
    variance: Float[Array, " n"] | None
    censored: Int[Array, " n"]
    rows: tuple[str, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    transform: AbstractTransform = eqx.field(static=True)

    def __init__(
        self,
        value: ArrayLike | Sequence,
        *,
        rows: Sequence[str],
        name: str,
        unit: str,
        variance: ArrayLike | Sequence | None = None,
        censored: ArrayLike | Sequence | None = None,
        transform: AbstractTransform | None = None,
    ):
        dtype = jnp.result_type(float)
        censored = np.zeros(len(rows), int) if censored is None else censored
        self.value = jnp.asarray(value, dtype)
        self.variance = None if variance is None else jnp.asarray(variance, dtype)
        self.censored = jnp.asarray(censored, jnp.int32)
        self.rows, self.name, self.unit = tuple(rows), name, unit
        self.transform = Identity() if transform is None else transform
        columns = {
            "value": self.value,
            "variance": self.variance,
            "censored": self.censored,
        }
        for column, array in columns.items():
            if array is not None and array.shape != (len(rows),):
                raise DataError(
                    f"target {name!r} has {len(rows)} rows, but {column} has shape "
                    f"{array.shape}; expected one value per row"
                )
