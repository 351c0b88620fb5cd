"""The regularised horseshoe."""

import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob._parameters import as_array, fixed_field, positive
from battprob._typing import Array, ArrayLike, Float
from battprob.priors.base import AbstractPrior, half_cauchy_quantile, standard_normal


class Horseshoe(AbstractPrior):
    r"""Regularised horseshoe: few weights are large, the others are close to zero.

    For few mechanisms among many candidate features: weights without an effect are shrunk
    strongly, true effects hardly at all.

    $$w_j \sim N(0, \tau^2\tilde\lambda_j^2),\quad
      \tilde\lambda_j^2 = \frac{c^2\lambda_j^2}{c^2 + \tau^2\lambda_j^2},\quad
      \lambda_j \sim C^+(0, 1),\quad \tau \sim C^+(0, \tau_0),\quad
      \tau_0 = \frac{p_0}{d - p_0}\frac{1}{\sqrt n}$$

    and $c^2$ inverse-gamma(2, 2): the largest effects have Student-t tails with 4 degrees
    of freedom and scale one (one standard deviation of the target for one of the feature).
    In the paper τ₀ has a factor σ, the standard deviation of the noise; here it is that of
    the target, which is one: a slightly wider prior that is the same for all likelihoods.
    n includes padding rows (up to twice as many), so that data of similar size use the
    same compiled program.

    Args:
        expected_effects: p₀, about how many features have an effect; at most half of the
            features are assumed.

    Raises:
        ValueError: `expected_effects` is not above 0, or not finite.

    Example:
        >>> prior = Horseshoe(expected_effects=2.0).bind(["a", "b", "c", "d"], num_rows=25)
        >>> prior.scales().shape
        (4,)

    References:
        Piironen and Vehtari, Electron. J. Stat. 11 (2017) 5018, eq. 2.8 and 3.12,
        doi:10.1214/17-EJS1337SI.
    """

    z_tau: Float[Array, ""]
    log_slab_variance: Float[Array, ""]
    z_lambda: Float[Array, "..."]
    expected_effects: Float[Array, ""] = fixed_field()
    tau0: Float[Array, ""] = fixed_field()

    def __init__(self, expected_effects: ArrayLike = 3.0):
        self.expected_effects = positive("expected_effects", expected_effects)
        self.tau0 = as_array(1.0)
        self.z_tau = self.log_slab_variance = self.z_lambda = as_array(0.0)

    def bind(self, feature_names, num_rows):
        num = len(feature_names)
        effects = min(float(self.expected_effects), 0.5 * num)
        tau0 = effects / (num - effects) / max(num_rows, 1) ** 0.5
        z_lambda = jnp.asarray(np.zeros(num), self.z_tau.dtype)
        return replace(self, tau0=as_array(tau0), z_lambda=z_lambda)

    def log_prior(self):
        # Of u = log c², with c² inverse-gamma(2, 2): 2² e^{-2u} e^{-2/c²} / Γ(2).
        u = self.log_slab_variance
        slab = 2 * np.log(2.0) - 2 * u - 2 * jnp.exp(-u)
        return slab + standard_normal((self.z_tau, self.z_lambda))

    def scales(self):
        tau = self.tau0 * half_cauchy_quantile(self.z_tau)
        unbounded = tau * half_cauchy_quantile(self.z_lambda)
        slab = jnp.exp(-self.log_slab_variance)
        return unbounded / jnp.sqrt(1 + unbounded**2 * slab)
