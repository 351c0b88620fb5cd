"""The knee of a capacity sequence by the Bacon–Watts model, with its uncertainty."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import safe_sqrt
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
    count = seen.sum().astype(dtype)
    degrees = count - 3

    def centred(values):
        return jnp.where(seen, values - jnp.where(seen, values, 0.0).sum() / count, 0.0)

    line = centred(position)
    line = line / safe_sqrt(jnp.dot(line, line))
    y = centred(capacity_ah)
    scale = safe_sqrt(jnp.dot(y, y) / count)
    y = y / jnp.where(scale > 0, scale, 1.0)

    def bend(x, rounding):
        return centred((position - x) * jnp.tanh((position - x) / rounding))

    def fit(x, rounding):
        # Frisch and Waugh: of bend and capacity only what no straight line can say.
        bent = _beside(line, bend(x, rounding))
        size = jnp.dot(bent, bent) + 1e-9
        change = jnp.dot(bent, y) / size
        squares = jnp.sum((_beside(line, y) - change * bent) ** 2)
        squares = jnp.maximum(squares, jnp.finfo(dtype).eps * degrees)
        return -0.5 * jnp.log(size) - 0.5 * degrees * jnp.log(squares), change

    places, roundings = (
        axis.ravel() for axis in jnp.meshgrid(place, jnp.asarray(_ROUNDINGS, dtype))
    )
    log_weight, change = jax.vmap(fit)(places, roundings)
    probability = jax.nn.softmax(log_weight)
    mean = probability @ places
    variance = probability @ (places - mean) ** 2
    best = jnp.argmax(log_weight)
    rest = y - change[best] * bend(places[best], roundings[best])
    b = jnp.dot(line, rest) / jnp.dot(line, position) * scale / span
    c = change[best] * scale / span
    enough = degrees >= 3
    values = first + span * mean, span * safe_sqrt(variance), b - c, b + c
    return Knee(*(jnp.where(enough, value, jnp.nan) for value in values))


def _beside(line, values):
    """What of `values` does not lie along the unit vector `line`."""
    return values - jnp.dot(line, values) * line
