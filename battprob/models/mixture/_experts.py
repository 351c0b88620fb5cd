r"""Experts: one function and its noise, taught by rows that are its own only in part.

A row with share r of an expert (the probability that it is the expert's own) counts as a
row with noise variance σ²/r. With all that the shares scale,

    E = log N(√r y; 0, √r K √r + N) + ½ Σ (1 - r) log 2πσ²,      N = diag(σ²)

is the logarithm of ∫ p(f) Π N(y_i; f_i, σ²_i)^{r_i} df, the part of the evidence bound that
is this expert's (Lázaro-Gredilla, Van Vaerenbergh and Lawrence, Pattern Recognition 45
(2012) 1386, eq. 9, doi:10.1016/j.patcog.2011.10.004); with shares of 0 and 1 it is the
evidence of its own rows.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from battprob._numerics.linear_algebra import default_jitter
from battprob._typing import Array, Float
from battprob.kernels.base import AbstractKernel
from battprob.models import _gaussian
from battprob.models._scaling import Rows
from battprob.models.linear import _conjugate
from battprob.models.mixture._common import Common
from battprob.models.process._draws import root_of_rest
from battprob.noise.base import AbstractNoise


class AbstractExpert(eqx.Module):
    """Hyper-parameters of one function and its noise, and what can be asked of them.

    `solved` is what `solve` answers: the function given rows, each with its share.
    """

    noise: eqx.AbstractVar[AbstractNoise]

    @abstractmethod
    def varies(self) -> Any:
        """Of every leaf, whether it may be another one in another protocol."""

    @abstractmethod
    def log_prior(self) -> Float[Array, ""]:
        """Log density of the unconstrained hyper-parameters."""

    @abstractmethod
    def centred(self, rows: Rows) -> Rows:
        """Rows whose targets are departures from what the experts have in common."""

    @abstractmethod
    def centre(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """The function that those of all experts scatter around."""

    @abstractmethod
    def log_evidence(self, rows: Rows, share: Float[Array, " n"]) -> Float[Array, ""]:
        """E of this file's head."""

    @abstractmethod
    def solve(
        self, rows: Rows, share: Float[Array, " n"]
    ) -> tuple[Float[Array, "..."], Float[Array, "q q"]]:
        """Coefficients of the mean, and the Cholesky factor of what is left."""

    @abstractmethod
    def function(
        self, solved: tuple, rows: Rows, share: Float[Array, " n"], x: Array
    ) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Mean and variance of the function at rows of `x`."""

    @abstractmethod
    def joint(
        self, solved: tuple, rows: Rows, share: Float[Array, " n"], x: Array
    ) -> tuple[Float[Array, " m"], Float[Array, "m q"]]:
        """Mean of the function at rows of `x`, and a root of its covariance."""

    @abstractmethod
    def prior_variance(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Variance of the function before any row was seen."""


class LinearExpert(AbstractExpert):
    """Intercept and weights, which depart from common ones; departures are integrated out."""

    common: Common
    noise: AbstractNoise

    def varies(self):
        everything = jax.tree.map(lambda _: True, self)
        none = jax.tree.map(lambda _: False, self.common)
        return eqx.tree_at(lambda own: own.common, everything, none)

    def log_prior(self):
        return self.common.log_prior() + self.noise.log_prior()

    def centred(self, rows):
        return rows._replace(y=rows.y - self.centre(rows.x))

    def centre(self, x):
        return self.common.function(x)

    def columns(self, x: Float[Array, "m d"]) -> Float[Array, "m r"]:
        """Columns whose weights, the departures, are N(0, 1) a priori."""
        return self.common.columns(x)

    def _own(self, rows, share):
        root = jnp.sqrt(share)
        variance = noise_variance(self, rows)
        return root[:, None] * self.columns(rows.x), root * rows.y, variance

    def log_evidence(self, rows, share):
        return _conjugate.log_evidence(*self._own(rows, share), share)

    def solve(self, rows, share):
        weights = _conjugate.posterior(*self._own(rows, share))
        return weights.mean, weights.factor

    def function(self, solved, rows, share, x):
        columns, _, _ = self._own(rows, share)
        weights = _conjugate.Weights(*solved)
        return _conjugate.function(weights, columns, self.columns(x))

    def joint(self, solved, rows, share, x):
        columns, _, _ = self._own(rows, share)
        mean, factor = solved
        new = self.columns(x)
        if _conjugate.is_wide(columns):
            v = solve_triangular(factor, columns @ new.T, lower=True)
            return new @ mean, root_of_rest(new @ new.T, v)
        return new @ mean, solve_triangular(factor, new.T, lower=True).T

    def prior_variance(self, x):
        return jnp.sum(self.columns(x) ** 2, axis=1)


class ProcessExpert(AbstractExpert):
    """A Gaussian process."""

    kernel: AbstractKernel
    noise: AbstractNoise

    def varies(self):
        return jax.tree.map(lambda _: True, self)

    def log_prior(self):
        return self.kernel.log_prior() + self.noise.log_prior()

    def centred(self, rows):
        return rows

    def centre(self, x):
        return jnp.zeros_like(x[:, 0])

    def _covariance(self, rows, share):
        root = jnp.sqrt(share)
        gram = root[:, None] * self.kernel.gram(rows.x, rows.x) * root[None]
        return root * rows.y, gram + jnp.diag(noise_variance(self, rows))

    def log_evidence(self, rows, share):
        surplus = (1 - share) * jnp.log(2 * jnp.pi * noise_variance(self, rows))
        density = _gaussian.log_density(*self._covariance(rows, share))
        return density + 0.5 * jnp.sum(surplus)

    def solve(self, rows, share):
        factor, alpha = _gaussian.solve(*self._covariance(rows, share))[1]
        return alpha, factor

    def _parts(self, solved, rows, share, x):
        alpha, factor = solved
        cross = jnp.sqrt(share)[:, None] * self.kernel.gram(rows.x, x)
        return alpha @ cross, solve_triangular(factor, cross, lower=True)

    def function(self, solved, rows, share, x):
        mean, v = self._parts(solved, rows, share, x)
        left = self.kernel.diagonal(x) - jnp.sum(v**2, axis=0)
        return mean, jnp.maximum(left, 0.0)

    def joint(self, solved, rows, share, x):
        mean, v = self._parts(solved, rows, share, x)
        return mean, root_of_rest(self.kernel.gram(x, x), v)

    def prior_variance(self, x):
        return self.kernel.diagonal(x)


def noise_variance(expert: AbstractExpert, rows: Rows) -> Float[Array, " n"]:
    """σ² of every row; nothing is measured better than it is stored."""
    level = expert.noise.variance(rows.x, rows.known)
    return jnp.maximum(level, default_jitter(level.dtype))
