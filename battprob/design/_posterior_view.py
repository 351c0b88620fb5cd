"""Posterior views: what acquisitions use of a posterior, apart from how it was fitted.

All quantities are on the scale of the model, where the target varies evenly: under
`transforms.Log` that is the logarithm of the target.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._modules import replace
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Bool, Float, Int
from battprob.dataset import Dataset
from battprob.models.base import AbstractPosterior, FunctionMoments, Scaling
from battprob.predictive import ClassPredictive, Predictive


class AbstractPosteriorView(eqx.Module):
    """A posterior derived from another one without a fit.

    Its methods are those of `AbstractGaussianPosterior` that acquisitions use, with the
    same arguments. To write a view:

    1. Hold the other posterior and arrays as fields.
    2. Define the methods below. Rows `x` are in the units of the data set, not
       standardised; means and variances are returned on the scale of the model.
    """

    @property
    @abstractmethod
    def dataset(self) -> Dataset:
        """Data that the posterior was fitted to."""

    @property
    @abstractmethod
    def scaling(self) -> Scaling:
        """Means and scales by which the posterior standardises its data."""

    @property
    @abstractmethod
    def function_draws(self) -> Int[Array, " k"]:
        """For each draw of `predict`, its index among the draws of `function_moments`."""

    @abstractmethod
    def predict(self, x: Float[Array, "m d"]) -> Predictive:
        """Predictive distribution of one test at each row, on the scale of the model."""

    @abstractmethod
    def reference_points(self, rows: Float[Array, "r d"]) -> Any:
        """Reference points for `function_moments`, with their solves cached."""

    @abstractmethod
    def function_moments(
        self, x: Float[Array, "m d"], reference: Float[Array, "r d"] | Any
    ) -> FunctionMoments:
        """Moments of the noise-free function at `x`, and covariance with `reference`.

        Args:
            x: rows [m d].
            reference: rows [r d], or the result of `reference_points`.
        """


class FunctionMarginals(NamedTuple):
    """Distribution of the function at each row: a mixture of Gaussians over draws.

    Attributes:
        mean, variance: moments of the function at row m in posterior draw s.
        log_weight: logarithm of the weight of each draw; the weights sum to one.
    """

    mean: Float[Array, "*z s m"]
    variance: Float[Array, "*z s m"]
    log_weight: Float[Array, "*z s m"]

    def moments(self) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Mean and variance of the mixture, by the law of total variance."""
        weight = jnp.exp(self.log_weight)
        mean = jnp.sum(weight * self.mean, axis=0)
        second = self.variance + (self.mean - mean[None]) ** 2
        return mean, jnp.sum(weight * second, axis=0)


def has_function_moments(posterior: Any) -> bool:
    """Whether joint moments of the function are available from the posterior."""
    return hasattr(posterior, "function_moments")


def require_function_moments(posterior: Any, purpose: str) -> None:
    """Raise a DataError if the posterior has no joint moments of its function."""
    if not has_function_moments(posterior):
        raise DataError(
            f"{purpose} needs joint moments of the function (function_moments), which "
            f"{type(posterior).__name__} does not have: use GaussianProcess or "
            "BayesianLinear"
        )


def function_marginals(posterior: Any, x: Float[Array, "m d"]) -> FunctionMarginals:
    """Mean and variance of the noise-free function at each row, by posterior draw.

    For a mixture of components, the function is the mean over the components, weighted
    by their probability. For a classifier it is the probability of class 1.

    Args:
        posterior: posterior of any model, or a view of one.
        x: rows [m d] in the units of the data set.
    """
    if has_function_moments(posterior):
        moments = posterior.function_moments(x, x[:0])
        weight = jnp.broadcast_to(moments.log_weight[:, None], moments.mean.shape)
        return _positive(FunctionMarginals(moments.mean, moments.variance, weight))
    pred = posterior.predict(x)
    if isinstance(pred, ClassPredictive):
        zero = jnp.zeros_like(pred.probability)
        return _positive(FunctionMarginals(pred.probability, zero, pred.log_weight))
    component = jax.nn.softmax(pred.log_weight, axis=1)
    mean = jnp.sum(component * pred.location, axis=1)
    if pred.shared_function:  # perfectly correlated: standard deviations add
        root = jnp.sum(component * safe_sqrt(pred.function_variance), axis=1)
        variance = root**2
    else:
        variance = jnp.sum(component**2 * pred.function_variance, axis=1)
    weight = logsumexp(pred.log_weight, axis=1)
    return _positive(FunctionMarginals(mean, variance, weight))


def expected_noise_variance(
    posterior: Any, x: Float[Array, "m d"]
) -> Float[Array, " m"]:
    """Posterior mean of the noise variance of one test at each row.

    Args:
        posterior: posterior of a regression model, or a view of one.
        x: rows [m d] in the units of the data set.
    """
    pred = posterior.predict(x)
    return jnp.sum(jnp.exp(pred.log_weight) * pred.noise_variance, axis=(0, 1))


def observed_rows(posterior: Any) -> Float[np.ndarray, "n d"]:
    """Distinct rows of the posterior's data set, in the order of their first test."""
    data = posterior.dataset
    rows = np.asarray(data.x)[np.asarray(data.mask)]
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def as_rows(x: ArrayLike) -> Float[np.ndarray, "m d"]:
    """Rows of features as floating-point numbers; a plain list is one feature.

    Raises:
        DataError: there are no rows, or a value is not finite.
    """
    rows = np.asarray(x, float)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.size == 0:
        raise DataError(f"candidates must be rows [m, features]; got {rows.shape}")
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = bad[0]
        raise DataError(f"candidates are not finite in row {row}, column {column}")
    return rows.astype(jnp.result_type(float))


def with_pending(
    rows: Float[np.ndarray, "n d"], pending: ArrayLike | None
) -> Float[np.ndarray, "p d"]:
    """`rows` followed by the rows of pending tests."""
    if pending is None or np.size(pending) == 0:
        return rows
    return np.concatenate([rows, as_rows(pending)])


def for_prediction(posterior: Any) -> Any:
    """The posterior without its training rows and its fit report.

    Predictions need neither, and both change after each test: as inputs of a compiled
    program, they would compile it again.
    """
    return jax.tree.map(
        lambda node: (
            replace(node, dataset=node.dataset.take(slice(1)), report=None)
            if _is_posterior(node)
            else node
        ),
        posterior,
        is_leaf=_is_posterior,
    )


def with_observed(posterior: Any, keep: Bool[np.ndarray, " n"]) -> Any:
    """The same posterior, whose `observed_rows` are only those in the mask `keep`."""
    index = np.flatnonzero(keep)
    return jax.tree.map(
        lambda node: (
            replace(node, dataset=node.dataset.take(index))
            if _is_posterior(node)
            else node
        ),
        posterior,
        is_leaf=_is_posterior,
    )


def _is_posterior(node):
    return isinstance(node, AbstractPosterior)


def _positive(marginals):
    """Variances bounded away from zero, because improvements are divided by them."""
    least = jnp.finfo(marginals.variance.dtype).tiny ** 0.5
    return marginals._replace(variance=jnp.maximum(marginals.variance, least))
