"""Gates: how likely each protocol is for a row, before its target is seen."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._typing import Array, Float


class AbstractGate(eqx.Module):
    """p(protocol | x).

    To write your own: hold unconstrained parameters as arrays with the protocols on their
    first axis, and define `bind`, `log_prior` and `scores`.
    """

    @abstractmethod
    def bind(self, feature_names: Sequence[str], num_protocols: int) -> "AbstractGate":
        """The same gate with columns resolved and parameters shaped for these protocols."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def scores(self, x: Float[Array, "m d"]) -> Float[Array, "k m"]:
        """Log probability of every protocol, up to a constant of each row."""


class ConstantGate(AbstractGate):
    """The same mix of protocols everywhere. Prior: each log weight ~ N(0, 1.5²)."""

    level: Float[Array, "..."]

    def __init__(self):
        self.level = jnp.zeros((), jnp.result_type(float))

    def bind(self, feature_names, num_protocols):
        del feature_names
        return replace(self, level=_zeros(num_protocols, dtype=self.level.dtype))

    def log_prior(self):
        return jnp.sum(norm.logpdf(self.level, 0.0, _LEVEL_SPREAD))

    def scores(self, x):
        return jnp.broadcast_to(self.level[:, None], (len(self.level), len(x)))


class SoftmaxGate(AbstractGate):
    r"""$p(u = k \mid x) \propto \exp(a_k + b_k^\top x)$ in the chosen features.

    Args:
        features: names or positions of the features that tell of the protocol; default
            all. Name the few that an operator would choose a protocol by.

    Prior, on standardised features: a_k ~ N(0, 1.5²), each b_kj ~ N(0, 2²).
    """

    level: Float[Array, "..."]
    slopes: Float[Array, "..."]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, features: Sequence[str | int] | None = None):
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.level = self.slopes = jnp.zeros((), jnp.result_type(float))

    def bind(self, feature_names, num_protocols):
        columns = resolve_columns(self.features, feature_names)
        dtype = self.level.dtype
        return replace(
            self,
            columns=columns,
            level=_zeros(num_protocols, dtype=dtype),
            slopes=_zeros(num_protocols, len(columns), dtype=dtype),
        )

    def log_prior(self):
        level = norm.logpdf(self.level, 0.0, _LEVEL_SPREAD)
        return jnp.sum(level) + jnp.sum(norm.logpdf(self.slopes, 0.0, _SLOPE_SPREAD))

    def scores(self, x):
        return self.level[:, None] + self.slopes @ select_columns(x, self.columns).T


def log_probabilities(
    gate: AbstractGate, active: Float[Array, " k"], x: Float[Array, "m d"]
) -> Float[Array, "k m"]:
    """Log probability of every protocol; those not `active` (0) have none."""
    scores = jnp.where(active[:, None] > 0, gate.scores(x), -jnp.inf)
    return jax.nn.log_softmax(scores, axis=0)


def _zeros(*shape, dtype):
    return jnp.asarray(np.zeros(shape), dtype)


_LEVEL_SPREAD, _SLOPE_SPREAD = 1.5, 2.0
