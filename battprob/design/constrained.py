"""Acquisitions that are multiplied by the probability of feasibility or divided by cost."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.design._posterior_view import for_prediction, with_observed
from battprob.design.acquisition import AbstractLogAcquisition
from battprob.predictive import ClassPredictive, Predictive


class Constrained(AbstractLogAcquisition):
    r"""An acquisition times the probability that the outcome of the test is feasible.

    $\log a(x) + \log P(l \le y_c(x) \le u)$. Here $y_c$ is another quantity of the same
    test (a peak temperature, a gas volume) with its own posterior; its noise counts,
    because the single test must stay within the limits. For a classifier, the
    probability is that of class 1. For several limits, nest one `Constrained` in
    another.

    The incumbent of the acquisition is chosen among the observed rows that are feasible
    with a probability of at least one half.

    Args:
        acquisition: an acquisition whose value is a logarithm.
        posterior: posterior of the quantity that has limits.
        lower, upper: limits, in the unit of the quantity.

    References:
        Gelbart, Snoek and Adams, UAI (2014), arXiv:1403.5607, eq. 4.
    """

    acquisition: AbstractLogAcquisition
    posterior: Any
    lower: Float[Array, ""]
    upper: Float[Array, ""]

    def __init__(
        self,
        acquisition: AbstractLogAcquisition,
        posterior: Any,
        *,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
    ):
        require_log(acquisition, "Constrained")
        self.acquisition = acquisition
        self.posterior = for_prediction(posterior)
        self.lower = jnp.asarray(lower, jnp.result_type(float))
        self.upper = jnp.asarray(upper, jnp.result_type(float))

    def prepare(self, posterior, reference, *, key, pending=None):
        rows = posterior.dataset.x
        log_probability = np.asarray(self._log_probability(rows))
        # If no observed row is likely to be feasible, use the most likely one.
        threshold = min(np.log(0.5), log_probability.max())
        feasible = with_observed(posterior, log_probability >= threshold)
        inner = self.acquisition.prepare(feasible, reference, key=key, pending=pending)
        return replace(self, acquisition=inner)

    def values(self, posterior, x):
        return self.acquisition.values(posterior, x) + self._log_probability(x)

    def _log_probability(self, x):
        pred = self.posterior.predict(x)
        if isinstance(pred, ClassPredictive):
            return jnp.log(jnp.maximum(pred.mean, jnp.finfo(pred.mean.dtype).tiny))
        return log_probability_between(pred, self.lower, self.upper)


class PerCost(AbstractLogAcquisition):
    r"""An acquisition per unit of cost, $\log a(x) - p \log c(x)$.

    An expensive test is chosen only if its acquisition value is larger in proportion.

    Args:
        acquisition: an acquisition whose value is a logarithm.
        cost: function of rows [m d] that returns the positive cost of each, in JAX
            operations, for example `lambda x: posterior.predict(x).mean` with a posterior
            of the duration of a test. To save a campaign with it, use a function defined
            with `def` at the top of a module and decorated with `battprob.register`.
        power: p, between 0 (cost is ignored) and 1; it may grow as the budget is spent.

    References:
        Snoek, Larochelle and Adams, NeurIPS 25 (2012), section 3.2; Lee et al.,
        arXiv:2003.10870 (2020), eq. 4.
    """

    acquisition: AbstractLogAcquisition
    cost: Callable[[Any], Any]
    power: Float[Array, ""]

    def __init__(
        self,
        acquisition: AbstractLogAcquisition,
        cost: Callable[[Any], Any],
        *,
        power: ArrayLike = 1.0,
    ):
        require_log(acquisition, "PerCost")
        self.acquisition = acquisition
        self.cost = cost
        self.power = jnp.asarray(power, jnp.result_type(float))

    def prepare(self, posterior, reference, *, key, pending=None):
        inner = self.acquisition.prepare(posterior, reference, key=key, pending=pending)
        return replace(self, acquisition=inner)

    def values(self, posterior, x):
        value = self.acquisition.values(posterior, x)
        return value - self.power * jnp.log(self.cost(x))


def require_log(acquisition: Any, wrapper: str) -> None:
    """Raise a DataError unless the value is the logarithm of a positive quantity."""
    if not isinstance(acquisition, AbstractLogAcquisition):
        raise DataError(
            f"{wrapper} needs an acquisition whose value is a logarithm (LogEI, LogNEI, "
            f"LogPI, AugmentedEI, KnowledgeGradient, LogEHVI); "
            f"{type(acquisition).__name__} is not: pass one of these"
        )


def log_probability_between(
    pred: Predictive, lower: Float[Array, ""], upper: Float[Array, ""]
) -> Float[Array, " m"]:
    """log P(lower <= y <= upper) of one outcome, accurate in both tails."""
    least = jnp.finfo(pred.location.dtype).tiny ** 0.5
    scale = jnp.sqrt(jnp.maximum(pred.noise_variance + pred.function_variance, least))
    below, above = (
        _standardised(pred.transform.inverse(limit), end, pred.location, scale)
        for limit, end in ((lower, -_UNBOUNDED), (upper, _UNBOUNDED))
    )
    # Φ(b) - Φ(a) cancels in the upper tail, where both are near one: use the mirrored
    # interval in the lower tail instead.
    mirror = below + above > 0
    a, b = jnp.where(mirror, -above, below), jnp.where(mirror, -below, above)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    gap = jnp.minimum(log_a - log_b, -jnp.finfo(scale.dtype).eps)
    return logsumexp(pred.log_weight + log_b + jnp.log1p(-jnp.exp(gap)), axis=(0, 1))


def _standardised(limit, end, location, scale):
    """Distance of the limit from the location, in scales; `end` if it is infinite."""
    finite = jnp.isfinite(limit)
    z = (jnp.where(finite, limit, 0.0) - location) / scale
    return jnp.where(finite, jnp.clip(z, -_UNBOUNDED, _UNBOUNDED), end)


_UNBOUNDED = 1e6  # standard deviations: log Φ(-1e6) = -5e11 is still finite
