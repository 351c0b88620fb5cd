"""What acquisitions ask of a posterior: the law of its function, apart from the noise.

All on the model's scale, where targets vary evenly: under `transforms.Log` that of the
log of the target.
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
from battprob._typing import Array, ArrayLike, Bool, Float
from battprob.dataset import Dataset
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractPosterior,
    FunctionMoments,
    Scaling,
)
from battprob.predictive import ClassPredictive, Predictive


class AbstractBelief(eqx.Module):
    """A posterior seen in another light: with tests still running, or with risk priced."""

    @property
    @abstractmethod
    def dataset(self) -> Dataset:
        """What the posterior has seen."""

    @property
    @abstractmethod
    def scaling(self) -> Scaling:
        """Units of the posterior."""

    @abstractmethod
    def predict(self, x: Float[Array, "m d"]) -> Predictive:
        """Predictive distribution on the model's scale."""

    @abstractmethod
    def reference_points(self, rows: Float[Array, "r d"]) -> Any:
        """As of `AbstractGaussianPosterior`."""

    @abstractmethod
    def function_moments(
        self, x: Float[Array, "m d"], at: Float[Array, "r d"] | Any
    ) -> FunctionMoments:
        """As of `AbstractGaussianPosterior`; `at` are rows or what `reference_points` answers."""


class Law(NamedTuple):
    """Marginal law of the function at every row: a mixture of Gaussians over draws."""

    mean: Float[Array, "s m"]
    variance: Float[Array, "s m"]
    log_weight: Float[Array, "s m"]

    def moments(self) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Mean and variance of the mixture."""
        weight = jnp.exp(self.log_weight)
        mean = jnp.sum(weight * self.mean, axis=0)
        spread = self.variance + (self.mean - mean[None]) ** 2
        return mean, jnp.sum(weight * spread, axis=0)


def is_gaussian(posterior: Any) -> bool:
    """Whether the function is a Gaussian process by draw, so that joint laws are known."""
    return isinstance(posterior, AbstractGaussianPosterior | AbstractBelief)


def require_gaussian(posterior: Any, purpose: str) -> None:
    """Raise a DataError unless joint laws of the function are known."""
    if not is_gaussian(posterior):
        raise DataError(
            f"{purpose} needs joint moments of the function, which "
            f"{type(posterior).__name__} does not give: use GaussianProcess or "
            "BayesianLinear"
        )


def function_law(posterior: Any, x: Float[Array, "m d"]) -> Law:
    """Law of the noise-free function at every row, whatever the model.

    Of a mixture of components it is the function of a cell of which it is not known what
    component it is of; of a classifier it is the probability.
    """
    if is_gaussian(posterior):
        moments = posterior.function_moments(x, x[:0])
        weight = jnp.broadcast_to(moments.log_weight[:, None], moments.mean.shape)
        return _bounded(Law(moments.mean, moments.variance, weight))
    pred = posterior.predict(x)
    if isinstance(pred, ClassPredictive):
        none = jnp.zeros_like(pred.probability)
        return _bounded(Law(pred.probability, none, pred.log_weight))
    inside = jax.nn.softmax(pred.log_weight, axis=1)
    mean = jnp.sum(inside * pred.location, axis=1)
    if pred.shared_function:
        root = jnp.sum(inside * safe_sqrt(pred.function_variance), axis=1)
        variance = root**2
    else:
        variance = jnp.sum(inside**2 * pred.function_variance, axis=1)
    return _bounded(Law(mean, variance, logsumexp(pred.log_weight, axis=1)))


def noise_variance(posterior: Any, x: Float[Array, "m d"]) -> Float[Array, " m"]:
    """Expected variance of the noise of one test at every row."""
    pred = posterior.predict(x)
    return jnp.sum(jnp.exp(pred.log_weight) * pred.noise_variance, axis=(0, 1))


def as_rows(x: ArrayLike) -> Float[np.ndarray, "m d"]:
    """Rows of features as floating numbers; a plain list is one feature.

    Raises:
        DataError: there are no rows, or a value is not finite.
    """
    rows = np.asarray(x, float)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.size == 0:
        raise DataError(f"candidates must be rows [m, features]; got {rows.shape}")
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        raise DataError(f"candidates are not finite in row {bad[0][0]}")
    return rows.astype(jnp.result_type(float))


def tested(posterior: Any) -> Float[np.ndarray, "n d"]:
    """The different rows that the posterior has seen, in order of their first test."""
    data = posterior.dataset
    rows = np.asarray(data.x)[np.asarray(data.mask)]
    _, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first)]


def with_running(
    rows: Float[np.ndarray, "n d"], pending: ArrayLike | None
) -> Float[np.ndarray, "p d"]:
    """Rows, and behind them those of tests that are still running."""
    if pending is None or np.size(pending) == 0:
        return rows
    return np.concatenate([rows, as_rows(pending)])


def lean(posterior: Any) -> Any:
    """The posterior without what predictions do not need: rows, and how the fit went.

    These differ after every test, and each difference would be a program to compile.
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


def keeping(posterior: Any, rows: Bool[np.ndarray, " n"]) -> Any:
    """The same beliefs, with only some rows to be remembered as tested."""
    kept = np.flatnonzero(rows)
    return jax.tree.map(
        lambda node: (
            replace(node, dataset=node.dataset.take(kept))
            if _is_posterior(node)
            else node
        ),
        posterior,
        is_leaf=_is_posterior,
    )


def _is_posterior(node):
    return isinstance(node, AbstractPosterior)


def _bounded(law):
    """Away from a variance of nought, by which improvements would be divided."""
    least = jnp.finfo(law.variance.dtype).tiny ** 0.5
    return law._replace(variance=jnp.maximum(law.variance, least))
