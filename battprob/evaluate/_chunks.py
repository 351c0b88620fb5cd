"""Functions of many predictions, a slice of the rows at a time."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob.predictive import Predictive

# Of each field in a slice: a few times this fits in a core's own cache.
_NUMBERS = 2**12


@eqx.filter_jit
def in_chunks(function, pred: Predictive, rows=(), constants=()):
    """`function(pred, *rows, *constants)`, whose memory no longer grows with the rows.

    Args:
        function: answers arrays of the shape of its predictive.
        pred: predictions.
        rows: arrays of the shape of `pred`, sliced with it.
        constants: arrays passed on whole.
    """
    num, per_row = math.prod(pred.shape), math.prod(pred.location.shape[:2])
    size = max(1, _NUMBERS // per_row)
    if num <= size:
        return function(pred, *rows, *constants)
    fields, rest = eqx.partition(pred, eqx.is_array)
    columns = [jnp.reshape(row, (num,)) for row in rows]
    flat = jax.tree.map(lambda a: a.reshape(*a.shape[:2], num), fields)

    def one(start):
        def cut(a):
            return jax.lax.dynamic_slice_in_dim(a, start, size, axis=a.ndim - 1)

        part = eqx.combine(jax.tree.map(cut, flat), rest)
        return function(part, *map(cut, columns), *constants)

    # The last slice begins early to be whole; only its end is new.
    starts = jnp.minimum(jnp.arange(0, num, size), num - size)
    left = num - size * (len(starts) - 1)

    def joined(parts):
        whole = jnp.concatenate([parts[:-1].ravel(), parts[-1, size - left :]])
        return whole.reshape(pred.shape)

    return jax.tree.map(joined, jax.lax.map(one, starts))
