r"""Experts: one function and its noise, conditioned on rows weighted by responsibilities.

A row with responsibility r (the probability that it belongs to the expert) counts as a row
with noise variance σ²/r. With rows and targets scaled by √r,

    E = log N(√r y; 0, √r K √r + N) + ½ Σ (1 - r) log 2πσ²,      N = diag(σ²)

is the logarithm of ∫ p(f) Π N(y_i; f_i, σ²_i)^{r_i} df, the contribution of the expert to
the variational lower bound (Lázaro-Gredilla, Van Vaerenbergh and Lawrence, Pattern
Recognition 45 (2012) 1386, eq. 9, doi:10.1016/j.patcog.2011.10.004). With responsibilities
of 0 and 1 it is the log evidence of the expert's rows.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from battprob._numerics.linear_algebra import default_jitter
from battprob._parameters import PARAMETER, select
from battprob._typing import Array, Float
from battprob.kernels.base import AbstractKernel
from battprob.models import _gaussian
from battprob.models._scaling import Rows
from battprob.models.linear import _conjugate
from battprob.models.mixture._hierarchy import HierarchicalPrior
from battprob.models.process._draws import posterior_root
from battprob.noise.base import AbstractNoise


class AbstractExpert(eqx.Module):
    """Hyper-parameters of one function and its noise.

    Rows arrive standardised, features and target alike. To write your own expert:

    1. Hold the noise model as `noise`, and all other hyper-parameters as arrays or modules
       of arrays on unconstrained scales.
    2. `specific`: select the hyper-parameters that may differ between protocols.
    3. `log_prior`: return the normalised log density of all hyper-parameters.
    4. `mean_function` and `centred`: return the prior mean of the function, which all
       experts share, and rows with this mean subtracted. All methods below receive centred
       rows and return values relative to this mean.
    5. `log_evidence`: return E, the formula in the docstring of this module.
    6. `solve`: compute once what `function` and `joint` need of the rows.
    7. `function`, `joint`, `prior_variance`: return moments of the function.
    """

    noise: eqx.AbstractVar[AbstractNoise]

    @abstractmethod
    def specific(self) -> "AbstractExpert":
        """The hyper-parameters that may differ between protocols, None for all others."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained hyper-parameters."""

    @abstractmethod
    def mean_function(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Prior mean of the function, the same for all experts."""

    @abstractmethod
    def centred(self, rows: Rows) -> Rows:
        """Rows with the prior mean subtracted from their targets."""

    @abstractmethod
    def log_evidence(
        self, rows: Rows, responsibility: Float[Array, " n"]
    ) -> Float[Array, ""]:
        """E: contribution of the expert to the variational lower bound."""

    @abstractmethod
    def solve(
        self, rows: Rows, responsibility: Float[Array, " n"]
    ) -> tuple[Float[Array, "..."], Float[Array, "q q"]]:
        """Coefficients of the posterior mean, and a Cholesky factor for the variance."""

    @abstractmethod
    def function(
        self,
        solution: tuple,
        rows: Rows,
        responsibility: Float[Array, " n"],
        x: Float[Array, "m d"],
    ) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Posterior mean and variance of the function at `x`.

        Args:
            solution: from `solve`.
            rows: the rows of `solve`.
            responsibility: the responsibilities of `solve`.
            x: standardised features.
        """

    @abstractmethod
    def joint(
        self,
        solution: tuple,
        rows: Rows,
        responsibility: Float[Array, " n"],
        x: Float[Array, "m d"],
    ) -> tuple[Float[Array, " m"], Float[Array, "m q"]]:
        """Posterior mean of the function at `x`, and A with covariance A Aᵀ.

        The arguments are those of `function`.
        """

    @abstractmethod
    def prior_variance(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Prior variance of the function."""


class LinearExpert(AbstractExpert):
    """Linear function with the prior of `_hierarchy`; its weights v are integrated out."""

    hierarchy: HierarchicalPrior
    noise: AbstractNoise

    def specific(self):
        parameters: Any = select(self, PARAMETER)
        nothing = jax.tree.map(lambda _: None, self.hierarchy)
        return eqx.tree_at(lambda node: node.hierarchy, parameters, nothing)

    def log_prior(self):
        return self.hierarchy.log_prior() + self.noise.log_prior()

    def mean_function(self, x):
        return self.hierarchy.mean_function(x)

    def centred(self, rows):
        return rows._replace(y=rows.y - self.mean_function(rows.x))

    def columns(self, x: Float[Array, "m d"]) -> Float[Array, "m r"]:
        """Columns whose weights v are N(0, I) a priori."""
        return self.hierarchy.columns(x)

    def _weighted(self, rows, responsibility):
        root = jnp.sqrt(responsibility)
        variance = noise_variance(self, rows)
        return root[:, None] * self.columns(rows.x), root * rows.y, variance

    def log_evidence(self, rows, responsibility):
        weighted = self._weighted(rows, responsibility)
        return _conjugate.log_evidence(*weighted, responsibility)

    def solve(self, rows, responsibility):
        weights = _conjugate.posterior(*self._weighted(rows, responsibility))
        return weights.mean, weights.factor

    def function(self, solution, rows, responsibility, x):
        columns, _, _ = self._weighted(rows, responsibility)
        weights = _conjugate.Weights(*solution)
        return _conjugate.function(weights, columns, self.columns(x))

    def joint(self, solution, rows, responsibility, x):
        columns, _, _ = self._weighted(rows, responsibility)
        mean, factor = solution
        new = self.columns(x)
        if _conjugate.is_wide(columns):
            v = solve_triangular(factor, columns @ new.T, lower=True)
            return new @ mean, posterior_root(new @ new.T, v)
        return new @ mean, solve_triangular(factor, new.T, lower=True).T

    def prior_variance(self, x):
        return jnp.sum(self.columns(x) ** 2, axis=1)


class ProcessExpert(AbstractExpert):
    """Gaussian process with mean zero."""

    kernel: AbstractKernel
    noise: AbstractNoise

    def specific(self):
        return select(self, PARAMETER)

    def log_prior(self):
        return self.kernel.log_prior() + self.noise.log_prior()

    def mean_function(self, x):
        return jnp.zeros_like(x[:, 0])

    def centred(self, rows):
        return rows

    def _weighted(self, rows, responsibility):
        root = jnp.sqrt(responsibility)
        gram = root[:, None] * self.kernel.gram(rows.x, rows.x) * root[None]
        return root * rows.y, gram + jnp.diag(noise_variance(self, rows))

    def log_evidence(self, rows, responsibility):
        log_noise = jnp.log(2 * jnp.pi * noise_variance(self, rows))
        density = _gaussian.log_density(*self._weighted(rows, responsibility))
        return density + 0.5 * jnp.sum((1 - responsibility) * log_noise)

    def solve(self, rows, responsibility):
        factor, alpha = _gaussian.solve(*self._weighted(rows, responsibility))[1]
        return alpha, factor

    def _cross(self, solution, rows, responsibility, x):
        alpha, factor = solution
        cross = jnp.sqrt(responsibility)[:, None] * self.kernel.gram(rows.x, x)
        return alpha @ cross, solve_triangular(factor, cross, lower=True)

    def function(self, solution, rows, responsibility, x):
        mean, v = self._cross(solution, rows, responsibility, x)
        variance = self.kernel.diagonal(x) - jnp.sum(v**2, axis=0)
        # Rounding can make the difference of two nearly equal numbers negative.
        return mean, jnp.maximum(variance, 0.0)

    def joint(self, solution, rows, responsibility, x):
        mean, v = self._cross(solution, rows, responsibility, x)
        return mean, posterior_root(self.kernel.gram(x, x), v)

    def prior_variance(self, x):
        return self.kernel.diagonal(x)


def noise_variance(expert: AbstractExpert, rows: Rows) -> Float[Array, " n"]:
    """σ² of every row, at least the rounding error of a standardised target."""
    variance = expert.noise.variance(rows.x, rows.known)
    # Measured variances may be zero, and the algebra divides by them.
    return jnp.maximum(variance, default_jitter(variance.dtype))
