"""Pareto-smoothed importance weights.

References:
    Vehtari, Simpson, Gelman, Yao and Gabry, J. Mach. Learn. Res. 25 (2024) 72;
    Zhang and Stephens, Technometrics 51 (2009) 316, doi:10.1198/tech.2009.08017.
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._typing import Array, Float


def smoothed_log_weights(
    log_ratio: Float[Array, " s"],
) -> tuple[Float[Array, " s"], Float[Array, ""]]:
    """Normalised log weights whose largest are those of a fitted Pareto tail, and its k."""
    count = log_ratio.size
    tail = int(min(0.2 * count, 3 * count**0.5))
    order = jnp.argsort(log_ratio)
    ascending = log_ratio[order] - log_ratio.max()
    cutoff = ascending[count - tail - 1]
    excess = jnp.exp(ascending[count - tail :]) - jnp.exp(cutoff)
    scale, k = fit_generalised_pareto(jnp.maximum(excess, 1e-300))
    p = jnp.asarray((np.arange(tail) + 0.5) / tail, excess.dtype)
    quantile = jnp.log(_pareto_quantile(p, scale, k) + jnp.exp(cutoff))
    smooth = jnp.minimum(quantile, 0.0)
    replaced = jnp.concatenate([ascending[: count - tail], smooth])
    log_weight = jnp.zeros_like(log_ratio).at[order].set(replaced)
    return log_weight - logsumexp(log_weight), k


def fit_generalised_pareto(
    excess: Float[Array, " t"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Scale and shape k of a generalised Pareto law, from ascending excesses.

    Zhang and Stephens' estimate, k shrunk towards 0.5 by ten pseudo-observations.
    """
    count = excess.size
    nodes = 30 + int(count**0.5)
    quartile = excess[int(count / 4 + 0.5) - 1]
    spread = 1 - np.sqrt(nodes / (np.arange(1, nodes + 1) - 0.5))
    theta = 1 / excess[-1] + jnp.asarray(spread, excess.dtype) / (3 * quartile)
    k = jnp.mean(jnp.log1p(-theta[:, None] * excess[None]), axis=1)
    log_profile = count * (jnp.log(-theta / k) - k - 1)
    weight = jnp.exp(log_profile - logsumexp(log_profile))
    theta = jnp.sum(weight * theta)
    k = jnp.mean(jnp.log1p(-theta * excess))
    return -k / theta, (count * k + 5.0) / (count + 10.0)


def _pareto_quantile(p, scale, k):
    near_zero = jnp.abs(k) < 1e-6
    safe = jnp.where(near_zero, 1.0, k)
    curved = scale * jnp.expm1(-safe * jnp.log1p(-p)) / safe
    return jnp.where(near_zero, -scale * jnp.log1p(-p), curved)
