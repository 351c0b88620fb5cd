"""Leaving out each row in turn without a refit, by importance weights of the draws."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._numerics.psis import smoothed_log_weights
from battprob._typing import Array, Float


class LeaveOneOut(NamedTuple):
    """Log predictive density of every row given all others.

    `pareto_k` above 0.7 says that a row moves the posterior too far for its density to be
    trusted; the sum over rows compares models (larger is better). It is nought where
    draws are nodes of a quadrature, which need no smoothing.
    """

    log_density: Float[Array, " n"]
    pareto_k: Float[Array, " n"]


@eqx.filter_jit
def left_out(
    log_density: Float[Array, "s n"], log_weight: Float[Array, " s"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    r"""Densities of left-out rows under each draw, averaged over draws without the row.

    $p(y_i \mid y_{-i}) = \sum_s w_{si}\,p(y_i \mid y_{-i}, \theta_s)$ with
    $w_{si} \propto W_s / p(y_i \mid y_{-i}, \theta_s)$, whose tail is smoothed where the
    draws are random (all W alike).

    References:
        Vehtari, Gelman and Gabry, Stat. Comput. 27, 1413 (2017),
        doi:10.1007/s11222-016-9696-4.
    """

    def exact(densities):
        log_share = log_weight - densities
        return log_share - logsumexp(log_share), jnp.zeros((), densities.dtype)

    def smoothed(densities):
        return smoothed_log_weights(-densities)

    def one(densities):
        alike = jnp.ptp(log_weight) == 0
        log_share, k = jax.lax.cond(alike, smoothed, exact, densities)
        return logsumexp(log_share + densities), k

    return jax.vmap(one, in_axes=1)(log_density)
