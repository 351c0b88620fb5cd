"""Fit of a mixture with a given number of protocols, and the order of its protocols."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._random import generator
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.models.mixture._bound import expert_functions, new_responsibilities
from battprob.models.mixture._em import best_initialisation, run_em
from battprob.models.mixture._laplace import laplace_draws
from battprob.models.mixture._parameters import (
    MixtureData,
    MixtureParameters,
    permuted,
)

# Initialisations are compared on a random subset of this many rows.
_PILOT_ROWS, _PILOT_ROWS_OF_PROCESSES = 192, 96


class MixtureFit(NamedTuple):
    """Fitted mixture with its protocols in their final order.

    Args:
        parameters: mode of the hyper-parameters.
        draws: draws of the hyper-parameters given the responsibilities.
        data: rows and known protocols.
        responsibilities: of the protocols for the training rows.
        free: indices of the free protocols, those without a labelled row.
        log_evidence: lower bound with the hyper-parameters integrated out by Laplace's
            approximation, summed over all orders of the free protocols.
        converged: whether EM converged.
        steps: number of EM steps.
    """

    parameters: MixtureParameters
    draws: MixtureParameters
    data: MixtureData
    responsibilities: Float[Array, "k n"]
    free: tuple[int, ...]
    log_evidence: float
    converged: bool
    steps: int


def fit_mixture(
    parameters: MixtureParameters,
    data: MixtureData,
    num_protocols: int,
    normals: Float[Array, "h p"],
    *,
    key: PRNGKey,
    num_starts: int,
) -> MixtureFit:
    """Fit a mixture of the first `num_protocols` protocols.

    Args:
        parameters: initial hyper-parameters.
        data: rows and known protocols.
        num_protocols: at most the length of the axis of protocols.
        normals: standard normal numbers for the draws of the hyper-parameters.
        key: PRNG key for the subset of rows and the initialisations.
        num_starts: number of initialisations.
    """
    active = np.arange(len(data.active)) < num_protocols
    data = data._replace(active=jnp.asarray(active, data.rows.y.dtype))
    key_pilot, key_starts = jax.random.split(key)
    max_rows = _PILOT_ROWS_OF_PROCESSES if parameters.is_process else _PILOT_ROWS
    pilot = _random_rows(data, max_rows, key_pilot)
    first = best_initialisation(
        parameters, data if pilot is None else pilot, key_starts, num_starts
    )
    start = first.responsibilities
    if pilot is not None:
        start = new_responsibilities(first.parameters, pilot, start, data)
    mode = run_em(first.parameters, data, start)
    draws, log_evidence = laplace_draws(
        mode.parameters, data, mode.responsibilities, normals
    )
    order, free = _order(mode, data, num_protocols)
    order = jnp.asarray(order, int)
    return MixtureFit(
        parameters=permuted(mode.parameters, order),
        draws=jax.vmap(lambda draw: permuted(draw, order))(draws),
        data=data._replace(active=data.active[order]),
        responsibilities=mode.responsibilities[order],
        free=free,
        # The posterior has a mode of the same mass for each order of the free protocols.
        log_evidence=float(log_evidence) + math.lgamma(len(free) + 1),
        converged=bool(mode.converged),
        steps=int(first.steps) + int(mode.steps),
    )


def _random_rows(data, max_rows, key):
    """`max_rows` rows chosen at random; None if there are no more than that."""
    real = np.flatnonzero(data.rows.mask)
    if len(real) <= max_rows:
        return None
    chosen = generator(key).choice(real, max_rows, replace=False)
    rows, labels = jax.tree.map(
        lambda column: jnp.asarray(np.asarray(column)[chosen]), (data.rows, data.labels)
    )
    return MixtureData(rows, labels, data.active)


def _order(mode, data, num) -> tuple[Int[np.ndarray, " k"], tuple[int, ...]]:
    """Order of the protocols, and the indices of the free ones.

    Labelled protocols keep their numbers. The free protocols take the remaining numbers in
    increasing order of the mean of their function over the training rows.
    """
    mean, _ = expert_functions(mode.parameters, data, mode.responsibilities)
    mean = np.asarray(mean)[:, np.asarray(data.rows.mask)].mean(1)
    labelled = np.unique(np.asarray(data.labels))
    free = np.setdiff1d(np.arange(num), labelled)
    order = np.arange(num)
    order[free] = free[np.argsort(mean[free], kind="stable")]
    return order, tuple(free.tolist())
