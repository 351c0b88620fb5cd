"""Any number of targets: expected improvement of the smallest scaled target."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp

from battprob._modules import replace
from battprob._random import generator
from battprob._typing import Array, ArrayLike, Float
from battprob.design._targets import (
    TargetDraws,
    draw_targets,
    marginals_of_targets,
    means_at_observed,
    require_targets,
    values_at_rows,
)
from battprob.design.acquisition import AbstractMultiTargetAcquisition, prepared


class LogChebyshevEI(AbstractMultiTargetAcquisition):
    r"""Log expected improvement of the smallest scaled target, for any number of targets.

    The function is $g(x) = \min_j (f_j(x) - w_j)/s_j$ with scales s (Chebyshev
    scalarisation). Since targets are independent,
    $E(g - g^\star)_+ = \int_{g^\star}^\infty \prod_j P(f_j > w_j + s_j t)\,dt$ is one
    integral, computed with 64 nodes. With new random scales for each test, the tests
    cover the whole Pareto front.

    Args:
        worst: reference value w [j] of each target.
        scale: s [j], one scale for each target; default a random direction, times the
            range of each target above `worst` among the observed rows.

    References:
        Knowles, IEEE Trans. Evol. Comput. 10 (2006) 50, eq. 2,
        doi:10.1109/TEVC.2005.851274.
    """

    worst: Float[Array, " j"]
    scale: Float[Array, " j"] | None
    best: Float[Array, " z"] | None
    draws: tuple[TargetDraws, ...] | None

    def __init__(self, worst: ArrayLike, scale: ArrayLike | None = None):
        dtype = jnp.result_type(float)
        self.worst = jnp.asarray(worst, dtype)
        self.scale = None if scale is None else jnp.asarray(scale, dtype)
        self.best = self.draws = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_targets(posterior, self.worst)
        means, scale = means_at_observed(posterior), self.scale
        if scale is None:
            extent = np.maximum(means.max(0) - np.asarray(self.worst), _LEAST_EXTENT)
            direction = generator(key).dirichlet(np.ones(len(extent)))
            scale = jnp.asarray(extent * direction, self.worst.dtype)
        values = means[None]
        draws = None
        if pending is not None and np.size(pending):
            draws = draw_targets(posterior, pending, key=key)
            drawn = values_at_rows(draws, len(np.asarray(pending)))
            observed = np.broadcast_to(means, (len(drawn), *means.shape))
            values = np.concatenate([observed, drawn], axis=1)
        smallest = np.min((values - np.asarray(self.worst)) / np.asarray(scale), -1)
        best = jnp.asarray(smallest.max(1), self.worst.dtype)
        return replace(self, scale=scale, best=best, draws=draws)

    def values(self, posterior, x):
        best, scale = prepared(self.best, self), prepared(self.scale, self)
        marginals = marginals_of_targets(posterior, self.draws, x)
        return _log_improvement_of_smallest(marginals, self.worst, scale, best)


def _log_improvement_of_smallest(marginals, worst, scale, best):
    """Log of the integral, from `best` [z] to where one survival function vanishes."""
    node, weight = np.polynomial.legendre.leggauss(_NUM_NODES)
    node, weight = (
        jnp.asarray(a, scale.dtype) for a in (0.5 * node + 0.5, 0.5 * weight)
    )
    lengths = [
        _length(target, worst[j], scale[j], best) for j, target in enumerate(marginals)
    ]
    # The integrand vanishes at the end, so the end contributes nothing to the gradient.
    length = jax.lax.stop_gradient(jnp.min(jnp.stack(lengths), axis=0))
    t = best[:, None, None] + length[:, None] * node[None, :, None]
    log_survival = sum(
        _log_survival(target, worst[j] + scale[j] * t)
        for j, target in enumerate(marginals)
    )
    terms = log_survival + jnp.log(weight)[None, :, None] + jnp.log(length)[:, None]
    return logsumexp(terms, axis=(0, 1)) - np.log(len(best))


def _length(target, worst, scale, best):
    """Length of the interval above `best`, in units of g; beyond it, P < 1e-18."""
    sd = jnp.sqrt(target.variance)
    z = (target.mean - worst - scale * best[:, None, None]) / sd
    # Far in the tail, the excess over the bound is exponential with scale sd / |z|.
    length = jnp.where(z > -5, z + 9, 40 / jnp.maximum(-z, 5.0))
    return jnp.max(sd * length, axis=1) / scale


def _log_survival(target, bound):
    """Log P(f > bound) [z t m]."""
    z = (target.mean[:, None] - bound[:, :, None]) / jnp.sqrt(target.variance)[:, None]
    return logsumexp(target.log_weight[:, None] + log_ndtr(z), axis=2)


_NUM_NODES = 64
_LEAST_EXTENT = 1e-12  # a target that exceeds `worst` nowhere still needs a scale
