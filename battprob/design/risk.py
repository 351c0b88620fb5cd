"""Risk-averse acquisitions: a row loses value in proportion to its noise."""

from typing import Any

import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Float
from battprob.design._posterior_view import (
    AbstractPosteriorView,
    require_function_moments,
)
from battprob.design.acquisition import AbstractAcquisition
from battprob.models.base import FunctionMoments
from battprob.predictive import Predictive


class RiskAverse(AbstractAcquisition):
    r"""Any acquisition, of the utility $u(x) = f(x) - \lambda\,\sigma(x)$ instead of f.

    σ is the *aleatoric* standard deviation, which more tests do not reduce. Where σ(x) is
    uncertain, u is uncertain too, and the acquisition explores. Use a noise model that
    depends on x: `noise.LogLinear`, `noise.LatentGP`.

    For Gaussian noise $f - \lambda\sigma$ is the quantile of y at probability Φ(-λ), given
    f: its value at risk (see `RiskAverse.value_at_risk`).

    Args:
        acquisition: acquisition of u. Other wrappers go inside of this one.
        weight: λ.

    References:
        Makarova et al., NeurIPS (2021), arXiv:2111.03637, eq. 2 (with the variance in
        place of the standard deviation).
    """

    acquisition: AbstractAcquisition
    weight: Float[Array, ""]

    def __init__(self, acquisition: AbstractAcquisition, weight: ArrayLike = 1.0):
        self.acquisition = acquisition
        self.weight = jnp.asarray(weight, jnp.result_type(float))

    @classmethod
    def value_at_risk(
        cls, acquisition: AbstractAcquisition, level: float
    ) -> "RiskAverse":
        """The acquisition of a quantile of y.

        Args:
            acquisition: acquisition of the quantile.
            level: probability of the quantile; 19 of 20 outcomes exceed that at 0.05.

        Raises:
            ValueError: `level` is not between 0 and 1.
        """
        from scipy.special import ndtri

        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1; got {level}")
        return cls(acquisition, -float(ndtri(level)))

    def prepare(self, posterior, reference, *, key, pending=None):
        utility = UtilityPosterior(posterior, self.weight)
        inner = self.acquisition.prepare(utility, reference, key=key, pending=pending)
        return RiskAverse(inner, self.weight)

    def values(self, posterior, x):
        utility = UtilityPosterior(posterior, self.weight)
        return self.acquisition.values(utility, x)


class UtilityPosterior(AbstractPosteriorView):
    r"""Posterior of the utility $f - \lambda\sigma$; it predicts $y - \lambda\sigma$.

    σ differs between the draws of a prediction, so each of them is a draw of the utility.

    Args:
        posterior: posterior with joint moments of its function.
        weight: λ.
    """

    posterior: Any
    weight: Float[Array, ""]

    def __init__(self, posterior: Any, weight: ArrayLike = 1.0):
        require_function_moments(posterior, "RiskAverse")
        self.posterior = posterior
        self.weight = jnp.asarray(weight, jnp.result_type(float))

    @property
    def dataset(self):
        return self.posterior.dataset

    @property
    def scaling(self):
        return self.posterior.scaling

    @property
    def function_draws(self):
        return jnp.arange(len(self.posterior.function_draws))

    def predict(self, x):
        pred = self.posterior.predict(x)
        penalty = self.weight * safe_sqrt(pred.noise_variance)
        return Predictive(
            pred.location - penalty,
            pred.noise_variance,
            pred.function_variance,
            pred.log_weight,
            shared_function=pred.shared_function,
        )

    def reference_points(self, rows):
        return self.posterior.reference_points(rows)

    def function_moments(self, x, reference):
        moments = self.posterior.function_moments(x, reference)
        pred = self.posterior.predict(x)
        # A prediction has several values of the noise for each draw of the function.
        mean, variance, covariance = (
            jnp.take(field, self.posterior.function_draws, axis=0)
            for field in (moments.mean, moments.variance, moments.covariance)
        )
        penalty = self.weight * safe_sqrt(pred.noise_variance[:, 0])
        log_weight = logsumexp(pred.log_weight[:, :, 0], axis=1)
        return FunctionMoments(mean - penalty, variance, covariance, log_weight)
