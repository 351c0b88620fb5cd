"""Apply a function to many rows, on CPU in blocks that fit into the cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from battprob._typing import Array

_BLOCK_SIZE = 128


def map_in_blocks(function: Callable[..., Any], *arrays: Array) -> Any:
    """`jax.vmap(function)` over the leading axis, evaluated block by block on CPU.

    The rows of a block are equally spaced over the axis, so that every block of an axis
    sharded over devices contains rows of every device. On a GPU all rows are evaluated
    at once, which is faster there.
    """
    batched = jax.vmap(function)
    rows = len(arrays[0])
    if rows <= _BLOCK_SIZE or jax.default_backend() != "cpu":
        return batched(*arrays)
    num_blocks = -(-rows // _BLOCK_SIZE)
    width = -(-rows // num_blocks)

    def split(array):
        padding = [(0, width * num_blocks - rows)] + [(0, 0)] * (array.ndim - 1)
        padded = jnp.pad(array, padding, mode="edge")
        blocks = padded.reshape(width, num_blocks, *array.shape[1:])
        return jnp.swapaxes(blocks, 0, 1)

    def join(array):
        joined = jnp.swapaxes(array, 0, 1)
        return joined.reshape(width * num_blocks, *array.shape[2:])[:rows]

    results = jax.lax.map(lambda block: batched(*block), tuple(map(split, arrays)))
    return jax.tree.map(join, results)
