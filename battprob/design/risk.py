"""Risk: what a row is good for when its noise is priced."""

from typing import Any

import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, ArrayLike, Float
from battprob.design._posterior_view import AbstractBelief, require_gaussian
from battprob.design.acquisition import AbstractAcquisition
from battprob.models.base import FunctionMoments
from battprob.predictive import Predictive


class RiskAverse(AbstractAcquisition):
    r"""Any acquisition, of the utility $u(x) = f(x) - \lambda\,\sigma(x)$ instead of f.

    σ is the *aleatoric* standard deviation, what no further test removes: a row is worth
    what it gives in a bad case. That σ(x) is itself not known makes u uncertain where
    the noise is, and the acquisition goes and sees. The noise model matters most here:
    `noise.LogLinear`, `noise.LatentGP`.

    For Gaussian noise $f - \lambda\sigma$ is the quantile of y of level Φ(-λ), given f: its
    value at risk (`RiskAverse.value_at_risk`).

    Args:
        acquisition: what is asked of u; the outermost wrapper is this one.
        weight: λ.

    References:
        Makarova et al., NeurIPS (2021), arXiv:2111.03637, eq. 2 (there with the variance).
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
        """Of the quantile of y at `level` (0.05: what 19 outcomes of 20 exceed).

        Raises:
            ValueError: `level` is no probability.
        """
        from scipy.special import ndtri

        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1; got {level}")
        return cls(acquisition, -float(ndtri(level)))

    def prepare(self, posterior, reference, *, key, pending=None):
        utility = Utility(posterior, self.weight)
        inner = self.acquisition.prepare(utility, reference, key=key, pending=pending)
        return RiskAverse(inner, self.weight)

    def values(self, posterior, x):
        return self.acquisition.values(Utility(posterior, self.weight), x)


class Utility(AbstractBelief):
    r"""A posterior whose function is $f - \lambda\sigma$; what it predicts is y less that.

    Args:
        posterior: one with joint moments of its function.
        weight: λ.
    """

    posterior: Any
    weight: Float[Array, ""]

    def __init__(self, posterior: Any, weight: ArrayLike = 1.0):
        require_gaussian(posterior, "the utility of a mean less a deviation")
        self.posterior = posterior
        self.weight = jnp.asarray(weight, jnp.result_type(float))

    @property
    def dataset(self):
        return self.posterior.dataset

    @property
    def scaling(self):
        return self.posterior.scaling

    def predict(self, x):
        pred = self.posterior.predict(x)
        price = self.weight * safe_sqrt(pred.noise_variance)
        return Predictive(
            pred.location - price,
            pred.noise_variance,
            pred.function_variance,
            pred.log_weight,
            shared_function=pred.shared_function,
        )

    def reference_points(self, rows):
        return self.posterior.reference_points(rows)

    def function_moments(self, x, at):
        moments = self.posterior.function_moments(x, at)
        pred = self.posterior.predict(x)
        # The predictive has several levels of the noise to every draw of the function.
        levels = len(pred.location) // len(moments.mean)
        mean, variance, covariance = (
            jnp.repeat(field, levels, axis=0) for field in moments[:3]
        )
        price = self.weight * safe_sqrt(pred.noise_variance[:, 0])
        log_weight = logsumexp(pred.log_weight[:, :, 0], axis=1)
        return FunctionMoments(mean - price, variance, covariance, log_weight)
