"""Padding of arrays to a few sizes, so that compiled programs are reused."""

from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Numeric

_SMALLEST = 8
_DOUBLING_UP_TO = 128
_STEP = 64

Tree = TypeVar("Tree")


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


@partial(jax.jit, static_argnums=1)
def first_rows(tree: Tree, count: int) -> Tree:
    """The first `count` rows of all arrays of a tree, without those of `pad_rows`."""
    # One program for all arrays: JAX would compile one for every shape.
    return jax.tree.map(lambda leaf: leaf[:count], tree)


@jax.jit
def one_row(tree: Tree, row: int | Array) -> Tree:
    """Row `row` of all arrays of a tree, as a batch of one."""
    return jax.tree.map(lambda leaf: leaf[row][None], tree)
