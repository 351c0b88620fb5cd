"""Initial responsibilities for EM, from the residuals of a single expert.

The residual e of one expert for all rows separates parallel protocols. Protocols whose
functions cross are separated by e g(x), where g changes its sign where they cross. Each
initialisation ranks the rows by e g(x) for a random g, cuts the ranks at random points and
assigns the segments to the protocols in random order. The result does not depend on the
order of the rows.
"""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._typing import Array, Float, PRNGKey
from battprob.models.mixture._bound import with_labels
from battprob.models.mixture._parameters import MixtureData, MixtureParameters

# Responsibility of a row's segment. With 1, the first M step would fit the segments so
# closely that EM stays at them; the rest is divided among all protocols.
_CONFIDENCE = 0.9
# g is a cosine along a random direction: its sign changes about once within the standard
# deviation of a feature.
_FREQUENCY = 1.0


@eqx.filter_jit
def initial_responsibilities(
    parameters: MixtureParameters, data: MixtureData, key: PRNGKey, num: int
) -> Float[Array, "t k n"]:
    """Responsibilities of `num` initialisations.

    The first one is not random: it has g = 1 and segments of equal size.
    """
    rows = data.rows
    residual = _residual(parameters.expert, rows)
    dtype, num_features = residual.dtype, rows.x.shape[1]

    def one(number, key):
        key_wave, key_phase, key_cut, key_order = jax.random.split(key, 4)
        wave = _FREQUENCY * jax.random.normal(key_wave, (num_features,), dtype)
        phase = jax.random.uniform(key_phase, (), dtype, 0.0, 2 * jnp.pi)
        widths = jax.random.uniform(key_cut, data.active.shape, dtype, 0.5, 1.5)
        is_first = number == 0
        g = jnp.where(is_first, 1.0, jnp.cos(rows.x @ wave + phase)).astype(dtype)
        widths = data.active * jnp.where(is_first, 1.0, widths).astype(dtype)
        segment = _segments(residual * g, rows.mask, widths)
        shuffled = _shuffled(segment, data.active, key_order)
        protocol = jnp.where(is_first, segment, shuffled)
        certain = jax.nn.one_hot(protocol, len(widths), axis=0, dtype=dtype)
        uniform = (data.active / jnp.sum(data.active))[:, None]
        mixed = _CONFIDENCE * certain + (1 - _CONFIDENCE) * uniform
        return with_labels(mixed, data)

    return jax.vmap(one)(jnp.arange(num), jax.random.split(key, num))


def _residual(expert, rows):
    """Residual of a single expert that is fitted to all rows."""
    all_rows = rows.mask.astype(rows.y.dtype)
    solution = expert.solve(rows, all_rows)
    return rows.y - expert.function(solution, rows, all_rows, rows.x)[0]


def _segments(score, mask, widths):
    """Index of the segment of ranks that each row belongs to."""
    rank = jnp.argsort(jnp.argsort(jnp.where(mask, score, jnp.inf)))
    quantile = rank.astype(widths.dtype) / jnp.sum(mask.astype(widths.dtype))
    ends = jnp.cumsum(widths) / jnp.sum(widths)
    segment = jnp.searchsorted(ends, quantile, side="right")
    return jnp.minimum(segment, len(widths) - 1)


def _shuffled(segment, active, key):
    """Segments renumbered at random; active protocols come first and stay first."""
    order = jnp.where(active > 0, jax.random.uniform(key, active.shape), jnp.inf)
    return jnp.argsort(order)[segment].astype(segment.dtype)
