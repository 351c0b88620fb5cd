"""The interface of priors, and what several of them are made of."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.scipy.special import log_ndtr, ndtr
from jax.scipy.stats import norm

from battprob._typing import Array, Float


class AbstractPrior(eqx.Module):
    """A scale mixture of Gaussians over the weights of standardised features.

    To write your own: hold unconstrained parameters as arrays, and define `bind`,
    `log_prior` and `scales`.
    """

    @abstractmethod
    def bind(self, feature_names: Sequence[str], num_rows: int) -> "AbstractPrior":
        """The same prior, its parameters shaped for these features and rows."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def scales(self) -> Float[Array, " d"]:
        """Prior standard deviation of every weight, for a target of unit variance."""


def standard_normal(parameters: Any) -> Float[Array, ""]:
    """Log density of parameters that are standard normal a priori."""
    return norm.logpdf(ravel_pytree(parameters)[0]).sum()


def share(level: Float[Array, ""], num_features: int) -> Float[Array, ""]:
    """Prior variance of one weight of d, τ/d with log τ ~ N(0, 1.5²).

    The features together explain about as much as the target varies.
    """
    return jnp.exp(_LEVEL_SPREAD * level) / num_features


def half_cauchy(z: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """The half-Cauchy quantile tan(π Φ(z) / 2), exact in both tails."""
    return jnp.sin(0.5 * jnp.pi * ndtr(z)) / jnp.sin(0.5 * jnp.pi * ndtr(-z))


def exponential(z: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """The quantile -log Φ(-z) of the exponential law of mean one."""
    return -log_ndtr(-z)


_LEVEL_SPREAD = 1.5
