"""Repeat a test or run a new one: acquisitions that depend on the noise of one test."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.design._fantasies import Fantasies, condition_on, mean_fantasies
from battprob.design._posterior_view import (
    as_rows,
    expected_noise_variance,
    function_marginals,
    observed_rows,
)
from battprob.design.acquisition import (
    AbstractAcquisition,
    AbstractLogAcquisition,
    prepared,
)
from battprob.design.confidence import UCB
from battprob.design.improvement import log_expected_improvement


class AugmentedEI(AbstractLogAcquisition):
    r"""Log expected improvement, reduced where one noisy outcome reveals little.

    $\log E(f(x) - f^\star)_+ + \log(1 - \tau(x)/\sqrt{v(x) + \tau(x)^2})$ with τ²(x) the
    noise variance and v the epistemic variance. Pending tests reduce v as if they were
    complete.

    Args:
        best: f*, on the scale of the model; default the posterior mean at the observed
            row with the largest mean less one epistemic standard deviation.

    References:
        Huang, Allen, Notz and Zeng, J. Glob. Optim. 34 (2006) 441, eqs 10 and 11,
        doi:10.1007/s10898-005-2454-3 (with the same noise at all rows).
    """

    best: Float[Array, ""] | None
    fantasies: Fantasies | None

    def __init__(self, best: ArrayLike | None = None):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.fantasies = None

    def prepare(self, posterior, reference, *, key, pending=None):
        best = self.best
        if best is None:
            rows = observed_rows(posterior)
            safest = int(np.argmax(UCB(-1.0)(posterior, rows)))
            best = UCB(0.0)(posterior, rows)[safest]
        return replace(self, best=best, fantasies=mean_fantasies(posterior, pending))

    def values(self, posterior, x):
        best = prepared(self.best, self)
        marginals = function_marginals(condition_on(posterior, self.fantasies), x)
        best = jnp.broadcast_to(best, marginals.mean.shape[:1])
        gain = log_expected_improvement(marginals, best)
        improvement = logsumexp(marginals.log_weight + gain, axis=0)
        variance = marginals.moments()[1]
        noise = expected_noise_variance(posterior, x)
        total = jnp.sqrt(variance + noise)
        # 1 - τ/s = v/(s (s + τ)): no difference, so no cancellation where v is small.
        factor = jnp.log(variance) - jnp.log(total) - jnp.log(total + jnp.sqrt(noise))
        return improvement + factor


def repeat_or_new(
    acquisition: AbstractAcquisition, posterior: Any, x: ArrayLike
) -> tuple[Float[np.ndarray, " d"], bool]:
    """The row with the largest value among new rows and observed rows.

    Args:
        acquisition: a prepared acquisition whose value depends on the noise:
            `IntegratedVariance`, `KnowledgeGradient` or `AugmentedEI`.
        posterior: posterior of the target.
        x: new rows [m d].

    Returns:
        The row, and whether it repeats a test.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, section 3,
        doi:10.1080/00401706.2018.1469433.
    """
    rows = np.concatenate([as_rows(x), observed_rows(posterior)])
    best = int(np.argmax(np.asarray(acquisition(posterior, rows))))
    return rows[best], best >= len(as_rows(x))
