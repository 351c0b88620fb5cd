"""The regularised horseshoe."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.priors.base import AbstractPrior, half_cauchy, standard_normal


class Horseshoe(AbstractPrior):
    r"""Few weights are large, the others next to nothing.

    For few mechanisms among many candidate features: noughts are shrunk hard, true
    effects hardly at all.

    $$w_j \sim N(0, \tau^2\tilde\lambda_j^2),\quad
      \tilde\lambda_j^2 = \frac{c^2\lambda_j^2}{c^2 + \tau^2\lambda_j^2},\quad
      \lambda_j \sim C^+(0, 1),\quad \tau \sim C^+(0, \tau_0),\quad
      \tau_0 = \frac{p_0}{d - p_0}\frac{1}{\sqrt n}$$

    and $c^2$ inverse-gamma(2, 2): the largest effects have Student-t tails of 4 degrees
    of freedom and scale one (a target's standard deviation for one of the feature). The
    paper's τ₀ has a factor σ, the noise's standard deviation; here it is the target's,
    which is one: a little wider, and the same for every likelihood. n counts padding
    rows too (up to twice as many), so that nearby sizes share a program.

    Args:
        expected_effects: p₀, about how many features matter; at most half of them are
            taken to.

    Example:
        >>> prior = Horseshoe(expected_effects=2.0).bind(["a", "b", "c", "d"], num_rows=25)
        >>> prior.scales().shape
        (4,)

    References:
        Piironen and Vehtari, Electron. J. Stat. 11 (2017) 5018, eq. 2.8 and 3.12,
        doi:10.1214/17-EJS1337SI.
    """

    overall: Float[Array, ""]
    log_slab: Float[Array, ""]
    local: Float[Array, "..."]
    expected_effects: float = eqx.field(static=True)
    typical: float = eqx.field(static=True)

    def __init__(self, expected_effects: float = 3.0):
        self.expected_effects = expected_effects
        self.typical = 1.0
        zero = jnp.zeros((), jnp.result_type(float))
        self.overall = self.log_slab = self.local = zero

    def bind(self, feature_names, num_rows):
        num = len(feature_names)
        effects = min(self.expected_effects, 0.5 * num)
        typical = float(effects / (num - effects) / max(num_rows, 1) ** 0.5)
        local = jnp.asarray(np.zeros(num), self.overall.dtype)
        return replace(self, typical=typical, local=local)

    def log_prior(self):
        # Of u = log c², with c² inverse-gamma(2, 2): 2² e^{-2u} e^{-2/c²} / Γ(2).
        slab = 2 * np.log(2.0) - 2 * self.log_slab - 2 * jnp.exp(-self.log_slab)
        return slab + standard_normal((self.overall, self.local))

    def scales(self):
        wide = self.typical * half_cauchy(self.overall) * half_cauchy(self.local)
        return wide / jnp.sqrt(1 + wide**2 * jnp.exp(-self.log_slab))
