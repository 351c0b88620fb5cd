"""Priors that shrink weights: by one common scale, or each by a scale of its own."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm

from battprob._modules import replace
from battprob._parameters import as_array
from battprob._typing import Array, Float
from battprob.priors.base import (
    AbstractPrior,
    exponential_quantile,
    standard_normal,
    weight_variance,
)


class Ridge(AbstractPrior):
    r"""$w_j \sim N(0, \tau/d)$: every feature has a small effect.

    For many features that are small parts of one mechanism, or points of one curve. With
    `Constant` noise the posterior is exact up to a two-dimensional quadrature.

    Prior: log τ ~ N(0, 1.5²): the features explain about as much variance as the target
    has.

    Example:
        >>> Ridge().bind(["rate", "temperature"], num_rows=20).scales().round(3).tolist()
        [0.707, 0.707]

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    z_tau: Float[Array, ""]
    num_features: int = eqx.field(static=True)

    def __init__(self):
        self.z_tau, self.num_features = as_array(0.0), 0

    def bind(self, feature_names, num_rows):
        return replace(self, num_features=len(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        scale = jnp.sqrt(weight_variance(self.z_tau, self.num_features))
        return jnp.broadcast_to(scale, (self.num_features,))


class ARD(AbstractPrior):
    r"""$w_j \sim N(0, \alpha_j)$, $\log\alpha_j \sim N(\log(\tau/d), 2^2)$.

    Automatic relevance determination: for features whose relevance differs by orders of
    magnitude, although none has exactly no effect. The prior standard deviations of the
    weights differ by factors of e (one standard deviation of their logarithms).

    Prior: log τ ~ N(0, 1.5²).

    References:
        MacKay, Bayesian non-linear modelling for the prediction competition, ASHRAE
        Trans. 100 (1994) 1053; here with a proper prior of the scales.
    """

    z_tau: Float[Array, ""]
    z_alpha: Float[Array, "..."]

    def __init__(self):
        self.z_tau = self.z_alpha = as_array(0.0)

    def bind(self, feature_names, num_rows):
        return replace(self, z_alpha=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        variance = weight_variance(self.z_tau, self.z_alpha.size)
        return jnp.sqrt(variance) * jnp.exp(self.z_alpha)


class Lasso(AbstractPrior):
    r"""$p(w_j) = \frac{\lambda}{2} e^{-\lambda |w_j|}$, the double exponential density.

    For many features with effects of very different size, few of them exactly zero. The
    mode for given λ is the lasso estimate; predictions average over the posterior and do
    not use that mode.

    Given v_j, w_j is N(0, v_j), and v_j is exponential with mean $2/\lambda^2 = \tau/d$.

    Prior: log τ ~ N(0, 1.5²).

    References:
        Park and Casella, J. Am. Stat. Assoc. 103 (2008) 681, eq. 4,
        doi:10.1198/016214508000000337.
    """

    z_tau: Float[Array, ""]
    z_variance: Float[Array, "..."]

    def __init__(self):
        self.z_tau = self.z_variance = as_array(0.0)

    def bind(self, feature_names, num_rows):
        return replace(self, z_variance=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        mean = weight_variance(self.z_tau, self.z_variance.size)
        return jnp.sqrt(mean * exponential_quantile(self.z_variance))


class ElasticNet(AbstractPrior):
    r"""$p(w_j) \propto \exp(-a |w_j|/g - w_j^2/2g^2)$, between `Ridge` and `Lasso`.

    For groups of correlated features: features with the same information divide an effect
    between them, while a lasso selects one of them by chance.

    Given v_j, w_j is N(0, v_j) with $v_j = g^2 (1 - a^2/q_j^2)$ and q_j a standard normal
    variable truncated to q_j > a: eq. 4 of Li and Lin, in which
    $1/(1 - v_j/g^2) = q_j^2/a^2$ is a truncated gamma variable. g is chosen so that the
    variance of w_j is τ/d: a changes the shape of the density and not its variance.

    Prior: log τ ~ N(0, 1.5²), log a ~ N(0, 1): from nearly a ridge to nearly a lasso.

    References:
        Li and Lin, Bayesian Anal. 5 (2010) 151, doi:10.1214/10-BA506.
    """

    z_tau: Float[Array, ""]
    log_a: Float[Array, ""]
    z_variance: Float[Array, "..."]

    def __init__(self):
        self.z_tau = self.log_a = self.z_variance = as_array(0.0)

    def bind(self, feature_names, num_rows):
        return replace(self, z_variance=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        a = jnp.exp(jnp.clip(self.log_a, -_MAX_LOG_A, _MAX_LOG_A))
        q = -ndtri(ndtr(-a) * ndtr(-self.z_variance))
        # With h the hazard rate of the standard normal at a, integration by parts gives
        # E[v_j]/g² = E[1 - a²/q²] = 1 + a² - a h.
        hazard = norm.pdf(a) / ndtr(-a)
        g_squared = weight_variance(self.z_tau, self.z_variance.size)
        g_squared = g_squared / (1 + a**2 - a * hazard)
        return jnp.sqrt(g_squared * jnp.maximum(1 - (a / q) ** 2, _SMALLEST))


def _zeros(feature_names):
    return jnp.asarray(np.zeros(len(feature_names)), jnp.result_type(float))


# Beyond, the density is practically that of a ridge or a lasso, and Φ(-a) underflows.
_MAX_LOG_A = 2.3
# q rounds to a for very negative z, and the derivative of √0 is infinite.
_SMALLEST = 1e-12
