r"""Hierarchical prior of linear functions: their slopes scatter around common slopes.

    f_k(x) = t v_k0 + Σ_j s_j x_j (√ρ z_j + √(1 - ρ) v_kj),      v, z ~ N(0, 1)

Each slope has the prior N(0, s_j²), and the slopes of two protocols have the correlation ρ.
All protocols share z, ρ and t, which are inferred from all rows. A protocol that is not in
the training data has the same z and new v.
"""

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from battprob._typing import Array, Float
from battprob.priors.base import AbstractPrior, standard_normal


class HierarchicalPrior(eqx.Module):
    """The hyper-parameters that all linear experts share.

    Args:
        prior: prior of the weights, which gives the scales s.
        z_slopes: z, the common part of the slopes.
        z_correlation: Φ⁻¹(ρ), so that ρ is uniform on (0, 1) a priori.
        log_intercept_std: log t, normal a priori.
    """

    prior: AbstractPrior
    z_slopes: Float[Array, " d"]
    z_correlation: Float[Array, ""]
    log_intercept_std: Float[Array, ""]

    def __init__(self, prior: AbstractPrior):
        self.prior = prior
        self.z_slopes = jnp.zeros_like(prior.scales())
        dtype = self.z_slopes.dtype
        self.z_correlation = jnp.zeros((), dtype)
        self.log_intercept_std = jnp.asarray(_LOG_STD_MEAN, dtype)

    def log_prior(self) -> Float[Array, ""]:
        """Log density of all unconstrained hyper-parameters."""
        log_std = norm.logpdf(self.log_intercept_std, _LOG_STD_MEAN, _LOG_STD_STD)
        normals = standard_normal((self.z_slopes, self.z_correlation))
        return self.prior.log_prior() + log_std + normals

    def mean_function(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Prior mean of every expert's function: the part with the common slopes."""
        root = jnp.sqrt(ndtr(self.z_correlation))
        return x @ (root * self.prior.scales() * self.z_slopes)

    def columns(self, x: Float[Array, "m d"]) -> Float[Array, "m r"]:
        """Columns of the intercept and the features whose weights are v_k ~ N(0, I)."""
        intercept = jnp.exp(self.log_intercept_std) * jnp.ones_like(x[:, :1])
        root = jnp.sqrt(ndtr(-self.z_correlation))
        slopes = x * (root * self.prior.scales())[None]
        return jnp.concatenate([intercept, slopes], axis=1)


# Of log t, for a target of unit variance: t is 0.6, between 0.14 and 2.7 (95 %).
_LOG_STD_MEAN, _LOG_STD_STD = -0.5, 0.75
