"""Stationary kernels, functions of the distance of two rows: the Matérn family."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import resolve_columns, select_columns
from battprob._modules import replace
from battprob._parameters import fixed_field, log_parameter, positive
from battprob._typing import Array, ArrayLike, Float
from battprob.kernels._matern import matern12, matern32, matern52, squared_distance
from battprob.kernels._scale_prior import log_prior_of_scale
from battprob.kernels.base import AbstractKernel


class AbstractStationary(AbstractKernel):
    r"""$s^2\,\rho(r^2)$ with $r^2 = \sum_j (x_j - x'_j)^2/\ell_j^2$.

    To write your own kernel of this kind:

    1. Subclass it, `class Own(AbstractStationary, init=False)`, and decorate the class
       with `@battprob.register`. (`init=False` is for static type checkers.)
    2. Define `correlation`, a function of the squared distance r² with ρ(0) = 1 whose
       derivatives are finite at 0. Rows are standardised and divided by the lengthscales.
    3. Add the kernel to the dictionary in `tests/contract/test_kernels.py`.

    Args:
        lengthscale: initial ℓ: one value for each feature, or one value that is
            multiplied by √d for d features.
        variance: initial value of s².
        features: names or column indices of the features used; default all.
        ard: one lengthscale for every feature (automatic relevance determination); False:
            one for all features.
        log_variance_prior_std: standard deviation of log s² about 0, for a function that
            is known to vary about as much as the target does; None selects the prior
            below.

    Priors, on standardised features: log ℓ ~ N(log 2√d, 1²), where √d accounts for the
    growth of distances with the number of features (Hvarfner et al. 2024,
    arXiv:2402.02229); and s ~ Exponential(3), so that P(s > 1) = 0.05. The latter is a
    penalised-complexity prior (Simpson et al. 2017, doi:10.1214/16-STS576): it removes a
    term of a sum of kernels that the data do not support.
    """

    log_lengthscale: Float[Array, "..."]
    log_variance: Float[Array, ""]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)
    ard: bool = eqx.field(static=True)
    log_variance_prior_std: Float[Array, ""] | None = fixed_field()

    def __init__(
        self,
        lengthscale: ArrayLike = 1.0,
        variance: ArrayLike = 1.0,
        *,
        features: Sequence[str | int] | None = None,
        ard: bool = True,
        log_variance_prior_std: ArrayLike | None = None,
    ):
        self.log_lengthscale = log_parameter(lengthscale, "lengthscale")
        self.log_variance = log_parameter(variance, "variance")
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.ard = ard
        self.log_variance_prior_std = (
            None
            if log_variance_prior_std is None
            else positive("log_variance_prior_std", log_variance_prior_std)
        )

    def __init_subclass__(cls, *, init: bool = False, **kwargs):
        # `init=False` tells type checkers, which would otherwise derive a constructor from
        # the fields, that subclasses have the one above.
        del init
        super().__init_subclass__(**kwargs)

    @abstractmethod
    def correlation(self, squared: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """ρ as a function of the squared scaled distance r²; ρ(0) = 1."""

    @property
    def lengthscale(self) -> Float[Array, "..."]:
        """ℓ, in the units of the features that the kernel receives."""
        return jnp.exp(self.log_lengthscale)

    @property
    def variance(self) -> Float[Array, "..."]:
        """s², the prior variance of the function."""
        return jnp.exp(self.log_variance)

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        start = np.asarray(self.log_lengthscale)
        if start.ndim == 0:
            # With d features, differences of one unit in each are a distance of √d.
            start = start + 0.5 * math.log(len(columns))
        shape = (len(columns),) if self.ard else ()
        start = jnp.asarray(np.broadcast_to(start, shape))
        return replace(self, columns=columns, log_lengthscale=start)

    def log_prior(self):
        num_columns = 1 if self.columns is None else len(self.columns)
        prior_mean = math.log(2.0) + 0.5 * math.log(num_columns)
        lengthscale = jnp.sum(norm.logpdf(self.log_lengthscale, prior_mean))
        if self.log_variance_prior_std is None:
            return lengthscale + log_prior_of_scale(self.log_variance)
        variance = norm.logpdf(self.log_variance, 0.0, self.log_variance_prior_std)
        return lengthscale + variance

    def gram(self, x1, x2):
        inverse = jnp.exp(-jnp.atleast_2d(self.log_lengthscale))
        z1, z2 = (select_columns(x, self.columns) * inverse for x in (x1, x2))
        return self.variance * self.correlation(squared_distance(z1, z2))

    def diagonal(self, x):
        return jnp.broadcast_to(self.variance, x.shape[:1])


class RBF(AbstractStationary, init=False):
    r"""Squared exponential, $\rho = e^{-r^2/2}$: infinitely smooth functions.

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eq. 4.9.
    """

    def correlation(self, squared):
        return jnp.exp(-0.5 * squared)


class Matern12(AbstractStationary, init=False):
    r"""$\rho = e^{-r}$: continuous, rough functions (Ornstein-Uhlenbeck)."""

    def correlation(self, squared):
        return matern12(squared)


class Matern32(AbstractStationary, init=False):
    r"""$\rho = (1 + \sqrt3 r) e^{-\sqrt3 r}$: once differentiable functions."""

    def correlation(self, squared):
        return matern32(3 * squared)


class Matern52(AbstractStationary, init=False):
    r"""$\rho = (1 + \sqrt5 r + 5r^2/3) e^{-\sqrt5 r}$: twice differentiable functions.

    References:
        Rasmussen and Williams (2006), eq. 4.17.
    """

    def correlation(self, squared):
        return matern52(5 * squared)
