"""Array sizes for data that grow: one compiled program serves a whole bucket."""

import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Numeric

_SMALLEST = 8
_DOUBLING_UP_TO = 128
_STEP = 64


def bucket(size: int) -> int:
    """The padded length for `size` rows: powers of two to 128, then multiples of 64.

    Example:
        >>> [bucket(n) for n in (1, 9, 41, 128, 129)]
        [8, 16, 64, 128, 192]
    """
    if size <= _DOUBLING_UP_TO:
        return max(_SMALLEST, 1 << (size - 1).bit_length())
    return -(-size // _STEP) * _STEP


def pad_rows(array: Numeric, length: int) -> Array:
    """Lengthen the first axis to `length` by repeating the last row.

    Repeated rows (not zeros) keep every padded value inside the data's range, so that
    what is computed there and thrown away can neither overflow nor divide by zero. Done
    in NumPy: in JAX every new length would be a program to compile.
    """
    widths = [(0, length - array.shape[0])] + [(0, 0)] * (array.ndim - 1)
    return on_device(np.pad(np.asarray(array), widths, "edge"))


def on_device(array: np.ndarray) -> Array:
    """The same numbers as a JAX array.

    With the dtype said, JAX compiles no copying program for each new shape.
    """
    return jnp.asarray(array, array.dtype)
