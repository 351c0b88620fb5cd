"""Greedy batches: each test is chosen with the ones before it as pending tests."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from battprob._typing import ArrayLike, Float, PRNGKey
from battprob.design._posterior_view import as_rows, with_pending
from battprob.design.acquisition import AbstractAcquisition


def greedy(
    acquisition: AbstractAcquisition,
    posterior: Any,
    reference: ArrayLike,
    maximise: Callable[[AbstractAcquisition], ArrayLike],
    *,
    key: PRNGKey,
    num: int,
    pending: ArrayLike | None = None,
) -> Float[np.ndarray, "num d"]:
    """A batch of `num` rows, chosen one after another.

    Each row is chosen with the rows before it, and all pending tests, as pending. For a
    submodular acquisition (an expected improvement, an information) the value of the
    batch is at least 63 % of that of the best batch (Wilson et al. 2018,
    arXiv:1805.10196, section 3).

    Args:
        acquisition: any acquisition; it is prepared here for each row.
        posterior: posterior of the target.
        reference: rows [r d] that cover the space evenly.
        maximise: function of a prepared acquisition that returns the row [d] with the
            largest value.
        key: PRNG key.
        num: number of rows.
        pending: rows [p d] of tests that have started but have no result yet.

    Example:
        >>> from battprob import Dataset
        >>> from battprob.design import UCB
        >>> from battprob.models import GaussianProcess
        >>> x, key = np.linspace(0, 1, 8)[:, None], jax.random.key(0)
        >>> posterior = GaussianProcess().fit(Dataset(x, np.sin(6 * x[:, 0])), key=key)
        >>> def best(acquisition):
        ...     return x[np.argmax(acquisition(posterior, x))]
        >>> greedy(UCB(), posterior, x, best, key=key, num=2).shape
        (2, 1)
    """
    chosen = as_rows(reference)[:0]
    for key_row in jax.random.split(key, num):
        together = with_pending(chosen, pending)
        ready = acquisition.prepare(posterior, reference, key=key_row, pending=together)
        chosen = np.concatenate([chosen, np.asarray(maximise(ready))[None]])
    return chosen
