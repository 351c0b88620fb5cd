"""Leave-one-out densities without a new fit, by importance weights of the draws."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._numerics.psis import smoothed_log_weights
from battprob._typing import Array, Float


class LeaveOneOut(NamedTuple):
    """Log predictive density of every row given all others.

    The sum over rows compares models: larger is better.

    Args:
        log_density: log p(y_i | all other rows), as a density per unit of target.
        pareto_k: reliability of each density. Above 0.7 the row changes the posterior so
            much that its density is unreliable. Zero for quadrature nodes, whose weights
            need no smoothing.
    """

    log_density: Float[Array, " n"]
    pareto_k: Float[Array, " n"]


@eqx.filter_jit
def left_out(
    log_density: Float[Array, "s n"], log_weight: Float[Array, " s"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    r"""Leave-one-out densities averaged over the draws, and their Pareto shapes k.

    $p(y_i \mid y_{-i}) = \sum_s w_{si}\,p(y_i \mid y_{-i}, \theta_s)$ with
    $w_{si} \propto W_s / p(y_i \mid y_{-i}, \theta_s)$. The tail of the weights is smoothed
    if the draws are random (all W are equal).

    Args:
        log_density: log p(y_i | y_{-i}, θ_s) for every draw and row.
        log_weight: log W of every draw.

    References:
        Vehtari, Gelman and Gabry, Stat. Comput. 27, 1413 (2017),
        doi:10.1007/s11222-016-9696-4.
    """

    def exact(densities):
        log_weights = log_weight - densities
        return log_weights - logsumexp(log_weights), jnp.zeros((), densities.dtype)

    def smoothed(densities):
        return smoothed_log_weights(-densities)

    def one_row(densities):
        are_random = jnp.ptp(log_weight) == 0
        log_weights, k = jax.lax.cond(are_random, smoothed, exact, densities)
        return logsumexp(log_weights + densities), k

    return jax.vmap(one_row, in_axes=1)(log_density)
