"""Statistics of ΔQ(V), the difference of the discharge curves of two early cycles."""

from typing import NamedTuple

import jax.numpy as jnp

from battprob._typing import Array, Float


class DeltaQStatistics(NamedTuple):
    """Decimal logarithms of five statistics of ΔQ(V), and the inverse kurtosis."""

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

    Averages over the voltages have equal weights and no correction for the sample size.
    The kurtosis is not the excess kurtosis; that of a Gaussian is 3. Its inverse is in
    (0, 1] and close to 0 for a curve with one sharp dip. Because it is bounded, an
    outlier cannot cause a large extrapolation. Use `jax.vmap` for several cells.

    A statistic that is exactly 0 gives -inf. A curve whose variation does not exceed
    rounding errors is treated as constant: its variance is 0, and its skewness and
    kurtosis are NaN. The gradient is 0 in both cases, never NaN.

    Args:
        delta_q_ah: capacity of the later cycle minus capacity of the earlier cycle, in
            Ah, at equally spaced voltages.

    Returns:
        The five logarithms and the inverse kurtosis. Before the logarithm, the variance
        is in Ah², minimum and mean are in Ah.

    Example:
        >>> import jax.numpy as jnp
        >>> statistics = delta_q_statistics(jnp.array([-0.03, -0.01, -0.01, -0.03]))
        >>> f"{statistics.log10_variance:.3f} {statistics.log10_mean:.3f}"
        '-4.000 -1.699'

    References:
        Severson et al., Data-driven prediction of battery cycle life before capacity
        degradation, Nature Energy 4, 383 (2019), doi:10.1038/s41560-019-0356-8. Here
        all five logarithms are decimal.
    """
    mean = jnp.mean(delta_q_ah)
    centred = delta_q_ah - mean
    variance = jnp.mean(centred**2)
    rounding = 8 * jnp.finfo(delta_q_ah.dtype).eps * jnp.max(jnp.abs(delta_q_ah))
    # For a constant curve the computed variance is not exactly 0, because the mean has a
    # rounding error of a few eps.
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
    """log10 |x|, with gradient 0 at x = 0, where the value is -inf."""
    zero = x == 0
    return jnp.where(zero, -jnp.inf, jnp.log10(jnp.abs(jnp.where(zero, 1.0, x))))
