"""Bounds, plain uncertainty, and chance: acquisitions of the mean and the spread."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.design._fantasies import (
    Given,
    after,
    choose_draws,
    draw_function,
    run_tests,
)
from battprob.design._posterior_view import (
    as_rows,
    function_law,
    noise_variance,
    require_gaussian,
)
from battprob.design.acquisition import AbstractAcquisition, prepared


class UCB(AbstractAcquisition):
    r"""Upper confidence bound, $\mu(x) + \kappa\,s(x)$.

    s² is the epistemic variance, or with `total` the aleatoric one too. Tests still
    running narrow s as if they were done (Desautels et al. 2014, section 3.2).

    Args:
        width: κ; below zero it is the lower bound, what a row is good for at least.
        total: whether to count the noise of a test, as in how far an outcome may reach.

    References:
        Srinivas et al., ICML (2010), arXiv:0912.3995, eq. 6; Desautels, Krause and Burdick,
        J. Mach. Learn. Res. 15 (2014) 4053.
    """

    width: Float[Array, ""]
    total: bool = eqx.field(static=True)
    given: Given | None

    def __init__(self, width: ArrayLike = 2.0, *, total: bool = False):
        self.width = jnp.asarray(width, jnp.result_type(float))
        self.total = total
        self.given = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference, key
        return replace(self, given=run_tests(posterior, pending))

    def values(self, posterior, x):
        mean, variance = function_law(after(posterior, self.given), x).moments()
        if self.total:
            variance = variance + noise_variance(posterior, x)
        return mean + self.width * safe_sqrt(variance)


class Epistemic(AbstractAcquisition):
    """Epistemic variance: test where least is known, not where the instrument is noisy.

    Active learning of the function as a whole; see `IntegratedVariance` for what a test
    teaches of other rows. Tests still running count as done.

    References:
        MacKay, Neural Computation 4 (1992) 590, doi:10.1162/neco.1992.4.4.590.
    """

    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference, key
        return Epistemic(run_tests(posterior, pending))

    def values(self, posterior, x):
        return function_law(after(posterior, self.given), x).moments()[1]


class Thompson(AbstractAcquisition):
    """One joint draw of the function: each row is chosen as often as it may be the best.

    Drawn at the reference rows; between them it is what these values lead to expect.
    Batches take a new draw each, and tests still running need no care, for the draws
    differ (Kandasamy et al. 2018, AISTATS, arXiv:1705.09236).

    References:
        Thompson, Biometrika 25 (1933) 285, doi:10.1093/biomet/25.3-4.285.
    """

    given: Given | None = None
    chosen: Int[Array, ""] | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del pending
        require_gaussian(posterior, "Thompson")
        key_draw, key_function = jax.random.split(key)
        rows = np.unique(as_rows(reference), axis=0)
        given = draw_function(posterior, rows, key=key_function, num=1)
        return Thompson(given, choose_draws(posterior, given, key=key_draw))

    def values(self, posterior, x):
        given, chosen = prepared(self.given, self), prepared(self.chosen, self)
        return function_law(after(posterior, given), x).mean[chosen]
