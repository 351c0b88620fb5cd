"""The best row of a space under an acquisition: climbs from many starts, or a whole table.

Every search is one compiled program per bucket of the posterior's rows: the acquisition
at evenly spread rows, and a batched BFGS from the best of each share of them. Whole
numbers and categories stay as they are in a climb; a second round starts at neighbours
of where the first one ended.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._numerics.bfgs import minimise
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, Float, PRNGKey
from battprob.design._posterior_view import lean
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.space import Space


def starting_rows(
    space: Space, good: Float[np.ndarray, "g d"], *, key: PRNGKey
) -> Float[np.ndarray, "r d"]:
    """Rows to start from: spread over the space, and a quarter of them near good ones."""
    key_even, key_near = jax.random.split(key)
    near = _NUM_ROWS // 4 if len(good) else 0
    even = space.sample(_NUM_ROWS - near, key=key_even)
    if space.candidates is not None or near == 0:
        return even
    return np.concatenate([space.near(good, near, key=key_near), even])


def best_row(
    acquisition: AbstractAcquisition,
    posterior: Any,
    space: Space,
    rows: Float[np.ndarray, "r d"],
    *,
    excluded: Float[np.ndarray, "e d"] | None = None,
) -> tuple[Float[np.ndarray, " d"], float]:
    """The row that `acquisition`, prepared, values most, and its value.

    Args:
        acquisition: with all that depends on the data filled in.
        posterior: what is believed.
        space: a list of candidates is scored as a whole, others are climbed in.
        rows: where climbs may start: of `starting_rows`.
        excluded: candidates that are not to be chosen.

    Raises:
        DataError: all candidates are excluded.
    """
    posterior = lean(posterior)
    if space.candidate_rows is not None:
        return _best_candidate(acquisition, posterior, space.candidate_rows, excluded)
    search = (acquisition, posterior, space.shape, jnp.asarray(space.continuous))
    ends, values = _climbs(*search, jnp.asarray(rows))
    around = _neighbours(space, np.asarray(ends)[np.argsort(-np.asarray(values))])
    if len(around):
        again, others = _climbs(*search, jnp.asarray(np.resize(around, rows.shape)))
        ends, values = jnp.concatenate([ends, again]), jnp.concatenate([values, others])
    ends, values = np.asarray(ends), np.asarray(values)
    best = int(np.nanargmax(values))
    return ends[best], float(values[best])


def scores(
    acquisition: AbstractAcquisition, posterior: Any, rows: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """Value of every row, a chunk at a time, so that a million fit into memory."""
    chunk = min(_CHUNK, bucket(len(rows)))
    length = -(-len(rows) // chunk) * chunk
    chunks = pad_rows(jnp.asarray(rows), length).reshape(-1, chunk, rows.shape[1])
    values = _scores(acquisition, lean(posterior), chunks)
    return np.asarray(values).ravel()[: len(rows)]


def _best_candidate(acquisition, posterior, candidates, excluded):
    values = scores(acquisition, posterior, candidates)
    values = np.where(np.isnan(values), -np.inf, values)
    if excluded is not None and len(excluded):
        gone = set(map(tuple, excluded.tolist()))
        left = np.array([tuple(row) not in gone for row in candidates.tolist()])
        if not left.any():
            raise DataError("all candidates have been tested")
        values = np.where(left, values, -np.inf)
    best = int(np.argmax(values))
    return candidates[best], float(values[best])


@eqx.filter_jit
def _scores(acquisition, posterior, chunks):
    return jax.lax.map(lambda rows: acquisition.values(posterior, rows), chunks)


@eqx.filter_jit
def _climbs(
    acquisition: AbstractAcquisition,
    posterior: Any,
    shape: Any,
    columns: Array,
    rows: Float[Array, "r d"],
) -> tuple[Float[Array, "c d"], Float[Array, " c"]]:
    """Where climbs end that start at the best row of each share, and the values there."""
    values = acquisition.values(posterior, rows)
    values = jnp.where(jnp.isnan(values), -jnp.inf, values).reshape(_NUM_CLIMBS, -1)
    shares = rows.reshape(_NUM_CLIMBS, -1, rows.shape[1])
    starts = jax.vmap(lambda own, value: own[jnp.argmax(value)])(shares, values)
    # Values may have the unit of the target, or its square, or fall to minus infinity.
    unit = jnp.max(values) - jnp.quantile(values, 0.9)
    unit = jnp.where(jnp.isfinite(unit) & (unit > 0), unit, 1.0)

    def climb(start):
        def row(free):
            return start.at[columns].set(shape.point(_STEP * free))

        def loss(free):
            return -acquisition.values(posterior, row(free)[None])[0] / unit

        end = minimise(loss, shape.free(start[columns]) / _STEP, max_steps=_MAX_STEPS)
        return row(end.x), -end.value * unit

    ends, found = jax.vmap(climb)(starts)
    return ends, found


def _neighbours(space, ends):
    """Rows one step from the best ends in a category or a whole number."""
    near = [space.neighbours(end) for end in ends[:_NUM_POLISHED]]
    return np.unique(np.concatenate(near), axis=0)


_NUM_ROWS = 1024
_NUM_CLIMBS = 8  # a divisor of the rows
_NUM_POLISHED = 3
_MAX_STEPS = 100
_STEP = 0.1  # of the range: the longest first step is twice that
_CHUNK = 4096
