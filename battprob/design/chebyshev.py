"""Any number of targets: the one that is worst off, weighed, is to be made large."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp

from battprob._modules import replace
from battprob._random import generator
from battprob._typing import Array, ArrayLike, Float
from battprob.design._targets import (
    Drawn,
    draw_targets,
    laws_of,
    means_at_tested,
    require_targets,
    values_of,
)
from battprob.design.acquisition import AbstractLogAcquisition, prepared


class LogChebyshevEI(AbstractLogAcquisition):
    r"""Log expected improvement of the target that is worst off, for any number of them.

    Of $g(x) = \min_j (f_j(x) - w_j)/s_j$ with scales s: since targets are independent,
    $E(g - g^\star)_+ = \int_{g^\star}^\infty \prod_j P(f_j > w_j + s_j t)\,dt$ is one
    integral, by 64 nodes. Scales drawn anew for every test lead along the whole front.

    Args:
        worst: values w [j] from which targets count.
        scale: s [j], what one target is worth in another; default a random direction,
            times the range of each target above `worst` among the rows tested.

    References:
        Knowles, IEEE Trans. Evol. Comput. 10 (2006) 50, eq. 2,
        doi:10.1109/TEVC.2005.851274.
    """

    worst: Float[Array, " j"]
    scale: Float[Array, " j"] | None
    best: Float[Array, " z"] | None
    drawn: tuple[Drawn, ...] | None

    def __init__(self, worst: ArrayLike, scale: ArrayLike | None = None):
        dtype = jnp.result_type(float)
        self.worst = jnp.asarray(worst, dtype)
        self.scale = None if scale is None else jnp.asarray(scale, dtype)
        self.best = self.drawn = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference
        require_targets(posterior, self.worst)
        means, scale = means_at_tested(posterior), self.scale
        if scale is None:
            reach = np.maximum(means.max(0) - np.asarray(self.worst), _LEAST_REACH)
            direction = generator(key).dirichlet(np.ones(len(reach)))
            scale = jnp.asarray(reach * direction, self.worst.dtype)
        values = means[None]
        drawn = None
        if pending is not None and np.size(pending):
            drawn = draw_targets(posterior, pending, key=key)
            running = values_of(drawn, len(np.asarray(pending)))
            fixed = np.broadcast_to(means, (len(running), *means.shape))
            values = np.concatenate([fixed, running], axis=1)
        worst_off = np.min((values - np.asarray(self.worst)) / np.asarray(scale), -1)
        best = jnp.asarray(worst_off.max(1), self.worst.dtype)
        return replace(self, scale=scale, best=best, drawn=drawn)

    def values(self, posterior, x):
        best, scale = prepared(self.best, self), prepared(self.scale, self)
        laws = laws_of(posterior, self.drawn, x)
        return _log_gain_of_least(laws, self.worst, scale, best)


def _log_gain_of_least(laws, worst, scale, best):
    """Log of the integral, from `best` [z] to where the first target hardly reaches."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    node, weight = (
        jnp.asarray(a, scale.dtype) for a in (0.5 * node + 0.5, 0.5 * weight)
    )
    ends = [_reach(law, worst[j], scale[j], best) for j, law in enumerate(laws)]
    end = jax.lax.stop_gradient(jnp.min(jnp.stack(ends), axis=0))
    t = best[:, None, None] + end[:, None] * node[None, :, None]
    log_survival = sum(
        _log_survival(law, worst[j] + scale[j] * t) for j, law in enumerate(laws)
    )
    terms = log_survival + jnp.log(weight)[None, :, None] + jnp.log(end)[:, None]
    return logsumexp(terms, axis=(0, 1)) - np.log(len(best))


def _reach(law, worst, scale, best):
    """How far above `best` the target may reach, in units of g: to 1e-18 or so."""
    sd = jnp.sqrt(law.variance)
    z = (law.mean - worst - scale * best[:, None, None]) / sd
    # Far below the bar, what exceeds it does so by an exponential of scale sd / |z|.
    reach = jnp.where(z > -5, z + 9, 40 / jnp.maximum(-z, 5.0))
    return jnp.max(sd * reach, axis=1) / scale


def _log_survival(law, bar):
    """Log P(f > bar) [z t m]."""
    z = (law.mean[:, None] - bar[:, :, None]) / jnp.sqrt(law.variance)[:, None]
    return logsumexp(law.log_weight[:, None] + log_ndtr(z), axis=2)


_NODES = 64
_LEAST_REACH = 1e-12
