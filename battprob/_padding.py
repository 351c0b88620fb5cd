"""Padding of arrays to a few sizes, so that compiled programs are reused."""

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Numeric

_SMALLEST = 8
_DOUBLING_UP_TO = 128
_STEP = 64


def bucket(size: int) -> int:
    """Padded length for `size` rows: powers of two up to 128, then multiples of 64.

    Example:
        >>> [bucket(n) for n in (1, 9, 41, 128, 129)]
        [8, 16, 64, 128, 192]
    """
    if size <= _DOUBLING_UP_TO:
        return max(_SMALLEST, 1 << (size - 1).bit_length())
    return -(-size // _STEP) * _STEP


def pad_rows(array: Numeric, length: int) -> Array:
    """Extend the first axis to `length` by repeating the last row.

    Rows are repeated, not filled with zeros, so that padded values lie in the range of
    the data: results for them, which are discarded, neither overflow nor divide by zero.
    """
    # NumPy, because JAX would compile a program for every new length.
    widths = [(0, length - array.shape[0])] + [(0, 0)] * (array.ndim - 1)
    return on_device(np.pad(np.asarray(array), widths, "edge"))


def on_device(array: np.ndarray) -> Array:
    """Convert a NumPy array to a JAX array of the same dtype."""
    # With an explicit dtype JAX does not compile a copy for each new shape.
    return jnp.asarray(array, array.dtype)
