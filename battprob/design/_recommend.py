"""Choice of the next rows, and of the recommended row, given a posterior."""

from typing import Any

import jax
import numpy as np

from battprob._typing import Float, PRNGKey
from battprob.design._posterior_view import observed_rows
from battprob.design.acquisition import AbstractAcquisition
from battprob.design.batch import greedy
from battprob.design.confidence import UCB
from battprob.design.improvement import mean_at
from battprob.design.optimise import best_row, starting_rows
from battprob.design.space import Space


def choose(
    acquisition: AbstractAcquisition,
    posterior: Any,
    space: Space,
    *,
    num: int,
    key: PRNGKey,
    pending: Float[np.ndarray, "p d"],
    excluded: Float[np.ndarray, "e d"] | None = None,
) -> tuple[Float[np.ndarray, "num d"], list[float]]:
    """A greedy batch of `num` rows, and the acquisition value of each.

    Args:
        acquisition: acquisition that is not prepared yet.
        posterior: posterior of the target.
        space: space of the rows.
        num: number of rows.
        key: PRNG key.
        pending: rows of tests without a result; none if it is empty.
        excluded: candidates that must not be chosen.
    """
    key_start, key_reference, key_batch = jax.random.split(key, 3)
    rows = starting_rows(space, _best_observed(posterior), key=key_start)
    reference = space.sample(_NUM_REFERENCE, key=key_reference)
    chosen, values = [], []

    def best(ready):
        taken = None if excluded is None else np.concatenate([excluded, *chosen])
        row, value = best_row(ready, posterior, space, rows, excluded=taken)
        chosen.append(row[None])
        values.append(value)
        return row

    batch = greedy(
        acquisition,
        posterior,
        reference,
        best,
        key=key_batch,
        num=num,
        pending=pending if len(pending) else None,
    )
    return batch, values


def recommend(
    acquisition: AbstractAcquisition | None,
    posterior: Any,
    space: Space,
    *,
    key: PRNGKey,
) -> tuple[Float[np.ndarray, " d"], float]:
    """The row with the largest value, by default of the posterior mean, and this value.

    Pending tests are ignored: it is the best row by what is known now.
    """
    key_start, key_reference, key_prepare = jax.random.split(key, 3)
    good = _best_observed(posterior)
    rows = starting_rows(space, good, key=key_start)
    # Without these, an observed row could only be recommended approximately.
    rows[: len(good)] = good
    acquisition = UCB(0.0) if acquisition is None else acquisition
    reference = space.sample(_NUM_REFERENCE, key=key_reference)
    ready = acquisition.prepare(posterior, reference, key=key_prepare)
    return best_row(ready, posterior, space, rows)


def _best_observed(posterior):
    """The observed rows with the largest posterior means."""
    rows = observed_rows(posterior)
    order = np.argsort(-np.asarray(mean_at(posterior, rows)))
    return rows[order[:_NUM_GOOD]]


_NUM_REFERENCE = 256
_NUM_GOOD = 5
