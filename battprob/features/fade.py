"""Slope and curvature of the capacity over a window of cycles, with standard errors."""

from typing import NamedTuple

import jax.numpy as jnp

from battprob._typing import Array, Float


class FadeLine(NamedTuple):
    """Ordinary least-squares line of capacity against cycle number.

    Args:
        slope: Ah per cycle, negative for a cell that fades.
        intercept: value of the line at cycle 0, Ah.
        slope_variance: squared standard error of the slope, (Ah per cycle)².
        intercept_variance: squared standard error of the intercept, Ah².
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
    r"""Fit a line to the capacity of one cell between two cycles.

    $$\hat b = \frac{\sum (k - \bar k) Q_k}{S},\quad
    \hat a = \bar Q - \hat b \bar k,\quad S = \sum (k - \bar k)^2,$$
    $$\operatorname{Var} \hat b = \frac{s^2}{S},\quad
    \operatorname{Var} \hat a = s^2 \Bigl(\frac1n + \frac{\bar k^2}{S}\Bigr),\quad
    s^2 = \frac{1}{n - 2} \sum (Q_k - \hat a - \hat b k)^2$$

    The sums are over the n cycles of the window whose capacity is not NaN. The
    variances assume independent residuals of equal variance; with curvature or drift
    they are too small. Use `jax.vmap` for several cells. The function can be applied to
    other sequences: with resistances the slope is the resistance growth dR/dN.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each cycle in Ah; NaN if missing.
        first: first cycle number of the window.
        last: last cycle number of the window, included.

    Returns:
        The line; all NaN with fewer than two capacities in the window, and NaN
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
    line_defined, variance_defined = count > 1, count > 2
    mean_cycle = jnp.sum(jnp.where(used, cycle, 0.0)) / jnp.maximum(count, 1.0)
    mean_capacity = jnp.sum(jnp.where(used, capacity_ah, 0.0)) / jnp.maximum(count, 1.0)
    centred_cycle = jnp.where(used, cycle - mean_cycle, 0.0)
    centred_capacity = jnp.where(used, capacity_ah - mean_capacity, 0.0)
    # Denominators are replaced by 1 if undefined, so that no gradient becomes NaN.
    sum_of_squares = jnp.where(line_defined, centred_cycle @ centred_cycle, 1.0)
    slope = centred_cycle @ centred_capacity / sum_of_squares
    residual = centred_capacity - slope * centred_cycle
    noise = residual @ residual / jnp.where(variance_defined, count - 2.0, 1.0)
    leverage = 1.0 / jnp.maximum(count, 1.0) + mean_cycle**2 / sum_of_squares
    intercept = mean_capacity - slope * mean_cycle
    return FadeLine(
        slope=jnp.where(line_defined, slope, jnp.nan),
        intercept=jnp.where(line_defined, intercept, jnp.nan),
        slope_variance=jnp.where(variance_defined, noise / sum_of_squares, jnp.nan),
        intercept_variance=jnp.where(variance_defined, noise * leverage, jnp.nan),
    )


def fade_curvature(
    cycle: Float[Array, " c"],
    capacity_ah: Float[Array, " c"],
    first: Float[Array, ""],
    last: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Curvature of the capacity over the cycles, from a least-squares parabola.

    With p the residuals of $k^2$ from its own least-squares line,
    $$\hat Q'' = 2 \frac{p \cdot Q}{p \cdot p},\quad
    \operatorname{Var} \hat Q'' = \frac{4 s^2}{p \cdot p},\quad s^2 = \frac{R}{n - 3}$$

    Args:
        cycle, capacity_ah, first, last: as in `fade_line`.

    Returns:
        Curvature in Ah per cycle², and its variance. Both are NaN with fewer than three
        capacities in the window; the variance is also NaN with three.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.arange(1.0, 9.0)
        >>> capacity = 1 - 1e-3 * cycle**2
        >>> curvature, _ = fade_curvature(cycle, capacity, cycle[0], cycle[-1])
        >>> f"{curvature:.4f}"
        '-0.0020'
    """
    used = jnp.isfinite(capacity_ah) & (cycle >= first) & (cycle <= last)
    count = used.sum().astype(capacity_ah.dtype)

    def residual(y):
        line = fade_line(cycle, jnp.where(used, y, jnp.nan), first, last)
        return jnp.where(used, y - line.intercept - line.slope * cycle, 0.0)

    # Centred, because k² of large cycle numbers is almost collinear with k.
    centre = jnp.sum(jnp.where(used, cycle, 0.0)) / jnp.maximum(count, 1.0)
    parabola, detrended = residual((cycle - centre) ** 2), residual(capacity_ah)
    curvature_defined, variance_defined = count > 2, count > 3
    sum_of_squares = jnp.where(curvature_defined, parabola @ parabola, 1.0)
    coefficient = parabola @ detrended / sum_of_squares
    remaining = detrended - coefficient * parabola
    noise = remaining @ remaining / jnp.where(variance_defined, count - 3.0, 1.0)
    return (
        jnp.where(curvature_defined, 2 * coefficient, jnp.nan),
        jnp.where(variance_defined, 4 * noise / sum_of_squares, jnp.nan),
    )
