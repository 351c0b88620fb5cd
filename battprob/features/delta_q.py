"""Statistics of ΔQ(V), how far the discharge curve moved between two early cycles."""

from typing import NamedTuple

import jax.numpy as jnp

from battprob._typing import Array, Float


class DeltaQStatistics(NamedTuple):
    """Decimal logarithms of the magnitudes of five statistics of ΔQ(V), and a shape."""

    log10_variance: Float[Array, ""]
    log10_minimum: Float[Array, ""]
    log10_mean: Float[Array, ""]
    log10_skewness: Float[Array, ""]
    log10_kurtosis: Float[Array, ""]
    inverse_kurtosis: Float[Array, ""]


def delta_q_statistics(delta_q_ah: Float[Array, " v"]) -> DeltaQStatistics:
    r"""Log magnitudes of the moments and of the minimum of one curve ΔQ(V).

    $$\log_{10}|s|,\quad s \in \{\overline{(\Delta Q - m)^2},\ \min \Delta Q,\ m,\
    \overline{u^3},\ \overline{u^4}\},\qquad
    m = \overline{\Delta Q},\ u = (\Delta Q - m) / \sqrt{\overline{(\Delta Q - m)^2}}$$

    Averages run over the grid of voltages with equal weights and no correction for the
    sample size; the kurtosis is not the excess, so a Gaussian has 3. Its inverse lies in
    (0, 1], near 0 for a curve with one sharp dip: being bounded, an odd curve cannot
    carry a prediction far away. Use `jax.vmap` for many cells.

    A statistic of exactly 0 gives -inf. A curve that varies by no more than rounding
    counts as constant: its variance is 0, its skewness and kurtosis NaN. The gradient is
    0 in both cases, never NaN.

    Args:
        delta_q_ah: capacity of the later cycle minus that of the earlier one, Ah, at the
            voltages of an even grid.

    Returns:
        The five logarithms and the inverse kurtosis; the variance before its logarithm is
        in Ah², minimum and mean are in Ah.

    Example:
        >>> import jax.numpy as jnp
        >>> statistics = delta_q_statistics(jnp.array([-0.03, -0.01, -0.01, -0.03]))
        >>> f"{statistics.log10_variance:.3f} {statistics.log10_mean:.3f}"
        '-4.000 -1.699'

    References:
        Severson et al., Data-driven prediction of battery cycle life before capacity
        degradation, Nature Energy 4, 383 (2019), doi:10.1038/s41560-019-0356-8. Written
        here with decimal logarithms of all five.
    """
    mean = jnp.mean(delta_q_ah)
    centred = delta_q_ah - mean
    variance = jnp.mean(centred**2)
    rounding = 8 * jnp.finfo(delta_q_ah.dtype).eps * jnp.max(jnp.abs(delta_q_ah))
    varies = variance > rounding**2
    standard = centred / jnp.sqrt(jnp.where(varies, variance, 1.0))
    kurtosis = jnp.where(varies, jnp.mean(standard**4), jnp.nan)
    return DeltaQStatistics(
        log10_variance=_log10_magnitude(jnp.where(varies, variance, 0.0)),
        log10_minimum=_log10_magnitude(jnp.min(delta_q_ah)),
        log10_mean=_log10_magnitude(mean),
        log10_skewness=_log10_magnitude(
            jnp.where(varies, jnp.mean(standard**3), jnp.nan)
        ),
        log10_kurtosis=_log10_magnitude(kurtosis),
        inverse_kurtosis=1 / kurtosis,
    )


def _log10_magnitude(x):
    """log10|x|, with gradient 0 where it is -inf."""
    zero = x == 0
    return jnp.where(zero, -jnp.inf, jnp.log10(jnp.abs(jnp.where(zero, 1.0, x))))
