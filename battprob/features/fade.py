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

    Any sequence will do: of resistances, the slope is the resistance growth dR/dN.

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


def fade_curvature(
    cycle: Float[Array, " c"],
    capacity_ah: Float[Array, " c"],
    first: Float[Array, ""],
    last: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Second derivative of capacity over cycle by a least-squares parabola, and its variance.

    With p the parabola's part that no line explains, $p = k^2$ less its own line,
    $$\hat Q'' = 2 \frac{p \cdot Q}{p \cdot p},\quad
    \operatorname{Var} \hat Q'' = \frac{4 s^2}{p \cdot p},\quad s^2 = \frac{R}{n - 3}$$

    Args:
        cycle, capacity_ah, first, last: as `fade_line`.

    Returns:
        Curvature in Ah a cycle², and its variance; NaN with fewer than three capacities
        in the window, the variance also with three.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.arange(1.0, 9.0)
        >>> curvature, _ = fade_curvature(cycle, 1 - 1e-3 * cycle**2, cycle[0], cycle[-1])
        >>> f"{curvature:.4f}"
        '-0.0020'
    """
    used = jnp.isfinite(capacity_ah) & (cycle >= first) & (cycle <= last)
    count = used.sum().astype(capacity_ah.dtype)

    def residual(y):
        line = fade_line(cycle, jnp.where(used, y, jnp.nan), first, last)
        return jnp.where(used, y - line.intercept - line.slope * cycle, 0.0)

    centre = jnp.sum(jnp.where(used, cycle, 0.0)) / jnp.maximum(count, 1.0)
    bent, bend = residual((cycle - centre) ** 2), residual(capacity_ah)
    defined, tested = count > 2, count > 3
    size = jnp.where(defined, bent @ bent, 1.0)
    weight = bent @ bend / size
    left = bend - weight * bent
    noise = left @ left / jnp.where(tested, count - 3.0, 1.0)
    return (
        jnp.where(defined, 2 * weight, jnp.nan),
        jnp.where(tested, 4 * noise / size, jnp.nan),
    )
