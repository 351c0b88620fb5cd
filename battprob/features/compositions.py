"""Compositions: parts of a whole, in coordinates that models may add and scale.

Fractions sum to one, so they are not free: raising one lowers the others. Log ratios are.
CLR keeps one coordinate a part (they sum to zero); ILR has one fewer and is orthonormal,
so that distances between compositions are kept. Both need parts above zero: see
`replace_zeros`.

References:
    Aitchison, J. R. Stat. Soc. B 44 (1982) 139, doi:10.1111/j.2517-6161.1982.tb01195.x
    (CLR). Egozcue et al., Math. Geol. 35 (2003) 279, doi:10.1023/A:1023818214614 (ILR).
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float


def closure(parts: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Parts divided by their sum.

    Example:
        >>> closure(jnp.array([6.0, 1.0, 1.0])).tolist()
        [0.75, 0.125, 0.125]
    """
    return parts / parts.sum(axis=-1, keepdims=True)


def replace_zeros(
    parts: ArrayLike, *, detection_limit: ArrayLike
) -> Float[Array, "*b d"]:
    r"""Fractions whose zeros are replaced by a small one, ratios of the others kept.

    With δ_j the detection limit of part j, after closure,

    $$r_j = \delta_j \text{ where } x_j = 0,\qquad
    r_j = x_j \Bigl(1 - \sum_{x_k = 0} \delta_k\Bigr) \text{ elsewhere}$$

    Log ratios with a replaced part depend on δ: try a second value before believing them.

    Args:
        parts: not negative, of any unit.
        detection_limit: fraction put in place of a zero, of all parts or of each; about
            two thirds of what could just have been measured.

    Raises:
        DataError: parts are negative or not finite, a row is all zero, or the limit is not
            between 0 and the smallest part that is there.

    Example:
        >>> replace_zeros([0.0, 0.5, 0.5], detection_limit=0.01).tolist()
        [0.01, 0.495, 0.495]

    References:
        Martín-Fernández et al., Math. Geol. 35 (2003) 253,
        doi:10.1023/A:1023866030544 (multiplicative replacement).
    """
    fractions = np.asarray(parts, float)
    require_parts(fractions)
    fractions = fractions / fractions.sum(axis=-1, keepdims=True)
    limit = np.broadcast_to(np.asarray(detection_limit, float), fractions.shape)
    zero = fractions == 0
    smallest = fractions[~zero].min()
    if not ((limit > 0) & (limit <= smallest)).all():
        raise DataError(
            f"detection_limit must lie between 0 and the smallest fraction present, "
            f"{smallest:g}; got {limit.min():g} to {limit.max():g}"
        )
    put = np.where(zero, limit, 0.0)
    kept = fractions * (1 - put.sum(axis=-1, keepdims=True))
    return jnp.asarray(put + kept, jnp.result_type(float))


def clr(parts: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    r"""Centred log ratios $\log x_j - \frac1d \sum_k \log x_k$ of positive parts.

    Example:
        >>> [f"{ratio:.2f}" for ratio in clr(jnp.array([1.0, 1.0, 8.0]))]
        ['-0.69', '-0.69', '1.39']
    """
    logs = jnp.log(parts)
    return logs - logs.mean(axis=-1, keepdims=True)


def clr_inverse(ratios: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Fractions with these centred log ratios (any constant may be added to them)."""
    return jax.nn.softmax(ratios, axis=-1)


def ilr(parts: Float[Array, "*b d"]) -> Float[Array, "*b d-1"]:
    r"""Isometric log ratios of positive parts, one coordinate fewer than parts.

    Coordinate i compares the first i parts with the next one (i = 1 … d - 1):

    $$z_i = \sqrt{\tfrac{i}{i+1}}\,\log \frac{(x_1 \cdots x_i)^{1/i}}{x_{i+1}}$$

    Example:
        >>> f"{ilr(jnp.array([1.0, 1.0]))[0]:.1f}"
        '0.0'
    """
    return clr(parts) @ jnp.asarray(_contrasts(parts.shape[-1]), parts.dtype)


def ilr_inverse(coordinates: Float[Array, "*b e"]) -> Float[Array, "*b e+1"]:
    """Fractions with these isometric log ratios.

    Example:
        >>> ilr_inverse(jnp.array([0.0])).tolist()
        [0.5, 0.5]
    """
    contrasts = _contrasts(coordinates.shape[-1] + 1)
    return clr_inverse(coordinates @ jnp.asarray(contrasts.T, coordinates.dtype))


def require_parts(parts: np.ndarray) -> None:
    """Check that rows are compositions.

    Raises:
        DataError: a part is negative or not finite, or a row is all zero.
    """
    bad = ~np.isfinite(parts) | (parts < 0)
    rows = np.atleast_2d(bad).any(axis=-1) | (np.atleast_2d(parts).sum(axis=-1) == 0)
    if rows.any():
        row = int(np.flatnonzero(rows)[0])
        raise DataError(
            f"parts must be finite, not negative and not all zero; row {row} (counting "
            f"from 0) is {np.atleast_2d(parts)[row].tolist()}"
        )


def _contrasts(num_parts):
    """Orthonormal columns: column i is even over parts 1 … i and balances part i + 1."""
    contrasts = np.zeros((num_parts, num_parts - 1))
    for i in range(1, num_parts):
        contrasts[:i, i - 1] = 1 / i
        contrasts[i, i - 1] = -1
        contrasts[:, i - 1] *= np.sqrt(i / (i + 1))
    return contrasts
