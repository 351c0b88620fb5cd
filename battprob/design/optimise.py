"""Maximise an acquisition over a space: multi-start optimisation, or a full table.

In a continuous space, the acquisition is evaluated at 1024 rows that cover the space,
and a batched BFGS starts from the best row of each of eight groups of them. Integers and
categories are constant during an optimisation; a second round starts at the neighbours
of the best results of the first. Each round is one compiled program for each bucket of
the posterior's rows.
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
from battprob.design._posterior_view import for_prediction
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.space import Space


def starting_rows(
    space: Space, good: Float[np.ndarray, "g d"], *, key: PRNGKey
) -> Float[np.ndarray, "r d"]:
    """Rows that cover the space; a quarter of them near the rows `good`."""
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
    """The row with the largest value of a prepared acquisition, and this value.

    Args:
        acquisition: result of `prepare`.
        posterior: posterior of the target.
        space: with a list of candidates, all of them are evaluated.
        rows: result of `starting_rows`.
        excluded: candidates that must not be chosen.

    Raises:
        DataError: all candidates are excluded.
    """
    posterior = for_prediction(posterior)
    if space.candidate_rows is not None:
        return _best_candidate(acquisition, posterior, space.candidate_rows, excluded)
    problem = (acquisition, posterior, space.feasible, jnp.asarray(space.continuous))
    ends, values = _optimise(*problem, jnp.asarray(rows))
    around = _neighbours(space, np.asarray(ends)[np.argsort(-np.asarray(values))])
    if len(around):
        # Repeated to the number of `rows`, so that the second round reuses the program.
        again = np.resize(around, rows.shape)
        more_ends, more_values = _optimise(*problem, jnp.asarray(again))
        ends = jnp.concatenate([ends, more_ends])
        values = jnp.concatenate([values, more_values])
    ends, values = np.asarray(ends), np.asarray(values)
    best = int(np.nanargmax(values))
    return ends[best], float(values[best])


def scores(
    acquisition: AbstractAcquisition, posterior: Any, rows: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """Value of each row, computed in chunks, so that a million rows fit into memory."""
    chunk = min(_CHUNK, bucket(len(rows)))
    length = -(-len(rows) // chunk) * chunk
    chunks = pad_rows(jnp.asarray(rows), length).reshape(-1, chunk, rows.shape[1])
    values = _scores(acquisition, for_prediction(posterior), chunks)
    return np.asarray(values).ravel()[: len(rows)]


def _best_candidate(acquisition, posterior, candidates, excluded):
    values = scores(acquisition, posterior, candidates)
    values = np.where(np.isnan(values), -np.inf, values)
    if excluded is not None and len(excluded):
        tested = set(map(tuple, excluded.tolist()))
        allowed = np.array([tuple(row) not in tested for row in candidates.tolist()])
        if not allowed.any():
            raise DataError(
                f"all {len(candidates)} candidates have been tested: add candidates, or "
                "allow repetitions with Space(..., repeats=True)"
            )
        values = np.where(allowed, values, -np.inf)
    best = int(np.argmax(values))
    return candidates[best], float(values[best])


@eqx.filter_jit
def _scores(acquisition, posterior, chunks):
    return jax.lax.map(lambda rows: acquisition.values(posterior, rows), chunks)


@eqx.filter_jit
def _optimise(
    acquisition: AbstractAcquisition,
    posterior: Any,
    feasible: Any,
    columns: Array,
    rows: Float[Array, "r d"],
) -> tuple[Float[Array, "c d"], Float[Array, " c"]]:
    """Results of optimisations from the best row of each group, and their values."""
    values = acquisition.values(posterior, rows)
    values = jnp.where(jnp.isnan(values), -jnp.inf, values).reshape(_NUM_STARTS, -1)
    groups = rows.reshape(_NUM_STARTS, -1, rows.shape[1])
    starts = jax.vmap(lambda group, value: group[jnp.argmax(value)])(groups, values)
    # The loss must be of order one for the tolerances of BFGS, but acquisitions have the
    # unit of the target, or its square. The largest values set the unit: small ones may
    # be minus infinity.
    unit = jnp.max(values) - jnp.quantile(values, 0.9)
    unit = jnp.where(jnp.isfinite(unit) & (unit > 0), unit, 1.0)

    def optimise(start):
        def row(free):
            return start.at[columns].set(feasible.from_unconstrained(_STEP * free))

        def loss(free):
            return -acquisition.values(posterior, row(free)[None])[0] / unit

        free = feasible.to_unconstrained(start[columns]) / _STEP
        end = minimise(loss, free, max_steps=_MAX_STEPS)
        return row(end.x), -end.value * unit

    return jax.vmap(optimise)(starts)


def _neighbours(space, ends):
    """Rows that differ from the best ends in one category or by one in an integer."""
    near = [space.neighbours(end) for end in ends[:_NUM_POLISHED]]
    return np.unique(np.concatenate(near), axis=0)


_NUM_ROWS = 1024
_NUM_STARTS = 8  # must divide _NUM_ROWS
_NUM_POLISHED = 3
_MAX_STEPS = 100
_STEP = 0.1  # of the range: the first step of BFGS is at most twice that
_CHUNK = 4096
