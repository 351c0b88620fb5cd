"""Answers for a stated protocol or mix of protocols, out of one that holds them all."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.dataset._validation import UNKNOWN
from battprob.predictive import Predictive

NEW = "new"


def on_protocols(
    pred: Any, protocol: ArrayLike | str | None, weights: ArrayLike | None
) -> Predictive:
    """The predictive of rows whose protocol, or the mix they come from, is known.

    Its components are the protocols of training, and last one that was not seen there.

    Args:
        pred: predictive of rows of any protocol.
        protocol: number, one a row (-1: not known), or "new".
        weights: of each protocol; one more is that of a new one.

    Raises:
        DataError: the model has no protocols, or not this one; both are given.
    """
    if not has_protocols(pred):
        raise DataError(
            "the model has no protocols to choose from: fit models.ProtocolMixture, or "
            "leave protocol and protocol_weights out"
        )
    if protocol is not None and weights is not None:
        raise DataError("give protocol or protocol_weights, not both")
    num = pred.location.shape[1] - 1
    if weights is not None:
        return pred.reweight(checked_weights(weights, num))
    codes = _codes(protocol, num, pred.shape[0])
    own = np.arange(num + 1)[:, None] == codes[None]
    given = jnp.asarray(np.where(own, 0.0, -np.inf), pred.log_weight.dtype)
    draw = logsumexp(pred.log_weight, axis=1, keepdims=True)
    known = jnp.asarray(codes != UNKNOWN)
    log_weight = jnp.where(known[None, None], draw + given[None], pred.log_weight)
    return eqx.tree_at(lambda answer: answer.log_weight, pred, log_weight)


def has_protocols(pred: Any) -> bool:
    """Whether the components of an answer are functions of their own."""
    one_function = not isinstance(pred, Predictive) or pred.shared_function
    return not one_function and pred.location.shape[1] > 1


def checked_weights(weights: ArrayLike, num: int) -> np.ndarray:
    """Weights of `num` protocols and of a new one.

    Raises:
        DataError: there are more or fewer, one is negative, or they do not sum to one.
    """
    array = np.asarray(weights, float)
    if array.shape not in ((num,), (num + 1,)):
        raise DataError(
            f"protocol_weights needs {num} numbers, or {num + 1} with that of a new "
            f"protocol last; got shape {array.shape}"
        )
    if not np.all(np.isfinite(array)) or np.any(array < 0):
        raise DataError(f"protocol_weights must not be negative; got {array}")
    if abs(array.sum() - 1) > _ROUNDING:
        raise DataError(
            f"protocol_weights must sum to one; {array} sum to {array.sum():.4g}: divide "
            "them by that"
        )
    return np.append(array, 0.0) if len(array) == num else array


def _codes(protocol, num, size):
    """Component of every row; -1 where the protocol is not known."""
    if isinstance(protocol, str):
        if protocol != NEW:
            raise DataError(f'protocol must be a number or "new"; got {protocol!r}')
        return np.full(size, num)
    codes = np.asarray(protocol)
    if codes.dtype.kind not in "iu" or codes.shape not in ((), (size,)):
        raise DataError(
            f"protocol must be a whole number, or one for each of {size} rows; got {protocol!r}"
        )
    if np.any((codes < UNKNOWN) | (codes >= num)):
        raise DataError(
            f'protocol must lie between 0 and {num - 1}, -1 where not known, or be "new"; '
            f"got {np.unique(codes).tolist()}"
        )
    return np.broadcast_to(codes, (size,))


_ROUNDING = 1e-4
