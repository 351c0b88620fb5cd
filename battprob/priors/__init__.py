r"""Priors of regression weights: what is believed of effects before the data.

Every prior here is a scale mixture of Gaussians: given standard deviations s_j, weights of
standardised features are $w_j \sim N(0, s_j^2)$, and the prior is what it says of s. Models
integrate the weights out and explore only what makes the s_j.

A prior's array leaves are its parameters on an unconstrained scale, and `log_prior` is
their log density there (as for `battprob.noise`). Wherever a quantile function is known
they are standard normal a priori and pushed through it: no funnels, no Jacobians.

| prior | fits where |
|---|---|
| `Ridge` | all features are small parts of one physics |
| `ARD` | relevance differs by orders of magnitude, feature by feature |
| `Lasso` | many features, effects of very different size |
| `ElasticNet` | the same, and features come in correlated families |
| `GroupLasso` | features come in named families that matter, or not, together |
| `Horseshoe` | few mechanisms act; most features do nothing |

There is no spike and slab: its indicators are discrete, which the sampler cannot cross,
and `Horseshoe` is its continuous form (Piironen and Vehtari 2017, section 2.2).
"""

from battprob.priors.groups import GroupLasso
from battprob.priors.horseshoe import Horseshoe
from battprob.priors.shrinkage import ARD, ElasticNet, Lasso, Ridge

__all__ = [
    "ARD",
    "ElasticNet",
    "GroupLasso",
    "Horseshoe",
    "Lasso",
    "Ridge",
]
