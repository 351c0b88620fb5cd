r"""Censored and interval labels, whose true values are parameters of the model.

Given the true label y* of every such row the model is Gaussian. Therefore y* is sampled
together with the hyper-parameters, from the joint density restricted to the bounds. With z
unconstrained,

    y* = low - log Φ(-z),   y* = high + log Φ(-z),   y* = low + (high - low) Φ(z)

for a lower bound, an upper bound and an interval. If the density of y* concentrates at a
bound, z has Gaussian tails; a logarithm as the transform would give it long ones, which
samplers explore slowly.
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

# Index of padding: outside of all rows, so that writing to it changes nothing.
NO_ROW = np.iinfo(np.int32).max
# With half of the labels censored EM converges to rounding error in a hundred steps.
_EM_STEPS = 100


class CensoredLabels(eqx.Module):
    """Rows of the censored labels and their bounds, standardised.

    Padded to a bucket, so that a few more censored labels do not compile a new program.

    Args:
        row: index of the row of each label; `NO_ROW` for padding.
        low: lower bound, or -inf.
        high: upper bound, or inf.
    """

    row: Int[Array, " c"]
    low: Float[Array, " c"]
    high: Float[Array, " c"]

    def fill(
        self, y: Float[Array, " n"], z: Float[Array, " c"]
    ) -> tuple[Float[Array, " n"], Float[Array, ""]]:
        """Targets with the true labels at the unconstrained z, and the log Jacobian."""
        has_low, has_high = jnp.isfinite(self.low), jnp.isfinite(self.high)
        low = jnp.where(has_low, self.low, 0.0)
        high = jnp.where(has_high, self.high, 0.0)
        width = jnp.where(has_low & has_high, high - low, 1.0)
        excess = exponential_quantile(z)
        one_sided = jnp.where(has_low, low + excess, high - excess)
        label = jnp.where(has_low & has_high, low + width * ndtr(z), one_sided)
        # The log derivative of y* is log φ(z) plus this. Padding gets φ(z) alone, so that
        # its z has a proper density too.
        log_factor = jnp.where(has_low != has_high, excess, jnp.log(width))
        log_slope = norm.logpdf(z) + log_factor
        return y.at[self.row].set(label, mode="drop"), jnp.sum(log_slope)


def is_censored(dataset: Dataset) -> np.ndarray:
    """Whether the label of each row is a bound or an interval; False for padding."""
    censored = np.asarray(dataset.censored) != 0
    if dataset.y_upper is not None:
        censored = censored | (np.asarray(dataset.y_upper) > np.asarray(dataset.y))
    return censored & np.asarray(dataset.mask)


def censored_labels(dataset: Dataset, scaling: Scaling) -> CensoredLabels | None:
    """The censored and interval labels of a dataset; None if all labels are exact."""
    row = np.flatnonzero(is_censored(dataset))
    if len(row) == 0:
        return None
    mean, scale = np.asarray(scaling.y_mean), np.asarray(scaling.y_scale)
    low, high = ((end[row] - mean) / scale for end in _bounds(dataset))
    length = bucket(len(row))

    def padded(values, value):
        return jnp.asarray(
            np.pad(values, (0, length - len(row)), constant_values=value)
        )

    return CensoredLabels(
        padded(row.astype(np.int32), NO_ROW),
        padded(low, -np.inf).astype(dataset.x.dtype),
        padded(high, np.inf).astype(dataset.x.dtype),
    )


def scaling_of_true_labels(dataset: Dataset, scaling: Scaling) -> Scaling:
    """The scaling with the estimated mean and standard deviation of the true labels.

    Bounds vary less than the labels that they censor, and priors depend on the scale. The
    estimate is the maximum likelihood of a normal distribution given every exact label,
    bound and interval, by EM.
    """
    if not is_censored(dataset).any() or is_censored(dataset).all():
        return scaling
    low, high = (end[np.asarray(dataset.mask)] for end in _bounds(dataset))
    mean, scale = float(scaling.y_mean), float(scaling.y_scale)
    for _ in range(_EM_STEPS):
        first, second = _truncated_moments((low - mean) / scale, (high - mean) / scale)
        first, second = mean + scale * first, scale**2 * second
        mean = first.mean()
        scale = np.sqrt(np.mean((first - mean) ** 2 + second))
    dtype = scaling.y_mean.dtype
    return eqx.tree_at(
        lambda node: (node.y_mean, node.y_scale),
        scaling,
        (jnp.asarray(mean, dtype), jnp.asarray(scale, dtype)),
    )


def _truncated_moments(low, high):
    """Mean and variance of a standard normal variable truncated to [low, high]."""
    from scipy.stats import truncnorm

    exact = low == high
    # An interval of width zero is widened for SciPy; its moments are replaced below.
    mean, variance = truncnorm.stats(low - exact, high + exact)
    return np.where(exact, low, mean), np.where(exact, 0.0, variance)


def _bounds(dataset):
    """Lower and upper bound of every label on the model's scale; equal if exact."""
    low = np.asarray(dataset.transform.inverse(dataset.y))
    upper = dataset.y if dataset.y_upper is None else dataset.y_upper
    high = np.asarray(dataset.transform.inverse(upper))
    censored = np.asarray(dataset.censored)
    low, high = (
        np.where((censored == UPPER_BOUND) & (high == low), -np.inf, low),
        np.where((censored == LOWER_BOUND) & (high == low), np.inf, high),
    )
    return low, high
