"""Gates: the probability of each protocol at a row, before its target is observed."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._parameters import as_array
from battprob._typing import Array, Float


class AbstractGate(eqx.Module):
    """Probability p(protocol | x) of each protocol, given the features of a row.

    Rows arrive standardised: over the training rows every feature has mean 0 and standard
    deviation 1. Choose priors for that scale.

    To write your own gate:

    1. Subclass `AbstractGate`. Decorate the class with `@battprob.register`, so that
       fitted models can be saved and loaded.
    2. Hold every parameter as an array on an unconstrained scale. Fits change all array
       fields. Declare a number that no fit may change with `fixed_field()`, and everything
       that is no number (feature names, column indices) with `equinox.field(static=True)`.
    3. `bind`: find the columns of the chosen features by `resolve_columns`, give every
       parameter a first axis of protocols (the model numbers protocols by their mean and
       reorders this axis), and return the new gate by `replace(self, ...)`. Fixed fields
       have no such axis.
    4. `log_prior`: return the log density of the parameters on the scale on which they
       are held. Normalise it: evidences of several numbers of protocols are compared. Give
       every protocol the same prior.
    5. `logits`: return the log probability of every protocol at every row, up to a
       constant for each row, in `jax.numpy` and differentiable in the parameters.
    """

    @abstractmethod
    def bind(self, feature_names: Sequence[str], num_protocols: int) -> "AbstractGate":
        """The same gate with column indices and parameter shapes for these protocols.

        Args:
            feature_names: names of all d features, in order.
            num_protocols: number k of protocols.
        """

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def logits(self, x: Float[Array, "m d"]) -> Float[Array, "k m"]:
        """Log probability of every protocol, up to a constant for each row."""


class ConstantGate(AbstractGate):
    r"""$p(u = k) \propto \exp(a_k)$: the same probabilities for all rows.

    Prior: a_k ~ N(0, 1.5²).
    """

    intercepts: Float[Array, "..."]

    def __init__(self):
        self.intercepts = as_array(0.0)

    def bind(self, feature_names, num_protocols):
        zeros = _zeros(num_protocols, dtype=self.intercepts.dtype)
        return replace(self, intercepts=zeros)

    def log_prior(self):
        return jnp.sum(norm.logpdf(self.intercepts, 0.0, _INTERCEPT_STD))

    def logits(self, x):
        shape = (len(self.intercepts), len(x))
        return jnp.broadcast_to(self.intercepts[:, None], shape)


class SoftmaxGate(AbstractGate):
    r"""$p(u = k \mid x) \propto \exp(a_k + b_k^\top x)$ in the chosen features.

    Prior, on standardised features: a_k ~ N(0, 1.5²), each b_kj ~ N(0, 2²).

    Args:
        features: names or indices of the features that the choice of a protocol depends
            on; default all. Choose few: every feature adds a slope for each protocol.
    """

    intercepts: Float[Array, "..."]
    slopes: Float[Array, "..."]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, features: Sequence[str | int] | None = None):
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.intercepts = self.slopes = as_array(0.0)

    def bind(self, feature_names, num_protocols):
        columns = resolve_columns(self.features, feature_names)
        dtype = self.intercepts.dtype
        return replace(
            self,
            columns=columns,
            intercepts=_zeros(num_protocols, dtype=dtype),
            slopes=_zeros(num_protocols, len(columns), dtype=dtype),
        )

    def log_prior(self):
        intercepts = norm.logpdf(self.intercepts, 0.0, _INTERCEPT_STD)
        slopes = norm.logpdf(self.slopes, 0.0, _SLOPE_STD)
        return jnp.sum(intercepts) + jnp.sum(slopes)

    def logits(self, x):
        return (
            self.intercepts[:, None] + self.slopes @ select_columns(x, self.columns).T
        )


def log_probabilities(
    gate: AbstractGate, active: Float[Array, " k"], x: Float[Array, "m d"]
) -> Float[Array, "k m"]:
    """Log probability of every protocol; -inf for those that are not `active` (0)."""
    logits = jnp.where(active[:, None] > 0, gate.logits(x), -jnp.inf)
    return jax.nn.log_softmax(logits, axis=0)


def _zeros(*shape, dtype):
    return jnp.asarray(np.zeros(shape), dtype)


# An intercept of 1.5 makes a protocol 4.5 times as probable as one of intercept zero.
_INTERCEPT_STD, _SLOPE_STD = 1.5, 2.0
