"""Fronts of two or three targets: the hypervolume that a test adds to them.

The posterior is a tuple of posteriors, one for each target, all to be made large and
independent given the rows.
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
from battprob.design._posterior_view import with_running
from battprob.design._targets import (
    Drawn,
    draw_targets,
    laws_of,
    means_at_tested,
    require_targets,
    tested_by_all,
    values_of,
)
from battprob.design.acquisition import AbstractLogAcquisition, prepared


class Boxes(eqx.Module):
    """Boxes that fill what would improve a front, one set a draw, padded."""

    lower: Float[Array, "z c j"]
    upper: Float[Array, "z c j"]
    mask: Bool[Array, "z c"]


class AbstractHypervolume(AbstractLogAcquisition):
    r"""Log expected gain in hypervolume, exact given a front.

    What is better than the front is cut into boxes, in each of which the gain is a product
    over targets, and so is its expectation:

        Σ_boxes Π_j (E(f_j - l_j)₊ - E(f_j - u_j)₊)

    Args:
        worst: reference point [j], the values from which volume counts.
    """

    worst: Float[Array, " j"]
    boxes: Boxes | None
    drawn: tuple[Drawn, ...] | None

    def __init__(self, worst: ArrayLike):
        self.worst = jnp.asarray(worst, jnp.result_type(float))
        self.boxes = self.drawn = None

    @abstractmethod
    def fronts(
        self, posteriors: Sequence[Any], *, key: PRNGKey, pending: ArrayLike | None
    ) -> tuple[Float[np.ndarray, "z n j"], tuple[Drawn, ...] | None]:
        """Values of which to take the front, by draw, and the draws."""

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference
        require_targets(posterior, self.worst, most=3)
        values, drawn = self.fronts(posterior, key=key, pending=pending)
        return replace(self, boxes=boxes_of(values, self.worst), drawn=drawn)

    def values(self, posterior, x):
        boxes = prepared(self.boxes, self)
        return _log_volume_gained(boxes, laws_of(posterior, self.drawn, x))


class LogEHVI(AbstractHypervolume):
    """Log expected hypervolume improvement over the front of the posterior means.

    At the rows tested: a lucky outcome is no member of it. Tests still running join it,
    drawn jointly. Exact for two and three targets.

    Args:
        worst: reference point [j], the values from which volume counts.

    References:
        Yang, Emmerich, Deutz and Bäck, J. Glob. Optim. 75 (2019) 3, section 4,
        doi:10.1007/s10898-019-00798-7; in logs Ament et al., arXiv:2310.20708 (2023).
    """

    def fronts(self, posteriors, *, key, pending):
        means = means_at_tested(posteriors)[None]
        if pending is None or np.size(pending) == 0:
            return means, None
        drawn = draw_targets(posteriors, pending, key=key)
        running = values_of(drawn, len(np.asarray(pending)))
        means = np.broadcast_to(means, (len(running), *means.shape[1:]))
        return np.concatenate([means, running], axis=1), drawn


class LogNEHVI(AbstractHypervolume):
    """Log expected hypervolume improvement over a front that is not known either.

    Averaged over fronts of joint draws of all targets at the rows tested and at tests
    still running; given each, the gain is exact. For noisy targets.

    Args:
        worst: reference point [j], the values from which volume counts.

    References:
        Daulton, Balandat and Bakshy, NeurIPS (2021), arXiv:2105.08195, eq. 3.
    """

    def fronts(self, posteriors, *, key, pending):
        rows = with_running(tested_by_all(posteriors), pending)
        drawn = draw_targets(posteriors, rows, key=key)
        return values_of(drawn, len(rows)), drawn


def boxes_of(values: Float[np.ndarray, "z n j"], worst: Float[Array, " j"]) -> Boxes:
    """The boxes above the front of every draw, all padded to the longest."""
    found = [
        improving_boxes(own[nondominated(own)], np.asarray(worst)) for own in values
    ]
    size = bucket(max(len(lower) for lower, _ in found))
    shape = (len(found), size, values.shape[-1])
    lower, upper, mask = np.zeros(shape), np.ones(shape), np.zeros(shape[:2], bool)
    for z, (low, high) in enumerate(found):
        lower[z, : len(low)], upper[z, : len(low)], mask[z, : len(low)] = (
            low,
            high,
            True,
        )
    dtype = worst.dtype
    return Boxes(
        jnp.asarray(lower, dtype), jnp.asarray(upper, dtype), jnp.asarray(mask)
    )


def _log_volume_gained(boxes, laws):
    per_target = []
    for j, law in enumerate(laws):
        lower, upper = boxes.lower[:, :, j], boxes.upper[:, :, j]
        bounded = jnp.isfinite(upper)
        log_low = _log_excess(law, lower)
        log_high = _log_excess(law, jnp.where(bounded, upper, lower + 1))
        gap = jnp.minimum(log_high - log_low, -jnp.finfo(log_low.dtype).eps)
        cut = jnp.where(bounded[..., None], jnp.log1p(-jnp.exp(gap)), 0.0)
        per_target.append(log_low + cut)
    log_box = jnp.where(boxes.mask[..., None], sum(per_target), -_HUGE)
    return logsumexp(log_box, axis=(0, 1)) - np.log(len(boxes.lower))


def _log_excess(law, bar):
    """Log E(f - bar)₊ [z c m] of bars [z c]."""
    scale = jnp.sqrt(law.variance)[:, None]
    z = (law.mean[:, None] - bar[:, :, None, None]) / scale
    terms = law.log_weight[:, None] + jnp.log(scale) + log_mean_excess(z)
    return logsumexp(terms, axis=2)


_HUGE = 1e300
