"""The knee of a capacity sequence by the Bacon–Watts model, with its uncertainty."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics import safe_sqrt
from battprob._typing import Array, Float

_PLACES = 200
_ROUNDINGS = np.geomspace(0.005, 0.2, 8)  # widths of the bend, of the span of cycles


class Knee(NamedTuple):
    """Where fade turns from one line to another.

    Args:
        cycle: posterior mean of the knee's cycle.
        cycle_sd: its posterior standard deviation; large where there is no knee.
        slope_before, slope_after: fade on either side at the likeliest knee, Ah a cycle.
    """

    cycle: Float[Array, ""]
    cycle_sd: Float[Array, ""]
    slope_before: Float[Array, ""]
    slope_after: Float[Array, ""]


def bacon_watts_knee(
    cycle: Float[Array, " c"], capacity_ah: Float[Array, " c"]
) -> Knee:
    r"""Posterior of the knee of one cell's capacity; `jax.vmap` for many cells.

    $$Q_k = a + b (k - x) + c (k - x) \tanh\frac{k - x}{\gamma} + \epsilon$$

    The posterior over x (even over the inner 96 % of the cycles) and γ (even on a log
    scale between 0.5 and 20 % of the span) is summed over a grid of 200 × 8, with a, b, c
    and the noise integrated out under flat priors,

    $$p(x, \gamma \mid Q) \propto |X^\top X|^{-1/2} R^{-(n - 3) / 2},$$

    R the residual sum of squares. Residuals are taken as independent: a sequence that
    wanders gives too small an error.

    Args:
        cycle: cycle numbers, rising.
        capacity_ah: capacity of each, Ah; NaN where missing.

    Returns:
        The knee; NaN throughout with fewer than six capacities.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.arange(1.0, 401.0)
        >>> capacity = 1.1 - 1e-4 * cycle - 9e-4 * jnp.maximum(cycle - 300.0, 0.0)
        >>> knee = bacon_watts_knee(cycle, capacity)
        >>> f"{knee.cycle:.0f}"
        '300'

    References:
        Bacon and Watts, Estimating the transition between two intersecting straight
        lines, Biometrika 58, 525 (1971), doi:10.1093/biomet/58.3.525. Fermín-Cueto et
        al., Energy and AI 1, 100006 (2020), doi:10.1016/j.egyai.2020.100006, for its use
        on capacity.
    """
    seen = jnp.isfinite(capacity_ah)
    dtype = capacity_ah.dtype
    first = jnp.min(jnp.where(seen, cycle, jnp.inf))
    span = jnp.max(jnp.where(seen, cycle, -jnp.inf)) - first
    place = jnp.linspace(0.02, 0.98, _PLACES, dtype=dtype)
    position = jnp.where(seen, (cycle - first) / span, 0.0)
    y = jnp.where(seen, capacity_ah, 0.0)
    count = seen.sum().astype(dtype)
    middle = y.sum() / count
    scale = jnp.where(seen, y - middle, 0.0)
    scale = safe_sqrt((scale**2).mean())
    y = jnp.where(seen, (y - middle) / jnp.where(scale > 0, scale, 1.0), 0.0)
    degrees = count - 3

    def fit(x, rounding):
        from_knee = position - x
        bent = from_knee * jnp.tanh(from_knee / rounding)
        design = jnp.stack([jnp.ones_like(bent), from_knee, bent], 1)
        design = jnp.where(seen[:, None], design, 0.0)
        gram = design.T @ design + 1e-9 * jnp.eye(3, dtype=dtype)
        weights = jnp.linalg.solve(gram, design.T @ y)
        squares = jnp.sum((y - design @ weights) ** 2)
        squares = jnp.maximum(squares, jnp.finfo(dtype).eps * degrees)
        logdet = jnp.linalg.slogdet(gram)[1]
        return -0.5 * logdet - 0.5 * degrees * jnp.log(squares), weights

    over_rounding = jax.vmap(fit, in_axes=(None, 0))
    roundings = jnp.asarray(_ROUNDINGS, dtype)
    log_weight, weights = jax.vmap(over_rounding, in_axes=(0, None))(place, roundings)
    probability = jax.nn.softmax(log_weight.ravel()).reshape(log_weight.shape).sum(1)
    mean = probability @ place
    variance = probability @ (place - mean) ** 2
    best = jnp.argmax(log_weight)
    _, b, c = weights.reshape(-1, 3)[best] * scale / span
    enough = degrees >= 3
    values = first + span * mean, span * safe_sqrt(variance), b - c, b + c
    return Knee(*(jnp.where(enough, value, jnp.nan) for value in values))
