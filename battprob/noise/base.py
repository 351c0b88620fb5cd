"""The interface of noise heads, and their sum."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx

from battprob._modules import require_parts
from battprob._typing import Array, Float


class AbstractNoise(eqx.Module):
    """Variance of the noise as a function of the features.

    To write your own: hold unconstrained parameters as arrays, and define `bind`,
    `log_prior`, `variance` and `uses_known`.
    """

    def __check_init__(self):
        require_parts(self)

    @abstractmethod
    def bind(self, feature_names: Sequence[str]) -> "AbstractNoise":
        """The same head with columns resolved and parameters shaped for these features."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def variance(
        self, x: Float[Array, "n d"], known: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """σ² of every row; `known` is the measured variance of its label."""

    @abstractmethod
    def uses_known(self) -> bool:
        """Whether the head asks for measured variances (`Dataset.noise_variance`)."""

    def __add__(self, other: "AbstractNoise") -> "Sum":
        return Sum(self, other)


class Sum(AbstractNoise):
    """Independent sources of noise: their variances add."""

    first: AbstractNoise
    second: AbstractNoise

    def bind(self, feature_names):
        return Sum(self.first.bind(feature_names), self.second.bind(feature_names))

    def log_prior(self):
        return self.first.log_prior() + self.second.log_prior()

    def variance(self, x, known):
        return self.first.variance(x, known) + self.second.variance(x, known)

    def uses_known(self):
        return self.first.uses_known() or self.second.uses_known()
