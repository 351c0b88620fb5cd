"""Where the search for protocols starts: rows sorted by what one function leaves of them.

The residual e of a single expert tells parallel protocols apart; protocols whose functions
cross are told apart by e g(x), with g a function that changes its sign where they cross. A
start ranks the rows by such a product, cuts the ranks at random places, and calls the
pieces protocols, in a random order. No start depends on the order of rows.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, Float, PRNGKey
from battprob.models.mixture._bound import MixtureData, MixtureParameters, pinned

_DECIDED = 0.9  # share of a row in the piece that it starts in
_FREQUENCY = 1.0  # crossings are about as far apart as features vary


@eqx.filter_jit
def starting_shares(
    parameters: MixtureParameters, data: MixtureData, key: PRNGKey, num: int
) -> Float[Array, "t k n"]:
    """Shares to start from; those of the first start go by the residual, evenly cut."""
    rows = data.rows
    everything = rows.mask.astype(rows.y.dtype)
    expert = parameters.expert
    solved = expert.solve(rows, everything)
    residual = rows.y - expert.function(solved, rows, everything, rows.x)[0]

    dtype, num_features = residual.dtype, rows.x.shape[1]

    def one(number, key):
        key_wave, key_phase, key_cut, key_order = jax.random.split(key, 4)
        wave = _FREQUENCY * jax.random.normal(key_wave, (num_features,), dtype)
        phase = jax.random.uniform(key_phase, (), dtype, 0.0, 2 * jnp.pi)
        widths = jax.random.uniform(key_cut, data.active.shape, dtype, 0.5, 1.5)
        first = number == 0
        sign = jnp.where(first, 1.0, jnp.cos(rows.x @ wave + phase)).astype(dtype)
        widths = data.active * jnp.where(first, 1.0, widths).astype(dtype)
        piece = _pieces(residual * sign, rows.mask, widths)
        piece = jnp.where(first, piece, _shuffled(piece, data.active, key_order))
        share = jax.nn.one_hot(piece, len(widths), axis=0, dtype=dtype)
        even = data.active / jnp.sum(data.active)
        share = _DECIDED * share + (1 - _DECIDED) * even[:, None]
        return pinned(share, data)

    return jax.vmap(one)(jnp.arange(num), jax.random.split(key, num))


def _pieces(score, mask, widths):
    """Which piece of the ranks each row falls into."""
    rank = jnp.argsort(jnp.argsort(jnp.where(mask, score, jnp.inf)))
    level = rank.astype(widths.dtype) / jnp.sum(mask.astype(widths.dtype))
    ends = jnp.cumsum(widths) / jnp.sum(widths)
    piece = jnp.searchsorted(ends, level, side="right")
    return jnp.minimum(piece, len(widths) - 1)


def _shuffled(piece, active, key):
    """The pieces under other names; the active ones come first and share their names."""
    lottery = jnp.where(active > 0, jax.random.uniform(key, active.shape), jnp.inf)
    return jnp.argsort(lottery)[piece].astype(piece.dtype)
