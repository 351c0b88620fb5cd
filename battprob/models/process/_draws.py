"""Random subsets of rows, and joint draws of functions, for all Gaussian processes."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import cholesky, default_jitter
from battprob._random import generator
from battprob._typing import Array, Float, PRNGKey
from battprob.models._scaling import Rows


def random_subset(rows: Rows, size: int, key: PRNGKey) -> Rows | None:
    """`size` random rows; None if there are no more rows than that."""
    real = np.flatnonzero(rows.mask)
    if len(real) <= size:
        return None
    chosen = generator(key).choice(real, size, replace=False)
    return Rows(*(jnp.asarray(np.asarray(column)[chosen]) for column in rows))


def posterior_root(
    prior: Float[Array, "m m"], v: Float[Array, "n m"]
) -> Float[Array, "m m"]:
    """Cholesky factor of the posterior covariance: prior - VᵀV."""
    # The difference can be much smaller than the prior but has the rounding errors of the
    # prior. The jitter inside `cholesky` is relative to the difference, too little here.
    rounding = default_jitter(prior.dtype) * jnp.mean(jnp.diagonal(prior))
    rounding = rounding * jnp.eye(len(prior), dtype=prior.dtype)
    return cholesky(prior - v.T @ v + rounding)


def draw_functions(
    mean: Float[Array, "s m"], root: Float[Array, "s m m"], key: PRNGKey, num: int
) -> Float[Array, "num m"]:
    """Joint draws of f at m rows, each with the hyper-parameters of a random draw."""
    key_draw, key_function = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(mean))
    noise = jax.random.normal(key_function, (num, mean.shape[1]), mean.dtype)
    return mean[chosen] + jnp.einsum("snm,sm->sn", root[chosen], noise)
