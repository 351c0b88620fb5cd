"""Numbers read off a capacity sequence: at one cycle, and its first rise.

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
