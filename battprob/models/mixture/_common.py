r"""What linear protocols have in common: slopes that those of all protocols scatter around.

    f_k(x) = t v_k0 + Σ_j s_j x_j (√ρ z_j + √(1 - ρ) v_kj),      v, z ~ N(0, 1)

The slopes of any two protocols correlate by ρ; each by itself has the prior N(0, s_j²).
What all hold in common, z, and ρ and t are learned from the protocols together. One that
training did not have is the common part and fresh v.
"""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from battprob._typing import Array, Float
from battprob.priors.base import AbstractPrior, standard_normal


class Common(eqx.Module):
    """The scales s, and z, ρ and t on unconstrained scales: ρ is uniform a priori."""

    prior: AbstractPrior
    slopes: Float[Array, " d"]
    correlation: Float[Array, ""]
    log_spread: Float[Array, ""]

    def __init__(self, prior: AbstractPrior):
        self.prior = prior
        self.slopes = jnp.zeros_like(prior.scales())
        self.correlation = jnp.zeros((), self.slopes.dtype)
        self.log_spread = jnp.asarray(_CENTRE, self.slopes.dtype)

    def log_prior(self) -> Float[Array, ""]:
        """Log density of all of it."""
        spread = norm.logpdf(self.log_spread, _CENTRE, _SPREAD)
        known = standard_normal((self.slopes, self.correlation))
        return self.prior.log_prior() + spread + known

    def function(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """What all functions hold in common."""
        share = jnp.sqrt(ndtr(self.correlation))
        return x @ (share * self.prior.scales() * self.slopes)

    def columns(self, x: Float[Array, "m d"]) -> Float[Array, "m r"]:
        """Columns whose weights are v."""
        intercept = jnp.exp(self.log_spread) * jnp.ones_like(x[:, :1])
        share = jnp.sqrt(ndtr(-self.correlation))
        slopes = x * (share * self.prior.scales())[None]
        return jnp.concatenate([intercept, slopes], axis=1)


_CENTRE, _SPREAD = -0.5, 0.75  # of the log, for a target of unit variance
