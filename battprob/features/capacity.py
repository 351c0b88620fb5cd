"""Numbers read off a capacity sequence: at one cycle, its first rise, its efficiency.

Functions of one cell; `jax.vmap` them over cells that share the `cycle` axis. A missing
capacity is NaN.
"""

import jax.numpy as jnp

from battprob._typing import Array, Float


def capacity_at(
    cycle: Float[Array, " c"], capacity_ah: Float[Array, " c"], at: Float[Array, ""]
) -> Float[Array, ""]:
    """Capacity at cycle number `at`, Ah; NaN where that cycle is absent.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each, Ah.
        at: cycle number wanted.

    Example:
        >>> import jax.numpy as jnp
        >>> cycle, capacity = jnp.array([2.0, 3.0]), jnp.array([1.07, 1.08])
        >>> f"{capacity_at(cycle, capacity, jnp.array(3.0)):.2f}"
        '1.08'
    """
    here = cycle == at
    return jnp.where(here.any(), capacity_ah[jnp.argmax(here)], jnp.nan)


def capacity_rise(
    cycle: Float[Array, " c"],
    capacity_ah: Float[Array, " c"],
    first: Float[Array, ""],
    last: Float[Array, ""],
) -> Float[Array, ""]:
    r"""How far capacity climbs above its start: $\max_{a \le k \le b} Q_k - Q_a$, Ah.

    Args:
        cycle: cycle numbers, all different.
        capacity_ah: discharge capacity of each, Ah.
        first: cycle number a, whose capacity is the start.
        last: cycle number b, included.

    Returns:
        The rise, 0 or more; NaN where the capacity at `first` is missing.

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
    r"""Charge got back of each cycle, $\eta_k = Q_{dis,k} / Q_{ch,k}$, and its variance.

    $$\operatorname{Var} \eta_k = 2 \eta_k^2 r$$

    to first order, with r the relative variance of one counted charge. An error of the
    current's gain is common to both and cancels: leave it out of r.

    Args:
        charge_ah: charge put in, Ah; NaN where missing.
        discharge_ah: charge got out, Ah; NaN where missing.
        relative_variance: square of the relative standard error of one counted charge.

    Example:
        >>> import jax.numpy as jnp
        >>> charge, discharge = jnp.array([1.0, 1.0]), jnp.array([0.999, 0.998])
        >>> value, variance = coulombic_efficiency(charge, discharge, jnp.array(1e-8))
        >>> f"{value[1]:.3f} ± {variance[1] ** 0.5:.5f}"
        '0.998 ± 0.00014'
    """
    usable = charge_ah > 0
    ratio = discharge_ah / jnp.where(usable, charge_ah, 1.0)
    ratio = jnp.where(usable, ratio, jnp.nan)
    return ratio, 2 * ratio**2 * relative_variance
