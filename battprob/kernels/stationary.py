"""Kernels of the distance between two rows: the Matérn family."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import pick, resolve_columns
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels._matern import matern12, matern32, matern52, squared_distance
from battprob.kernels._scale import log_parameter, log_prior_of_scale
from battprob.kernels.base import AbstractKernel


class AbstractStationary(AbstractKernel):
    r"""$s^2\,\rho(r^2)$ with $r^2 = \sum_j (x_j - x'_j)^2/\ell_j^2$.

    Args:
        lengthscale: where the search starts; one each, or one that √d widens for all.
        variance: where the search for s² starts.
        features: names or positions of the columns seen; default all.
        ard: a lengthscale for every feature (automatic relevance determination); False
            shares one.
        scale_spread: standard deviation of log s² about 0, for a function that is known
            to vary about as much as the target does; None takes the prior below.

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
    scale_spread: float | None = eqx.field(static=True)

    def __init__(
        self,
        lengthscale: ArrayLike = 1.0,
        variance: ArrayLike = 1.0,
        *,
        features: Sequence[str | int] | None = None,
        ard: bool = True,
        scale_spread: float | None = None,
    ):
        self.log_lengthscale = log_parameter(lengthscale)
        self.log_variance = log_parameter(variance)
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.ard = ard
        self.scale_spread = scale_spread

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
        if self.scale_spread is None:
            return lengthscale + log_prior_of_scale(self.log_variance)
        return lengthscale + norm.logpdf(self.log_variance, 0.0, self.scale_spread)

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
