"""The interface of kernels, their sums and products, and helpers to write more."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace, require_parts
from battprob._parameters import fixed_field, log_parameter
from battprob._typing import Array, Float

__all__ = [
    "AbstractKernel",
    "Product",
    "Sum",
    "fixed_field",
    "log_parameter",
    "replace",
    "resolve_columns",
    "select_columns",
]


class AbstractKernel(eqx.Module):
    """Positive semi-definite covariance function of two rows of features.

    Rows arrive standardised: over the training rows every feature has mean 0 and standard
    deviation 1. The function belongs to the standardised target (mean 0, standard
    deviation 1). Choose priors for that scale.

    To write your own kernel:

    1. Subclass `AbstractKernel` (or `battprob.kernels.stationary.AbstractStationary` for
       a function of distance: then only `correlation` is left to write). Decorate the
       class with `@battprob.register`, so that fitted models can be saved and loaded.
    2. Hold every parameter as an array on an unconstrained scale, for example the
       logarithm of a lengthscale (`log_parameter`). Fits change all array fields. Declare
       a number that no fit may change with `fixed_field()`, and everything that is no
       number (feature names, column indices) with `equinox.field(static=True)`.
    3. `bind`: find the columns of the chosen features by `resolve_columns`, give arrays
       their shapes, and return the new kernel by `replace(self, columns=..., ...)`.
    4. `log_prior`: return the log density of the parameters on the scale on which they
       are held. Normalise it: model evidences are compared.
    5. `gram` and `diagonal`: return covariances in `jax.numpy`. Derivatives must be
       finite for equal rows too.
    6. Add the kernel to the dictionary in `tests/contract/test_kernels.py`.
    """

    def __check_init__(self):
        require_parts(self)

    @abstractmethod
    def bind(self, feature_names: Sequence[str]) -> "AbstractKernel":
        """The same kernel with column indices and parameter shapes for these features."""

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
    """k₁ + k₂: covariance of the sum of two independent functions."""

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
    """k₁ k₂: an interaction; rows are similar only if both kernels find them similar."""

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
