"""Acquisitions of the mean and the variance: bounds, variance alone, Thompson sampling."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    mean_fantasies,
    sample_draw_index,
    sample_function,
)
from battprob.design._posterior_view import (
    as_rows,
    expected_noise_variance,
    function_marginals,
    require_function_moments,
)
from battprob.design.acquisition import AbstractAcquisition, prepared


class UCB(AbstractAcquisition):
    r"""Upper confidence bound, $\mu(x) + \kappa\,s(x)$.

    s² is the epistemic variance; with `total`, the sum of epistemic and aleatoric
    variance. Pending tests reduce s as if they were complete (Desautels et al. 2014,
    section 3.2).

    Args:
        width: κ. A negative value gives the lower confidence bound.
        total: whether s² includes the noise of one test.

    References:
        Srinivas et al., ICML (2010), arXiv:0912.3995, eq. 6; Desautels, Krause and Burdick,
        J. Mach. Learn. Res. 15 (2014) 4053.
    """

    width: Float[Array, ""]
    total: bool = eqx.field(static=True)
    fantasies: Fantasies | None

    def __init__(self, width: ArrayLike = 2.0, *, total: bool = False):
        self.width = jnp.asarray(width, jnp.result_type(float))
        self.total = total
        self.fantasies = None

    def prepare(self, posterior, reference, *, key, pending=None):
        return replace(self, fantasies=mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        conditioned = condition_on(posterior, self.fantasies)
        mean, variance = function_marginals(conditioned, x).moments()
        if self.total:
            variance = variance + expected_noise_variance(posterior, x)
        return mean + self.width * safe_sqrt(variance)


class Epistemic(AbstractAcquisition):
    """Epistemic variance: tests where the function is most uncertain.

    This is active learning of the whole function. Unlike the total variance, it does not
    choose rows because their noise is large. `IntegratedVariance` also counts what a test
    teaches about other rows. Pending tests count as complete.

    References:
        MacKay, Neural Computation 4 (1992) 590, doi:10.1162/neco.1992.4.4.590.
    """

    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        return Epistemic(mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        conditioned = condition_on(posterior, self.fantasies)
        return function_marginals(conditioned, x).moments()[1]


class Thompson(AbstractAcquisition):
    """Thompson sampling: the value of each row is that of one random function.

    The function is drawn jointly at the reference rows; between them it is the posterior
    mean given these values. A row is chosen with the probability that it is the best.
    Each test of a batch gets a new draw. Pending tests are ignored, because the draws
    differ (Kandasamy et al. 2018, AISTATS, arXiv:1705.09236).

    References:
        Thompson, Biometrika 25 (1933) 285, doi:10.1093/biomet/25.3-4.285.
    """

    fantasies: Fantasies | None = None
    draw_index: Int[Array, ""] | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "Thompson")
        key_index, key_function = jax.random.split(key)
        rows = np.unique(as_rows(reference), axis=0)
        fantasies = sample_function(posterior, rows, key=key_function, num=1)
        index = sample_draw_index(posterior, fantasies, key=key_index)
        return Thompson(fantasies, index)

    def values(self, posterior, x):
        fantasies = prepared(self.fantasies, self)
        index = prepared(self.draw_index, self)
        return function_marginals(condition_on(posterior, fantasies), x).mean[index]
