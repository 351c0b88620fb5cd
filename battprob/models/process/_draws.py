"""What processes for regression and for classes share: pilots, and draws of the function."""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import cholesky, default_jitter
from battprob._random import generator
from battprob._typing import Array, Float, PRNGKey
from battprob.models._scaling import Rows


def some_rows(rows: Rows, most: int, key: PRNGKey) -> Rows | None:
    """`most` of the rows, drawn at random; None where there are no more."""
    real = np.flatnonzero(rows.mask)
    if len(real) <= most:
        return None
    chosen = generator(key).choice(real, most, replace=False)
    return Rows(*(jnp.asarray(np.asarray(column)[chosen]) for column in rows))


def root_of_rest(
    prior: Float[Array, "m m"], v: Float[Array, "n m"]
) -> Float[Array, "m m"]:
    """Cholesky factor of prior - VᵀV, what the data leave of the prior's covariance."""
    # A difference: what little it leaves has the rounding errors of the prior.
    rounding = default_jitter(prior.dtype) * jnp.mean(jnp.diagonal(prior))
    rounding = rounding * jnp.eye(len(prior), dtype=prior.dtype)
    return cholesky(prior - v.T @ v + rounding)


def draw_functions(
    mean: Float[Array, "s m"], root: Float[Array, "s m m"], key: PRNGKey, num: int
) -> Float[Array, "num m"]:
    """Draws of the function: of hyper-parameters first, then of its values together."""
    key_draw, key_function = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(mean))
    noise = jax.random.normal(key_function, (num, mean.shape[1]), mean.dtype)
    return mean[chosen] + jnp.einsum("snm,sm->sn", root[chosen], noise)
