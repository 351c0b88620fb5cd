"""The interface of priors, and helpers to write more."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtr
from jax.scipy.stats import norm

from battprob._columns import resolve_columns
from battprob._modules import replace
from battprob._parameters import fixed_field, ravel_parameters
from battprob._typing import Array, Float

__all__ = [
    "AbstractPrior",
    "exponential_quantile",
    "fixed_field",
    "half_cauchy_quantile",
    "replace",
    "resolve_columns",
    "standard_normal",
    "weight_variance",
]


class AbstractPrior(eqx.Module):
    """A scale mixture of Gaussians as the prior of the weights of a linear model.

    Features arrive standardised (mean 0 and standard deviation 1 over the training rows),
    and so does the target: a weight is in standard deviations of the target for one
    standard deviation of the feature.

    To write your own prior:

    1. Subclass `AbstractPrior`. Decorate the class with `@battprob.register`, so that
       fitted models can be saved and loaded.
    2. Hold every parameter as an array on an unconstrained scale. Fits change all array
       fields. Declare a number that no fit may change with `fixed_field()`, and everything
       that is no number (feature names) with `equinox.field(static=True)`.
    3. `bind`: give arrays their shapes and return the new prior by `replace(self, ...)`.
       `resolve_columns` finds the columns of features that are chosen by name.
    4. `scales`: return the standard deviation of every weight, positive. Samplers work
       best with parameters that are standard normal a priori: transform them by a
       quantile function (`half_cauchy_quantile`, `exponential_quantile`). For the usual
       overall size of weights use `weight_variance`.
    5. `log_prior`: return the log density of the parameters on the scale on which they
       are held, normalised: `standard_normal(self)` if all are standard normal.
    6. Add the prior to the dictionary in `tests/contract/test_priors.py`.
    """

    @abstractmethod
    def bind(self, feature_names: Sequence[str], num_rows: int) -> "AbstractPrior":
        """The same prior with parameters shaped for these features.

        Args:
            feature_names: names of all d features, in order.
            num_rows: training rows, padding included: up to twice as many as there are.
        """

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def scales(self) -> Float[Array, " d"]:
        """Prior standard deviation of every weight, for a target of unit variance."""


def standard_normal(parameters: Any) -> Float[Array, ""]:
    """Log density of arrays that are standard normal a priori; fixed fields do not count.

    Args:
        parameters: an array, a container of arrays, or a prior itself.

    Example:
        >>> round(float(standard_normal(jnp.zeros(2))), 3)
        -1.838
    """
    return norm.logpdf(ravel_parameters(parameters)[0]).sum()


def weight_variance(z: Float[Array, ""], num_features: int) -> Float[Array, ""]:
    """Prior variance τ/d of one of d weights, with log τ = 1.5 z and z ~ N(0, 1).

    For τ = 1 the features together explain as much variance as the target has.
    """
    return jnp.exp(_LOG_TAU_STD * z) / num_features


def half_cauchy_quantile(z: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Half-Cauchy variable of scale one as a function of a standard normal one.

    tan(π Φ(z) / 2), written as a ratio of sines so that both tails are accurate.
    """
    return jnp.sin(0.5 * jnp.pi * ndtr(z)) / jnp.sin(0.5 * jnp.pi * ndtr(-z))


def exponential_quantile(z: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Exponential variable of mean one, -log Φ(-z), as a function of a standard normal z."""
    return -log_ndtr(-z)


_LOG_TAU_STD = 1.5
