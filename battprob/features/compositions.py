"""Log-ratio transforms of compositions, whose parts are fractions of a whole.

Fractions sum to one, so increasing one decreases the others. Log ratios have no such
constraint and are suitable as features. The centred log ratio (CLR) has one coordinate
per part, with sum zero. The isometric log ratio (ILR) has one coordinate fewer and
preserves distances between compositions. Both need positive parts (see
`replace_zeros`).

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
    r"""Replace zeros by a small fraction; the ratios of the other parts do not change.

    With δ_j the replacement of part j and x_j the fractions,

    $$r_j = \delta_j \text{ if } x_j = 0,\qquad
    r_j = x_j \Bigl(1 - \sum_{x_k = 0} \delta_k\Bigr) \text{ otherwise}$$

    Log ratios with a replaced part depend on δ: check the results with a second value.

    Args:
        parts: non-negative amounts in any unit.
        detection_limit: fraction that replaces a zero, one for all parts or one per
            part; about two thirds of the smallest fraction that can be measured.

    Raises:
        DataError: parts are negative or not finite, all parts of a row are zero, or the
            limit is not between 0 and the smallest fraction present.

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
    # Multiplying all other fractions by the same factor keeps their ratios.
    replacement = np.where(zero, limit, 0.0)
    scaled = fractions * (1 - replacement.sum(axis=-1, keepdims=True))
    return jnp.asarray(replacement + scaled, jnp.result_type(float))


def clr(parts: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    r"""Centred log ratios $\log x_j - \frac1d \sum_k \log x_k$ of positive parts.

    Example:
        >>> [f"{ratio:.2f}" for ratio in clr(jnp.array([1.0, 1.0, 8.0]))]
        ['-0.69', '-0.69', '1.39']
    """
    logs = jnp.log(parts)
    return logs - logs.mean(axis=-1, keepdims=True)


def clr_inverse(ratios: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Fractions with the given centred log ratios; a constant offset has no effect."""
    return jax.nn.softmax(ratios, axis=-1)


def ilr(parts: Float[Array, "*b d"]) -> Float[Array, "*b d-1"]:
    r"""Isometric log ratios of positive parts, one coordinate fewer than parts.

    Coordinate i compares the first i parts with part i + 1 (i = 1 … d - 1):

    $$z_i = \sqrt{\tfrac{i}{i+1}}\,\log \frac{(x_1 \cdots x_i)^{1/i}}{x_{i+1}}$$

    Example:
        >>> f"{ilr(jnp.array([1.0, 1.0]))[0]:.1f}"
        '0.0'
    """
    return clr(parts) @ jnp.asarray(_contrasts(parts.shape[-1]), parts.dtype)


def ilr_inverse(coordinates: Float[Array, "*b e"]) -> Float[Array, "*b e+1"]:
    """Fractions with the given isometric log ratios.

    Example:
        >>> ilr_inverse(jnp.array([0.0])).tolist()
        [0.5, 0.5]
    """
    contrasts = _contrasts(coordinates.shape[-1] + 1)
    return clr_inverse(coordinates @ jnp.asarray(contrasts.T, coordinates.dtype))


def require_parts(parts: np.ndarray) -> None:
    """Check that all rows are compositions.

    Raises:
        DataError: a part is negative or not finite, or all parts of a row are zero.
    """
    bad = ~np.isfinite(parts) | (parts < 0)
    rows = np.atleast_2d(bad).any(axis=-1) | (np.atleast_2d(parts).sum(axis=-1) == 0)
    if rows.any():
        row = int(np.flatnonzero(rows)[0])
        raise DataError(
            f"parts must be finite, non-negative and not all zero; row {row} (counting "
            f"from 0) is {np.atleast_2d(parts)[row].tolist()}"
        )


def _contrasts(num_parts):
    """Orthonormal contrasts; column i compares parts 1 … i with part i + 1."""
    contrasts = np.zeros((num_parts, num_parts - 1))
    for i in range(1, num_parts):
        contrasts[:i, i - 1] = 1 / i
        contrasts[i, i - 1] = -1
        contrasts[:, i - 1] *= np.sqrt(i / (i + 1))
    return contrasts
