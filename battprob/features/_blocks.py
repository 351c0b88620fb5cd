"""Many rows in blocks that fit the cache, where all at once would wait for memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from battprob._typing import Array

_AT_ONCE = 128


def in_blocks(one: Callable[..., Any], *arrays: Array) -> Any:
    """`vmap` over the leading axis, a block of rows after the other on a CPU.

    A block takes rows that lie evenly spread, so that an axis shared out over devices stays
    so. A GPU wants all rows at once.
    """
    many = jax.vmap(one)
    rows = len(arrays[0])
    if rows <= _AT_ONCE or jax.default_backend() != "cpu":
        return many(*arrays)
    blocks = -(-rows // _AT_ONCE)
    width = -(-rows // blocks)

    def split(array):
        rest = [(0, 0)] * (array.ndim - 1)
        padded = jnp.pad(array, [(0, width * blocks - rows), *rest], mode="edge")
        return jnp.swapaxes(padded.reshape(width, blocks, *array.shape[1:]), 0, 1)

    def join(array):
        joined = jnp.swapaxes(array, 0, 1)
        return joined.reshape(width * blocks, *array.shape[2:])[:rows]

    found = jax.lax.map(lambda block: many(*block), tuple(map(split, arrays)))
    return jax.tree.map(join, found)
