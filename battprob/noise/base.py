"""The interface of noise models, their sum, and helpers to write more."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace, require_parts
from battprob._parameters import fixed_field, log_parameter
from battprob._typing import Array, Float

__all__ = [
    "AbstractNoise",
    "Sum",
    "fixed_field",
    "log_parameter",
    "replace",
    "resolve_columns",
    "select_columns",
]


class AbstractNoise(eqx.Module):
    """Variance of the noise as a function of the features.

    Rows arrive standardised: over the training rows every feature has mean 0 and standard
    deviation 1. The variance belongs to the standardised target (mean 0, standard
    deviation 1), in units of its variance. Choose priors for that scale.

    To write your own noise model:

    1. Subclass `AbstractNoise`. Decorate the class with `@battprob.register`, so that
       fitted models can be saved and loaded.
    2. Hold every parameter as an array on an unconstrained scale, for example the
       logarithm of a variance (`log_parameter`). Fits change all array fields. Declare a
       number that no fit may change with `fixed_field()`, and everything that is no
       number (feature names, column indices) with `equinox.field(static=True)`.
    3. `bind`: find the columns of the chosen features by `resolve_columns`, give arrays
       their shapes, and return the new noise model by `replace(self, columns=..., ...)`.
    4. `log_prior`: return the log density of the parameters on the scale on which they
       are held. Normalise it: model evidences are compared.
    5. `variance`: return σ² of every row in `jax.numpy`, positive and differentiable in
       the parameters. Predictions treat log σ² as Gaussian, linear in the parameters
       near the mode. Add no variance of the function: that is epistemic.
    6. `uses_known`: return whether `variance` reads the measured variances.
    7. Add the noise model to the dictionary in `tests/contract/test_noise.py`.
    """

    def __check_init__(self):
        require_parts(self)

    @abstractmethod
    def bind(self, feature_names: Sequence[str]) -> "AbstractNoise":
        """The same noise model with column indices and parameter shapes for these features."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained parameters."""

    @abstractmethod
    def variance(
        self, x: Float[Array, "n d"], known: Float[Array, " n"]
    ) -> Float[Array, " n"]:
        """σ² of every row; `known` is the measured variance of its label, or zero."""

    @abstractmethod
    def uses_known(self) -> bool:
        """Whether the noise model uses measured variances (`Dataset.noise_variance`)."""

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
