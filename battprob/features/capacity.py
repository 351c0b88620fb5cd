"""Features of capacity sequences: value at a cycle, initial rise, efficiency.

These are functions of one cell; use `jax.vmap` for several cells with the same `cycle`
axis. A missing capacity is NaN.
"""

import jax.numpy as jnp

from battprob._typing import Array, Float


def capacity_at(
    cycle: Float[Array, " c"], capacity_ah: Float[Array, " c"], at: Float[Array, ""]
) -> Float[Array, ""]:
    """Capacity in Ah at cycle number `at`; NaN if this cycle is not recorded.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each cycle in Ah.
        at: cycle number.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle, capacity = jnp.array([2.0, 3.0]), jnp.array([1.07, 1.08])
        >>> f"{capacity_at(cycle, capacity, jnp.array(3.0)):.2f}"
        '1.08'
    """
    matches = cycle == at
    return jnp.where(matches.any(), capacity_ah[jnp.argmax(matches)], jnp.nan)


def capacity_rise(
    cycle: Float[Array, " c"],
    capacity_ah: Float[Array, " c"],
    first: Float[Array, ""],
    last: Float[Array, ""],
) -> Float[Array, ""]:
    r"""Largest increase over the first capacity: $\max_{a \le k \le b} Q_k - Q_a$.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each cycle in Ah; NaN if missing.
        first: cycle number a.
        last: cycle number b, included.

    Returns:
        The rise in Ah, at least 0; NaN if the capacity at `first` is missing.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle = jnp.array([2.0, 3.0, 4.0])
        >>> capacity = jnp.array([1.07, jnp.nan, 1.08])
        >>> f"{capacity_rise(cycle, capacity, cycle[0], cycle[2]):.2f}"
        '0.01'
    """
    used = jnp.isfinite(capacity_ah) & (cycle >= first) & (cycle <= last)
    highest = jnp.max(jnp.where(used, capacity_ah, -jnp.inf))
    return highest - capacity_at(cycle, capacity_ah, first)


def coulombic_efficiency(
    charge_ah: Float[Array, " c"],
    discharge_ah: Float[Array, " c"],
    relative_variance: Float[Array, ""],
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    r"""Coulombic efficiency of each cycle, and its variance.

    $$\eta_k = Q_{dis,k} / Q_{ch,k},\qquad \operatorname{Var} \eta_k = 2 \eta_k^2 r$$

    to first order, where r is the relative variance of one capacity. A gain error of
    the current sensor is common to both capacities and cancels; do not include it in r.

    Args:
        charge_ah: charge capacity in Ah; NaN if missing.
        discharge_ah: discharge capacity in Ah; NaN if missing.
        relative_variance: r, the squared relative standard error of one capacity.

    Returns:
        The efficiency and its variance; NaN if the charge capacity is missing or zero.

    Example:
        >>> import jax.numpy as jnp
        >>> charge, discharge = jnp.array([1.0, 1.0]), jnp.array([0.999, 0.998])
        >>> value, variance = coulombic_efficiency(charge, discharge, jnp.array(1e-8))
        >>> f"{value[1]:.3f} ± {variance[1] ** 0.5:.5f}"
        '0.998 ± 0.00014'
    """
    valid = charge_ah > 0
    # The inner `where` keeps the gradient finite where the charge is zero.
    ratio = discharge_ah / jnp.where(valid, charge_ah, 1.0)
    ratio = jnp.where(valid, ratio, jnp.nan)
    return ratio, 2 * ratio**2 * relative_variance
