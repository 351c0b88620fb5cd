"""The straight line through capacity over a window of cycles, with its errors."""

from typing import NamedTuple

import jax.numpy as jnp

from battprob._typing import Array, Float


class FadeLine(NamedTuple):
    """Ordinary least squares line of capacity on cycle number.

    Args:
        slope: Ah a cycle, negative where the cell fades.
        intercept: Ah, the line at cycle 0.
        slope_variance: square of the slope's standard error, (Ah a cycle)².
        intercept_variance: square of the intercept's standard error, Ah².
    """

    slope: Float[Array, ""]
    intercept: Float[Array, ""]
    slope_variance: Float[Array, ""]
    intercept_variance: Float[Array, ""]


def fade_line(
    cycle: Float[Array, " c"],
    capacity_ah: Float[Array, " c"],
    first: Float[Array, ""],
    last: Float[Array, ""],
) -> FadeLine:
    r"""Fit a line to one cell's capacity between two cycles; `jax.vmap` for many cells.

    $$\hat b = \frac{\sum (k - \bar k) Q_k}{S},\quad \hat a = \bar Q - \hat b \bar k,\quad
    S = \sum (k - \bar k)^2,$$
    $$\operatorname{Var} \hat b = \frac{s^2}{S},\quad
    \operatorname{Var} \hat a = s^2 \Bigl(\frac1n + \frac{\bar k^2}{S}\Bigr),\quad
    s^2 = \frac{1}{n - 2} \sum (Q_k - \hat a - \hat b k)^2$$

    Sums run over the n cycles of the window whose capacity is not NaN. The variances
    take the residuals as independent and even; residuals that bend or drift together
    make them too small.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each, Ah; NaN where missing.
        first: first cycle number of the window.
        last: last cycle number of the window, included.

    Returns:
        The line; NaN throughout with fewer than two capacities in the window, NaN
        variances with two.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.arange(1.0, 6.0)
        >>> line = fade_line(cycle, 1.1 - 0.01 * cycle, cycle[0], cycle[-1])
        >>> f"{line.slope:.3f} {line.intercept:.3f}"
        '-0.010 1.100'
    """
    used = jnp.isfinite(capacity_ah) & (cycle >= first) & (cycle <= last)
    count = used.sum().astype(capacity_ah.dtype)
    defined, tested = count > 1, count > 2
    mean_cycle = jnp.sum(jnp.where(used, cycle, 0.0)) / jnp.maximum(count, 1.0)
    mean_capacity = jnp.sum(jnp.where(used, capacity_ah, 0.0)) / jnp.maximum(count, 1.0)
    offset = jnp.where(used, cycle - mean_cycle, 0.0)
    fall = jnp.where(used, capacity_ah - mean_capacity, 0.0)
    spread = jnp.where(defined, offset @ offset, 1.0)
    slope = offset @ fall / spread
    residual = fall - slope * offset
    noise = residual @ residual / jnp.where(tested, count - 2.0, 1.0)
    leverage = 1.0 / jnp.maximum(count, 1.0) + mean_cycle**2 / spread
    return FadeLine(
        slope=jnp.where(defined, slope, jnp.nan),
        intercept=jnp.where(defined, mean_capacity - slope * mean_cycle, jnp.nan),
        slope_variance=jnp.where(tested, noise / spread, jnp.nan),
        intercept_variance=jnp.where(tested, noise * leverage, jnp.nan),
    )
