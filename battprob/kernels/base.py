"""What a kernel is, and the sums and products of kernels."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx

from battprob._modules import require_parts
from battprob._typing import Array, Float


class AbstractKernel(eqx.Module):
    """Positive definite function of two rows.

    To write your own: hold unconstrained parameters as arrays, and define `bind` (give
    them their shapes), `log_prior`, `gram` and `diagonal`.
    """

    def __check_init__(self):
        require_parts(self)

    @abstractmethod
    def bind(self, feature_names: Sequence[str]) -> "AbstractKernel":
        """The same kernel with columns resolved and parameters shaped for these features."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def gram(
        self, x1: Float[Array, "n d"], x2: Float[Array, "m d"]
    ) -> Float[Array, "n m"]:
        """Covariance of the function between every row of `x1` and every row of `x2`."""

    @abstractmethod
    def diagonal(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """Prior variance of the function at every row: the diagonal of `gram(x, x)`."""

    def __add__(self, other: "AbstractKernel") -> "Sum":
        return Sum(self, other)

    def __mul__(self, other: "AbstractKernel") -> "Product":
        return Product(self, other)


class Sum(AbstractKernel):
    """k₁ + k₂: a function that is the sum of two independent ones."""

    first: AbstractKernel
    second: AbstractKernel

    def bind(self, feature_names):
        return Sum(self.first.bind(feature_names), self.second.bind(feature_names))

    def log_prior(self):
        return self.first.log_prior() + self.second.log_prior()

    def gram(self, x1, x2):
        return self.first.gram(x1, x2) + self.second.gram(x1, x2)

    def diagonal(self, x):
        return self.first.diagonal(x) + self.second.diagonal(x)


class Product(AbstractKernel):
    """k₁ k₂: interaction, similar only where both say so."""

    first: AbstractKernel
    second: AbstractKernel

    def bind(self, feature_names):
        return Product(self.first.bind(feature_names), self.second.bind(feature_names))

    def log_prior(self):
        return self.first.log_prior() + self.second.log_prior()

    def gram(self, x1, x2):
        return self.first.gram(x1, x2) * self.second.gram(x1, x2)

    def diagonal(self, x):
        return self.first.diagonal(x) * self.second.diagonal(x)
