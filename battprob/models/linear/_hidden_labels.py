r"""Labels known only to lie beyond a bound, or between two: parameters like any other.

Given the true label y* of every such row all is Gaussian; so y* is drawn with the
hyper-parameters, from the very density that the bounds cut out. With z unconstrained,

    y* = low - log Φ(-z),   y* = high + log Φ(-z),   y* = low + (high - low) Φ(z):

labels that crowd a bound make Gaussian tails of z, where a logarithm makes long ones.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from battprob._padding import bucket
from battprob._typing import Array, Float, Int
from battprob.dataset import LOWER_BOUND, UPPER_BOUND, Dataset
from battprob.models._scaling import Scaling
from battprob.priors.base import exponential_quantile

_NO_ROW = np.iinfo(np.int32).max
_STEPS = 100


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
        excess = exponential_quantile(position)
        beyond = jnp.where(below, low + excess, high - excess)
        label = jnp.where(below & above, low + width * ndtr(position), beyond)
        # Padding has no label, but a position, which needs a density all the same.
        stretch = jnp.where(below != above, excess, jnp.log(width))
        log_slope = norm.logpdf(position) + stretch
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
    mean, scale = np.asarray(scaling.y_mean), np.asarray(scaling.y_scale)
    low, high = ((end[row] - mean) / scale for end in _ends(dataset))
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


def scaled_beyond_bounds(dataset: Dataset, scaling: Scaling) -> Scaling:
    """The scaling with mean and scale of the labels themselves, not of their bounds.

    Those of a normal law, by expectation-maximisation on what is known of every label:
    bounds vary less than the labels that they hide, and priors go by the scale.
    """
    if not is_hidden(dataset).any() or is_hidden(dataset).all():
        return scaling
    low, high = (end[np.asarray(dataset.mask)] for end in _ends(dataset))
    mean, scale = float(scaling.y_mean), float(scaling.y_scale)
    for _ in range(_STEPS):
        first, second = _moments((low - mean) / scale, (high - mean) / scale)
        first, second = mean + scale * first, scale**2 * second
        mean = first.mean()
        scale = np.sqrt(np.mean((first - mean) ** 2 + second))
    dtype = scaling.y_mean.dtype
    return eqx.tree_at(
        lambda own: (own.y_mean, own.y_scale),
        scaling,
        (jnp.asarray(mean, dtype), jnp.asarray(scale, dtype)),
    )


def _moments(low, high):
    """Mean and variance of a standard normal number known to lie between two ends."""
    from scipy.stats import truncnorm

    exact = low == high
    mean, variance = truncnorm.stats(low - exact, high + exact)
    return np.where(exact, low, mean), np.where(exact, 0.0, variance)


def _ends(dataset):
    """Lower and upper end of every label on the model's scale; equal where exact."""
    low = np.asarray(dataset.transform.inverse(dataset.y))
    upper = dataset.y if dataset.y_upper is None else dataset.y_upper
    high = np.asarray(dataset.transform.inverse(upper))
    censored = np.asarray(dataset.censored)
    low, high = (
        np.where((censored == UPPER_BOUND) & (high == low), -np.inf, low),
        np.where((censored == LOWER_BOUND) & (high == low), np.inf, high),
    )
    return low, high
