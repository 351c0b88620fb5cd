"""Knee of a capacity sequence and its uncertainty, by the Bacon–Watts model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._typing import Array, Float

_NUM_POSITIONS = 200
_WIDTHS = np.geomspace(0.005, 0.2, 8)  # transition widths, relative to the cycle range


class Knee(NamedTuple):
    """Knee of a capacity sequence, where the fade changes from one slope to another.

    Args:
        cycle: posterior mean of the cycle of the knee.
        cycle_sd: posterior standard deviation; large if there is no knee.
        slope_before, slope_after: slopes for the most probable knee, Ah per cycle.
    """

    cycle: Float[Array, ""]
    cycle_sd: Float[Array, ""]
    slope_before: Float[Array, ""]
    slope_after: Float[Array, ""]


def bacon_watts_knee(
    cycle: Float[Array, " c"], capacity_ah: Float[Array, " c"]
) -> Knee:
    r"""Posterior of the knee in the capacity of one cell; use `jax.vmap` for several.

    $$Q_k = a + b (k - x) + c (k - x) \tanh\frac{k - x}{\gamma} + \epsilon$$

    The prior of the knee x is uniform over the inner 96 % of the cycle range, that of
    the transition width γ log-uniform between 0.5 and 20 % of it. The posterior is
    summed over a grid of 200 × 8 values; a, b, c and the noise variance are integrated
    out under flat (reference) priors,

    $$p(x, \gamma \mid Q) \propto |X^\top X|^{-1/2} R^{-(n - 3) / 2},$$

    with R the residual sum of squares. The residuals are assumed independent; with
    correlated residuals the standard deviation is too small.

    Args:
        cycle: increasing cycle numbers.
        capacity_ah: capacity of each cycle in Ah; NaN if missing.

    Returns:
        The knee; all NaN with fewer than six capacities.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.arange(1.0, 401.0)
        >>> capacity = 1.1 - 1e-4 * cycle - 9e-4 * jnp.maximum(cycle - 300.0, 0.0)
        >>> knee = bacon_watts_knee(cycle, capacity)
        >>> f"{knee.cycle:.0f}"
        '300'

    References:
        Bacon and Watts, Estimating the transition between two intersecting straight
        lines, Biometrika 58, 525 (1971), doi:10.1093/biomet/58.3.525. Application to
        capacity: Fermín-Cueto et al., Energy and AI 1, 100006 (2020),
        doi:10.1016/j.egyai.2020.100006.
    """
    observed = jnp.isfinite(capacity_ah)
    dtype = capacity_ah.dtype
    first = jnp.min(jnp.where(observed, cycle, jnp.inf))
    span = jnp.max(jnp.where(observed, cycle, -jnp.inf)) - first
    position = jnp.where(observed, (cycle - first) / span, 0.0)
    count = observed.sum().astype(dtype)
    degrees = count - 3

    def centred(values):
        mean = jnp.where(observed, values, 0.0).sum() / count
        return jnp.where(observed, values - mean, 0.0)

    line = centred(position)
    line = line / safe_sqrt(jnp.dot(line, line))
    y = centred(capacity_ah)
    scale = safe_sqrt(jnp.dot(y, y) / count)
    y = y / jnp.where(scale > 0, scale, 1.0)

    def transition(x, width):
        return centred((position - x) * jnp.tanh((position - x) / width))

    def fit(x, width):
        # By the Frisch–Waugh theorem, c is the coefficient of the regression of
        # capacity on the transition after the line has been projected out of both.
        regressor = _orthogonal_part(line, transition(x, width))
        # The jitter bounds the weight of transitions that are almost a straight line.
        sum_of_squares = jnp.dot(regressor, regressor) + 1e-9
        coefficient = jnp.dot(regressor, y) / sum_of_squares
        residual = _orthogonal_part(line, y) - coefficient * regressor
        # The lower limit is the rounding error, reached if there is no noise.
        squares = jnp.maximum(jnp.sum(residual**2), jnp.finfo(dtype).eps * degrees)
        log_density = -0.5 * jnp.log(sum_of_squares) - 0.5 * degrees * jnp.log(squares)
        return log_density, coefficient

    axis = jnp.linspace(0.02, 0.98, _NUM_POSITIONS, dtype=dtype)
    positions, widths = (
        values.ravel() for values in jnp.meshgrid(axis, jnp.asarray(_WIDTHS, dtype))
    )
    log_density, coefficient = jax.vmap(fit)(positions, widths)
    probability = jax.nn.softmax(log_density)
    mean = probability @ positions
    variance = probability @ (positions - mean) ** 2
    best = jnp.argmax(log_density)
    linear_part = y - coefficient[best] * transition(positions[best], widths[best])
    b = jnp.dot(line, linear_part) / jnp.dot(line, position) * scale / span
    c = coefficient[best] * scale / span
    defined = degrees >= 3
    values = first + span * mean, span * safe_sqrt(variance), b - c, b + c
    return Knee(*(jnp.where(defined, value, jnp.nan) for value in values))


def _orthogonal_part(line, values):
    """Component of `values` orthogonal to the unit vector `line`."""
    return values - jnp.dot(line, values) * line
