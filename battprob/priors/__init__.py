r"""Priors of the weights of linear models.

Every prior here is a scale mixture of Gaussians: given standard deviations s_j, the
weights of standardised features are $w_j \sim N(0, s_j^2)$, and the prior is the
distribution of s. Models integrate the weights out and infer the parameters of s only.

The array leaves of a prior are its parameters on an unconstrained scale, and `log_prior`
is their log density there (as for `battprob.noise`). Where a quantile function is known,
a parameter is standard normal a priori and transformed by it: the posterior has no
funnel, and no Jacobian is needed.

| prior | suited to |
|---|---|
| `Ridge` | many features that are small parts of one mechanism |
| `ARD` | relevance that differs by orders of magnitude between features |
| `Lasso` | many features with effects of very different size |
| `ElasticNet` | the same, with features in correlated groups |
| `GroupLasso` | features in named groups that are relevant, or not, together |
| `Horseshoe` | few mechanisms; most features have no effect |

There is no spike-and-slab prior: its indicators are discrete, which gradient-based
samplers cannot explore, and `Horseshoe` is its continuous form (Piironen and Vehtari 2017,
section 2.2).

`battprob.priors.base` holds what a prior of your own needs; `AbstractPrior` there lists
the steps.
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
