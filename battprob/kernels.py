"""Kernels: covariance of a function between two rows of features.

A kernel's array leaves are its parameters on an unconstrained scale (logarithms), and
`log_prior` is their log density on that scale: whoever fits a kernel needs nothing else.
Features come standardised and the target has unit variance, which is what the priors
are made for.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import pick, resolve_columns
from battprob._matern import matern12, matern32, matern52, squared_distance
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float


class AbstractKernel(eqx.Module):
    """Positive definite function of two rows.

    To write your own: hold unconstrained parameters as arrays, and define `bind` (give
    them their shapes), `log_prior`, `gram` and `diagonal`.
    """

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


class AbstractStationary(AbstractKernel):
    r"""$s^2\,\rho(r^2)$ with $r^2 = \sum_j (x_j - x'_j)^2/\ell_j^2$.

    Args:
        lengthscale: where the search starts; one each, or one that √d widens for all.
        variance: where the search for s² starts.
        features: names or positions of the columns seen; default all.
        ard: a lengthscale for every feature (automatic relevance determination); False
            shares one.

    Priors, on standardised features: log ℓ ~ N(log 2√d, 1²), the √d because distances
    grow so (Hvarfner et al. 2024, arXiv:2402.02229); and s ~ Exponential(3), so that
    P(s > 1) = 0.05: a penalised-complexity prior (Simpson et al. 2017,
    doi:10.1214/16-STS576) that gives up a part of a sum which the data do not ask for.
    """

    log_lengthscale: Float[Array, "..."]
    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)
    ard: bool = eqx.field(static=True)

    def __init__(
        self,
        lengthscale: ArrayLike = 1.0,
        variance: ArrayLike = 1.0,
        *,
        features: Sequence[str | int] | None = None,
        ard: bool = True,
    ):
        self.log_lengthscale = _log(lengthscale)
        self.log_variance = _log(variance)
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.ard = ard

    @abstractmethod
    def correlation(self, squared: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """ρ as a function of the squared scaled distance r²; ρ(0) = 1."""

    @property
    def lengthscale(self) -> Float[Array, "..."]:
        """ℓ, in units of the features given."""
        return jnp.exp(self.log_lengthscale)

    @property
    def variance(self) -> Float[Array, "..."]:
        """s², the prior variance of the function."""
        return jnp.exp(self.log_variance)

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        start = np.asarray(self.log_lengthscale)
        if start.ndim == 0:
            # With several features, one unit of distance along each adds up to √d.
            start = start + 0.5 * math.log(len(columns))
        shape = (len(columns),) if self.ard else ()
        start = jnp.asarray(np.broadcast_to(start, shape))
        return replace(self, columns=columns, log_lengthscale=start)

    def log_prior(self):
        num_columns = 1 if self.columns is None else len(self.columns)
        centre = math.log(2.0) + 0.5 * math.log(num_columns)
        lengthscale = jnp.sum(norm.logpdf(self.log_lengthscale, centre))
        return lengthscale + _log_prior_of_scale(self.log_variance)

    def gram(self, x1, x2):
        shrink = jnp.exp(-jnp.atleast_2d(self.log_lengthscale))
        z1, z2 = (pick(x, self.columns) * shrink for x in (x1, x2))
        return self.variance * self.correlation(squared_distance(z1, z2))

    def diagonal(self, x):
        return jnp.broadcast_to(self.variance, x.shape[:1])


class RBF(AbstractStationary):
    r"""Squared exponential, $\rho = e^{-r^2/2}$: infinitely smooth functions.

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eq. 4.9.
    """

    def correlation(self, squared):
        return jnp.exp(-0.5 * squared)


class Matern12(AbstractStationary):
    r"""$\rho = e^{-r}$: continuous, rough functions (Ornstein-Uhlenbeck)."""

    def correlation(self, squared):
        return matern12(squared)


class Matern32(AbstractStationary):
    r"""$\rho = (1 + \sqrt3 r) e^{-\sqrt3 r}$: once differentiable functions."""

    def correlation(self, squared):
        return matern32(3 * squared)


class Matern52(AbstractStationary):
    r"""$\rho = (1 + \sqrt5 r + 5r^2/3) e^{-\sqrt5 r}$: twice differentiable functions.

    References:
        Rasmussen and Williams (2006), eq. 4.17.
    """

    def correlation(self, squared):
        return matern52(5 * squared)


class Linear(AbstractKernel):
    r"""$s^2\, x^\top x'$: straight lines through the mean of the data.

    Args:
        variance: where the search for d s² starts, with d features.
        features: names or positions of the columns seen; default all.

    Prior: log s² ~ N(-log d, 1.5²), so that all slopes together have unit variance.
    """

    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(
        self,
        variance: ArrayLike = 1.0,
        *,
        features: Sequence[str | int] | None = None,
    ):
        self.log_variance = _log(variance)
        self.features = None if features is None else tuple(features)
        self.columns = None

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        start = np.asarray(self.log_variance) - math.log(len(columns))
        return replace(self, columns=columns, log_variance=jnp.asarray(start))

    def log_prior(self):
        num_columns = 1 if self.columns is None else len(self.columns)
        return norm.logpdf(self.log_variance, -math.log(num_columns), 1.5)

    def gram(self, x1, x2):
        z1, z2 = (pick(x, self.columns) for x in (x1, x2))
        return jnp.exp(self.log_variance) * (z1 @ z2.T)

    def diagonal(self, x):
        square = jnp.sum(pick(x, self.columns) ** 2, axis=1)
        return jnp.exp(self.log_variance) * square


class Categorical(AbstractKernel):
    r"""$s^2\,[x = x']$: an offset of its own for every level of a coded category.

    For batches, protocols, instruments, electrolytes: rows that agree in all the chosen
    columns share an offset, drawn from N(0, s²); a level not seen in training has the
    variance s² of any, so that a new batch gets honestly wider intervals.

    Args:
        features: names or positions of the columns that hold the codes, any numbers.
        variance: where the search for s² starts.

    Prior: s ~ Exponential(3), as for stationary kernels: two or three levels hardly tell
    the spread of all.
    """

    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, features: Sequence[str | int], variance: ArrayLike = 0.1):
        self.log_variance = _log(variance)
        self.features = tuple(features)
        self.columns = None

    def bind(self, feature_names):
        return replace(self, columns=resolve_columns(self.features, feature_names))

    def log_prior(self):
        return _log_prior_of_scale(self.log_variance)

    def gram(self, x1, x2):
        z1, z2 = (pick(x, self.columns) for x in (x1, x2))
        same = jnp.all(z1[:, None, :] == z2[None, :, :], axis=-1)
        return jnp.where(same, jnp.exp(self.log_variance), 0.0)

    def diagonal(self, x):
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])


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


def _log_prior_of_scale(log_variance: Float[Array, ""]) -> Float[Array, ""]:
    """Log density of log s² for s ~ Exponential(3)."""
    scale = jnp.exp(0.5 * log_variance)
    log_exponential = math.log(_SCALE_RATE) - _SCALE_RATE * scale
    return log_exponential + 0.5 * log_variance - math.log(2)  # ds / d log s² = s / 2


_SCALE_RATE = 3.0  # -log P(s > 1)


def _log(value: ArrayLike) -> Array:
    """Logarithm of a positive setting, as an array so that changing it retraces nothing."""
    return jnp.asarray(np.log(value), jnp.result_type(float))
