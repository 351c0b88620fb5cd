"""Priors that shrink weights: all alike, or each by its own scale."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm

from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.priors.base import (
    AbstractPrior,
    exponential,
    share,
    standard_normal,
)


class Ridge(AbstractPrior):
    r"""$w_j \sim N(0, \tau/d)$: every feature matters a little.

    For dense physics: many features that are small parts of one mechanism, or points of
    one curve. With `Constant` noise the posterior is exact but for a small quadrature.

    Prior: log τ ~ N(0, 1.5²): the features explain about as much as the target varies.

    Example:
        >>> Ridge().bind(["rate", "temperature"], num_rows=20).scales().round(3).tolist()
        [0.707, 0.707]

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    level: Float[Array, ""]
    num_features: int = eqx.field(static=True)

    def __init__(self):
        self.level, self.num_features = _zero(), 0

    def bind(self, feature_names, num_rows):
        del num_rows
        return replace(self, num_features=len(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        each = jnp.sqrt(share(self.level, self.num_features))
        return jnp.broadcast_to(each, (self.num_features,))


class ARD(AbstractPrior):
    r"""$w_j \sim N(0, \alpha_j)$, $\log\alpha_j \sim N(\log(\tau/d), 2^2)$.

    Automatic relevance determination: for features whose relevance differs by orders of
    magnitude, none of them expected to be nought. A typical feature of prior standard
    deviation s has neighbours between s/e and e·s.

    Prior: log τ ~ N(0, 1.5²).

    References:
        MacKay, Bayesian non-linear modelling for the prediction competition, ASHRAE
        Trans. 100 (1994) 1053; here with a proper prior of the scales.
    """

    level: Float[Array, ""]
    local: Float[Array, "..."]

    def __init__(self):
        self.level = self.local = _zero()

    def bind(self, feature_names, num_rows):
        del num_rows
        return replace(self, local=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        return jnp.sqrt(share(self.level, self.local.size)) * jnp.exp(self.local)


class Lasso(AbstractPrior):
    r"""$p(w_j) = \frac{\lambda}{2} e^{-\lambda |w_j|}$, the double exponential law.

    For many features with effects of very different size, few of them exactly nought.
    Given λ its mode is the lasso's; the posterior is averaged, not at that mode.

    It is N(0, v_j) with exponential v_j of mean $2/\lambda^2 = \tau/d$.

    Prior: log τ ~ N(0, 1.5²).

    References:
        Park and Casella, J. Am. Stat. Assoc. 103 (2008) 681, eq. 4,
        doi:10.1198/016214508000000337.
    """

    level: Float[Array, ""]
    local: Float[Array, "..."]

    def __init__(self):
        self.level = self.local = _zero()

    def bind(self, feature_names, num_rows):
        del num_rows
        return replace(self, local=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        variance = share(self.level, self.local.size) * exponential(self.local)
        return jnp.sqrt(variance)


class ElasticNet(AbstractPrior):
    r"""$p(w_j) \propto \exp(-a |w_j|/g - w_j^2/2g^2)$, between `Ridge` and `Lasso`.

    For correlated families of features: those that say the same share an effect, where a
    lasso picks one of them by chance.

    It is N(0, v_j) with $v_j = g^2 (1 - a^2/q_j^2)$ and q_j standard normal beyond a:
    eq. 4 of Li and Lin, in which $1/(1 - v_j/g^2) = q_j^2/a^2$ is gamma beyond one. The
    variance of w_j is τ/d, so that a only says how pointed the law is.

    Prior: log τ ~ N(0, 1.5²), log a ~ N(0, 1): from nearly a ridge to nearly a lasso.

    References:
        Li and Lin, Bayesian Anal. 5 (2010) 151, doi:10.1214/10-BA506.
    """

    level: Float[Array, ""]
    log_pointedness: Float[Array, ""]
    local: Float[Array, "..."]

    def __init__(self):
        self.level = self.log_pointedness = self.local = _zero()

    def bind(self, feature_names, num_rows):
        del num_rows
        return replace(self, local=_zeros(feature_names))

    def log_prior(self):
        return standard_normal(self)

    def scales(self):
        a = jnp.exp(jnp.clip(self.log_pointedness, -_REACH, _REACH))
        q = -ndtri(ndtr(-a) * ndtr(-self.local))
        # A standard normal beyond a has mean h, and E[(q - a)²] = 1 + a² - a h.
        hazard = norm.pdf(a) / ndtr(-a)
        unit = share(self.level, self.local.size) / (1 + a**2 - a * hazard)
        return jnp.sqrt(unit * jnp.maximum(1 - (a / q) ** 2, _LEAST))


def _zero():
    return jnp.zeros((), jnp.result_type(float))


def _zeros(feature_names):
    return jnp.asarray(np.zeros(len(feature_names)), jnp.result_type(float))


# Beyond e^{±2.3} the law is a ridge or a lasso to all purposes, and its tail underflows.
_REACH = 2.3
_LEAST = 1e-12
