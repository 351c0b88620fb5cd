"""Acquisitions weighed by the probability that a test is allowed, and by what it costs."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp

from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.design._posterior_view import keeping, lean
from battprob.design.acquisition import AbstractLogAcquisition
from battprob.predictive import ClassPredictive, Predictive


class Constrained(AbstractLogAcquisition):
    r"""An acquisition times the probability that the outcome of the test is allowed.

    $\log a(x) + \log P(l \le y_c(x) \le u)$, with $y_c$ another quantity of the same test
    (a peak temperature, a gas volume) that has a posterior of its own; its noise counts,
    for it is this test that must be safe. Of a classifier it is the probability of outcome
    1. Several limits are wrapped one around another.

    What is to be improved on is the best of the rows that are likelier allowed than not.

    Args:
        acquisition: in log space.
        posterior: of the quantity that has limits.
        lower, upper: limits on it, in its unit.

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
        self.posterior = lean(posterior)
        self.lower = jnp.asarray(lower, jnp.result_type(float))
        self.upper = jnp.asarray(upper, jnp.result_type(float))

    def prepare(self, posterior, reference, *, key, pending=None):
        rows = posterior.dataset.x
        log_chance = np.asarray(self._log_probability(rows))
        # Where none is likely allowed, the likeliest has to do.
        allowed = log_chance >= min(np.log(0.5), log_chance.max())
        kept = keeping(posterior, allowed)
        inner = self.acquisition.prepare(kept, reference, key=key, pending=pending)
        return replace(self, acquisition=inner)

    def values(self, posterior, x):
        return self.acquisition.values(posterior, x) + self._log_probability(x)

    def _log_probability(self, x):
        pred = self.posterior.predict(x)
        if isinstance(pred, ClassPredictive):
            return jnp.log(jnp.maximum(pred.mean, jnp.finfo(pred.mean.dtype).tiny))
        return log_probability_between(pred, self.lower, self.upper)


class PerCost(AbstractLogAcquisition):
    r"""An acquisition per unit of cost: a long test must promise more than a short one.

    $\log a(x) - p \log c(x)$.

    Args:
        acquisition: in log space.
        cost: positive cost of every row, of rows [m d], in JAX operations; such as
            `lambda x: posterior.predict(x).mean` where a posterior knows how long a test
            takes.
        power: p; between 0 (cost plays no part) and 1, to be raised as the budget is
            spent.

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
        return self.acquisition.values(posterior, x) - self.power * jnp.log(
            self.cost(x)
        )


def require_log(acquisition: Any, wrapper: str) -> None:
    """Raise a DataError unless the value is the log of something positive."""
    if not isinstance(acquisition, AbstractLogAcquisition):
        raise DataError(
            f"{wrapper} weighs the log of something positive (LogEI, LogNEI, LogPI, "
            f"AugmentedEI, KnowledgeGradient, LogEHVI); {type(acquisition).__name__} is "
            "not: wrap one of these"
        )


def log_probability_between(
    pred: Predictive, lower: Float[Array, ""], upper: Float[Array, ""]
) -> Float[Array, " m"]:
    """log P(lower <= y <= upper) of the next outcome, exact far outside as well."""
    least = jnp.finfo(pred.location.dtype).tiny ** 0.5
    scale = jnp.sqrt(jnp.maximum(pred.noise_variance + pred.function_variance, least))
    below, above = (
        _standard(pred.transform.inverse(limit), end, pred.location, scale)
        for limit, end in ((lower, -_FAR), (upper, _FAR))
    )
    # In the tail where both are small, so that their difference is not lost.
    mirror = below + above > 0
    a, b = jnp.where(mirror, -above, below), jnp.where(mirror, -below, above)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    gap = jnp.minimum(log_a - log_b, -jnp.finfo(scale.dtype).eps)
    return logsumexp(pred.log_weight + log_b + jnp.log1p(-jnp.exp(gap)), axis=(0, 1))


def _standard(limit, end, location, scale):
    """Limit in deviations from the location; `end` where there is none."""
    there = jnp.isfinite(limit)
    z = jnp.clip((jnp.where(there, limit, 0.0) - location) / scale, -_FAR, _FAR)
    return jnp.where(there, z, end)


_FAR = 1e6
