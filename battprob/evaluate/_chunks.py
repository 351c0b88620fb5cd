"""Evaluates functions of many predictions in slices, so that memory stays bounded."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob.predictive import Predictive

# Numbers per field in one slice: 4096 doubles are 32 kB, so that the few fields and
# temporary arrays of a score fit into the cache of one core.
_NUMBERS_PER_SLICE = 2**12


@eqx.filter_jit
def in_chunks(function, pred: Predictive, rows=(), constants=()):
    """Return `function(pred, *rows, *constants)`, computed slice by slice.

    Temporary memory depends on the size of a slice, not on the number of predictions.

    Args:
        function: returns arrays of the shape of its predictive.
        pred: predictions.
        rows: arrays of the shape of `pred`; they are sliced like it.
        constants: arrays that each call gets whole.
    """
    num, per_row = math.prod(pred.shape), math.prod(pred.location.shape[:2])
    size = max(1, _NUMBERS_PER_SLICE // per_row)
    if num <= size:
        return function(pred, *rows, *constants)
    fields, static = eqx.partition(pred, eqx.is_array)
    columns = [jnp.reshape(row, (num,)) for row in rows]
    flat = jax.tree.map(lambda a: a.reshape(*a.shape[:2], num), fields)

    def evaluate_slice(start):
        def cut(a):
            return jax.lax.dynamic_slice_in_dim(a, start, size, axis=a.ndim - 1)

        part = eqx.combine(jax.tree.map(cut, flat), static)
        return function(part, *map(cut, columns), *constants)

    # All slices need the same shape. The last one therefore starts early and overlaps the
    # one before it; only its last `remaining` entries are new.
    starts = jnp.minimum(jnp.arange(0, num, size), num - size)
    remaining = num - size * (len(starts) - 1)

    def joined(parts):
        whole = jnp.concatenate([parts[:-1].ravel(), parts[-1, size - remaining :]])
        return whole.reshape(pred.shape)

    return jax.tree.map(joined, jax.lax.map(evaluate_slice, starts))
