"""Predictions for a known protocol, or for known probabilities of the protocols."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.dataset._validation import UNKNOWN
from battprob.predictive import Predictive

NEW = "new"
# Weights that users computed in float32 sum to one within this.
_SUM_TOLERANCE = 1e-4


def on_protocols(
    pred: Predictive, protocol: ArrayLike | str | None, weights: ArrayLike | None
) -> Predictive:
    """The predictive distribution of rows whose protocol, or its probability, is known.

    Args:
        pred: predictive distribution with a component for each protocol, then for a new
            one.
        protocol: number of the protocol, one for all rows or one per row (-1: unknown), or
            "new".
        weights: probability of each protocol, possibly followed by that of a new one.

    Raises:
        DataError: there is no such protocol, or both arguments are given.
    """
    if protocol is not None and weights is not None:
        raise DataError("give protocol or protocol_weights, not both")
    num_protocols = pred.location.shape[1] - 1
    if weights is not None:
        return pred.reweight(checked_weights(weights, num_protocols))
    component = _components(protocol, num_protocols, pred.shape[0])
    is_chosen = np.arange(num_protocols + 1)[:, None] == component[None]
    log_chosen = jnp.asarray(np.where(is_chosen, 0.0, -np.inf), pred.log_weight.dtype)
    log_draw_weight = logsumexp(pred.log_weight, axis=1, keepdims=True)
    is_known = jnp.asarray(component != UNKNOWN)[None, None]
    log_weight = jnp.where(
        is_known, log_draw_weight + log_chosen[None], pred.log_weight
    )
    return eqx.tree_at(lambda node: node.log_weight, pred, log_weight)


def checked_weights(weights: ArrayLike, num_protocols: int) -> np.ndarray:
    """Probabilities of the protocols and of a new one, which is zero if not given.

    Raises:
        DataError: wrong number of weights, a negative weight, or a sum that is not one.
    """
    array = np.asarray(weights, float)
    if array.shape not in ((num_protocols,), (num_protocols + 1,)):
        raise DataError(
            f"protocol_weights must have {num_protocols} numbers, or {num_protocols + 1} "
            f"with that of a new protocol last; got shape {array.shape}"
        )
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise DataError(
            f"protocol_weights must be finite and not negative; got {array}"
        )
    if abs(array.sum() - 1) > _SUM_TOLERANCE:
        raise DataError(
            f"protocol_weights must sum to 1; {array} sum to {array.sum():.4g}: divide "
            "them by their sum"
        )
    return np.append(array, 0.0) if len(array) == num_protocols else array


def _components(protocol, num_protocols, num_rows):
    """Index of the component of every row; -1 if the protocol is unknown."""
    if isinstance(protocol, str):
        if protocol != NEW:
            raise DataError(f'protocol must be a number or "new"; got {protocol!r}')
        return np.full(num_rows, num_protocols)
    codes = np.asarray(protocol)
    if codes.dtype.kind not in "iu" or codes.shape not in ((), (num_rows,)):
        raise DataError(
            f"protocol must be a whole number, or one for each of {num_rows} rows; got "
            f"{protocol!r}"
        )
    if np.any((codes < UNKNOWN) | (codes >= num_protocols)):
        raise DataError(
            f"protocol must be between 0 and {num_protocols - 1}, -1 if it is unknown, or "
            f'"new"; got {np.unique(codes).tolist()}'
        )
    return np.broadcast_to(codes, (num_rows,))
