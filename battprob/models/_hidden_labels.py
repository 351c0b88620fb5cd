r"""Labels known only to lie beyond a bound, or between two: parameters like any other.

Given the true label y* of every such row all is Gaussian; so y* is drawn with the
hyper-parameters, from the very density that the bounds cut out. With u unconstrained,

    y* = low + eᵘ,   y* = high - eᵘ,   y* = low + (high - low) / (1 + e⁻ᵘ).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._padding import bucket
from battprob._typing import Array, Float, Int
from battprob.dataset import LOWER_BOUND, UPPER_BOUND, Dataset
from battprob.models.base import Scaling

_NO_ROW = np.iinfo(np.int32).max


class HiddenLabels(eqx.Module):
    """Where the hidden labels are and what is known of them, on the model's scale.

    Padded to a bucket, with places beyond all rows, so that a few more of them do not
    make another program.
    """

    row: Int[Array, " c"]
    low: Float[Array, " c"]
    high: Float[Array, " c"]

    def fill(
        self, y: Float[Array, " n"], position: Float[Array, " c"]
    ) -> tuple[Float[Array, " n"], Float[Array, ""]]:
        """Targets with the hidden ones at unconstrained positions, and the log Jacobian."""
        below, above = jnp.isfinite(self.low), jnp.isfinite(self.high)
        low, high = jnp.where(below, self.low, 0.0), jnp.where(above, self.high, 0.0)
        width = jnp.where(below & above, high - low, 1.0)
        beyond = jnp.where(below, low + jnp.exp(position), high - jnp.exp(position))
        between = low + width * jax.nn.sigmoid(position)
        inside = jnp.log(width) - jax.nn.softplus(position) - jax.nn.softplus(-position)
        log_slope = jnp.where(below & above, inside, position)
        # Padding has no label: its position is given a density, to have a posterior.
        log_slope = jnp.where(below | above, log_slope, norm.logpdf(position))
        label = jnp.where(below & above, between, beyond)
        return y.at[self.row].set(label, mode="drop"), jnp.sum(log_slope)


def is_hidden(dataset: Dataset) -> np.ndarray:
    """Which rows have a label that is not known exactly."""
    hidden = np.asarray(dataset.censored) != 0
    if dataset.y_upper is not None:
        hidden = hidden | (np.asarray(dataset.y_upper) > np.asarray(dataset.y))
    return hidden & np.asarray(dataset.mask)


def find_hidden_labels(dataset: Dataset, scaling: Scaling) -> HiddenLabels | None:
    """The labels of a dataset that are bounds or intervals; None if all are exact."""
    row = np.flatnonzero(is_hidden(dataset))
    if len(row) == 0:
        return None
    low = _standardised(dataset.y, dataset, scaling)[row]
    high = low
    interval = np.zeros(len(row), bool)
    if dataset.y_upper is not None:
        high = _standardised(dataset.y_upper, dataset, scaling)[row]
        interval = high > low
    censored = np.asarray(dataset.censored)[row]
    upper = (censored == UPPER_BOUND) & ~interval
    low, high = (
        np.where(upper, -np.inf, low),
        np.where((censored == LOWER_BOUND) & ~interval, np.inf, high),
    )
    length = bucket(len(row))

    def padded(values, value):
        return jnp.asarray(
            np.pad(values, (0, length - len(row)), constant_values=value)
        )

    return HiddenLabels(
        padded(row.astype(np.int32), _NO_ROW),
        padded(low, -np.inf).astype(dataset.x.dtype),
        padded(high, np.inf).astype(dataset.x.dtype),
    )


def _standardised(y, dataset, scaling):
    z = np.asarray(dataset.transform.inverse(y))
    return (z - np.asarray(scaling.y_mean)) / np.asarray(scaling.y_scale)
