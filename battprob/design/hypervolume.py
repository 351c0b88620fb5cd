"""Expected hypervolume improvement of two or three targets.

The posterior is a tuple of posteriors, one for each target. All targets are maximised
and independent given the rows.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._modules import replace
from battprob._numerics.normal import log_mean_excess
from battprob._padding import bucket
from battprob._typing import Array, ArrayLike, Bool, Float, PRNGKey
from battprob.design._box_decomposition import improving_boxes, nondominated
from battprob.design._posterior_view import with_pending
from battprob.design._targets import (
    TargetDraws,
    draw_targets,
    marginals_of_targets,
    means_at_observed,
    observed_rows_of_all,
    require_targets,
    values_at_rows,
)
from battprob.design.acquisition import AbstractMultiTargetAcquisition, prepared


class Boxes(eqx.Module):
    """Boxes that fill the region above a Pareto front, for each draw z; padded."""

    lower: Float[Array, "z c j"]
    upper: Float[Array, "z c j"]
    mask: Bool[Array, "z c"]


class AbstractHypervolumeImprovement(AbstractMultiTargetAcquisition):
    r"""Log expected hypervolume improvement over a Pareto front, or over draws of one.

    The region above the front is decomposed into boxes with corners l and u. In each box
    the improvement is a product over independent targets, and so is its expectation:

        Σ_boxes Π_j (E(f_j - l_j)₊ - E(f_j - u_j)₊)

    To write one, define `front_values`.

    Args:
        worst: reference point [j] of the hypervolume; smaller values do not count.
    """

    worst: Float[Array, " j"]
    boxes: Boxes | None
    draws: tuple[TargetDraws, ...] | None

    def __init__(self, worst: ArrayLike):
        self.worst = jnp.asarray(worst, jnp.result_type(float))
        self.boxes = self.draws = None

    @abstractmethod
    def front_values(
        self, posteriors: Sequence[Any], *, key: PRNGKey, pending: ArrayLike | None
    ) -> tuple[Float[np.ndarray, "z n j"], tuple[TargetDraws, ...] | None]:
        """Values of all targets from which the fronts are computed, and their draws."""

    def prepare(self, posterior, reference, *, key, pending=None):
        require_targets(posterior, self.worst, most=3)
        values, draws = self.front_values(posterior, key=key, pending=pending)
        return replace(self, boxes=boxes_of(values, self.worst), draws=draws)

    def values(self, posterior, x):
        boxes = prepared(self.boxes, self)
        marginals = marginals_of_targets(posterior, self.draws, x)
        return _log_improvement(boxes, marginals)


class LogEHVI(AbstractHypervolumeImprovement):
    """Log expected hypervolume improvement over the front of the posterior means.

    The front is that of the means at the observed rows, not of noisy outcomes. Pending
    tests are drawn jointly and added to it. Exact for two and three targets.

    Args:
        worst: reference point [j] of the hypervolume; smaller values do not count.

    References:
        Yang, Emmerich, Deutz and Bäck, J. Glob. Optim. 75 (2019) 3, section 4,
        doi:10.1007/s10898-019-00798-7; in logs Ament et al., arXiv:2310.20708 (2023).
    """

    def front_values(self, posteriors, *, key, pending):
        means = means_at_observed(posteriors)[None]
        if pending is None or np.size(pending) == 0:
            return means, None
        draws = draw_targets(posteriors, pending, key=key)
        drawn = values_at_rows(draws, len(np.asarray(pending)))
        means = np.broadcast_to(means, (len(drawn), *means.shape[1:]))
        return np.concatenate([means, drawn], axis=1), draws


class LogNEHVI(AbstractHypervolumeImprovement):
    """Log expected hypervolume improvement over an uncertain front, for noisy targets.

    All targets are drawn jointly at the observed rows and at pending tests. The
    improvement is exact for the front of each draw, and averaged over the draws.

    Args:
        worst: reference point [j] of the hypervolume; smaller values do not count.

    References:
        Daulton, Balandat and Bakshy, NeurIPS (2021), arXiv:2105.08195, eq. 3.
    """

    def front_values(self, posteriors, *, key, pending):
        rows = with_pending(observed_rows_of_all(posteriors), pending)
        draws = draw_targets(posteriors, rows, key=key)
        return values_at_rows(draws, len(rows)), draws


def boxes_of(values: Float[np.ndarray, "z n j"], worst: Float[Array, " j"]) -> Boxes:
    """Boxes above the front of each draw, padded to the largest number of boxes."""
    each = [
        improving_boxes(points[nondominated(points)], np.asarray(worst))
        for points in values
    ]
    size = bucket(max(len(lower) for lower, _ in each))
    shape = (len(each), size, values.shape[-1])
    lower, upper, mask = np.zeros(shape), np.ones(shape), np.zeros(shape[:2], bool)
    for z, (low, high) in enumerate(each):
        lower[z, : len(low)] = low
        upper[z, : len(low)] = high
        mask[z, : len(low)] = True
    dtype = worst.dtype
    return Boxes(
        jnp.asarray(lower, dtype), jnp.asarray(upper, dtype), jnp.asarray(mask)
    )


def _log_improvement(boxes, marginals):
    per_target = []
    for j, target in enumerate(marginals):
        lower, upper = boxes.lower[:, :, j], boxes.upper[:, :, j]
        bounded = jnp.isfinite(upper)
        log_low = _log_excess(target, lower)
        # Any finite number for open boxes: its result is not used, but its gradient
        # must be finite.
        log_high = _log_excess(target, jnp.where(bounded, upper, lower + 1))
        gap = jnp.minimum(log_high - log_low, -jnp.finfo(log_low.dtype).eps)
        difference = jnp.where(bounded[..., None], jnp.log1p(-jnp.exp(gap)), 0.0)
        per_target.append(log_low + difference)
    log_box = jnp.where(boxes.mask[..., None], sum(per_target), -_HUGE)
    return logsumexp(log_box, axis=(0, 1)) - np.log(len(boxes.lower))


def _log_excess(target, bound):
    """Log E(f - bound)₊ [z c m] of bounds [z c]."""
    scale = jnp.sqrt(target.variance)[:, None]
    z = (target.mean[:, None] - bound[:, :, None, None]) / scale
    terms = target.log_weight[:, None] + jnp.log(scale) + log_mean_excess(z)
    return logsumexp(terms, axis=2)


_HUGE = 1e300  # its exponential is zero, and unlike infinity it has a finite gradient
