"""Tables of what does not change while a cell is cycled: recipe, structure, settings.

Each function makes a `FeatureTable` of one kind of descriptor; `join` puts them together.
Nothing is learned from the rows, so nothing can leak: bounds, parts and levels are stated.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float
from battprob.features.compositions import ilr, replace_zeros, require_parts
from battprob.features.propagation import first_order
from battprob.features.table import FeatureTable

_UNKNOWN = "unknown"


def continuous(
    values: ArrayLike,
    *,
    name: str,
    unit: str,
    rows: Sequence[str],
    low: float,
    high: float,
    variance: ArrayLike | None = None,
) -> FeatureTable:
    """One column of numbers that must lie within bounds.

    Args:
        values: one a row; NaN where missing.
        name, unit: of the column.
        rows: names of the rows.
        low, high: bounds, included, in the unit of the values.
        variance: variance of each value's own error.

    Raises:
        DataError: a value lies outside; the message names the rows.

    Example:
        >>> bounds = {"low": 0.0, "high": 60.0}
        >>> given = {"name": "temperature", "unit": "degC", "rows": ["a", "b"]}
        >>> table = continuous([25.0, 45.0], **given, **bounds)
        >>> table.x.shape
        (2, 1)
    """
    column = np.asarray(values, float)
    outside = np.flatnonzero((column < low) | (column > high))
    if outside.size:
        raise DataError(
            f"{name} must lie between {low:g} and {high:g} {unit}; row "
            f"{rows[outside[0]]!r} has {column[outside[0]]:g} ({outside.size} rows in all): "
            "mind the unit, or widen the bounds"
        )
    return FeatureTable(
        column[:, None],
        names=[name],
        units=[unit],
        rows=rows,
        variance=None if variance is None else np.asarray(variance, float)[:, None],
    )


def composition(
    parts: ArrayLike,
    *,
    names: Sequence[str],
    rows: Sequence[str],
    detection_limit: float | None = None,
    variance: ArrayLike | None = None,
) -> FeatureTable:
    """Isometric log ratios of a composition; their order is that of `names`.

    Column `ilr_cl` compares all the parts before Cl with Cl (see `compositions.ilr`).

    Args:
        parts: [n d] amounts of any unit, not negative.
        names: of the parts.
        rows: names of the rows.
        detection_limit: fraction that stands in for a zero (`replace_zeros`); None
            refuses zeros.
        variance: [n d] variances of the parts, carried to first order.

    Raises:
        DataError: a part is zero and there is no limit; the message names row and part.

    Example:
        >>> table = composition(
        ...     [[6.0, 1.0, 5.0]], names=["li", "p", "s"], rows=["Li6PS5"]
        ... )
        >>> table.names
        ('ilr_p', 'ilr_s')
    """
    amounts = np.asarray(parts, float)
    require_parts(amounts)
    fractions = amounts / amounts.sum(axis=1, keepdims=True)
    if detection_limit is not None:
        fractions = np.asarray(replace_zeros(amounts, detection_limit=detection_limit))
    _require_positive(fractions, names, rows)
    if variance is None:
        variance = np.full(amounts.shape, np.nan)
    # A log ratio is that of the amounts too: their errors count relative to them.
    scale = fractions / np.where(amounts > 0, amounts, np.nan)
    scaled = np.asarray(variance, float) * scale**2
    dtype = jnp.result_type(float)
    moments = first_order(
        ilr, jnp.asarray(fractions, dtype), jnp.asarray(scaled, dtype)
    )
    return FeatureTable(
        moments.value,
        names=[f"ilr_{name}" for name in names[1:]],
        units=[""] * (len(names) - 1),
        rows=rows,
        variance=moments.variance,
    )


def lattice(
    parameters: ArrayLike, *, rows: Sequence[str], variance: ArrayLike | None = None
) -> FeatureTable:
    r"""Lattice parameters and the volume of the unit cell.

    $$V = abc\sqrt{1 + 2\cos\alpha\cos\beta\cos\gamma
    - \cos^2\alpha - \cos^2\beta - \cos^2\gamma}$$

    Args:
        parameters: [n 6] of a, b, c in Å and α, β, γ in degrees.
        rows: names of the rows.
        variance: [n 6] variances of them, carried to the volume to first order.

    Raises:
        DataError: a length or an angle is not positive, or the angles close no cell.

    Example:
        >>> table = lattice([[2.0, 3.0, 4.0, 90.0, 90.0, 90.0]], rows=["a"])
        >>> f"{table.x[0, 6]:.2f}", table.units[6]
        ('24.00', 'Å³')
    """
    values = np.asarray(parameters, float)
    if values.ndim != 2 or values.shape[1] != 6:
        raise DataError(f"expected a, b, c, α, β, γ in each row; got {values.shape}")
    if variance is None:
        variance = np.full(values.shape, np.nan)
    dtype = jnp.result_type(float)
    x, known = jnp.asarray(values, dtype), jnp.asarray(variance, dtype)
    volume = first_order(lattice_volume, x, known)
    _require_cells(values, np.asarray(volume.value[:, 0]), rows)
    return FeatureTable(
        jnp.concatenate([x, volume.value], axis=1),
        names=["a", "b", "c", "alpha", "beta", "gamma", "cell_volume"],
        units=["Å"] * 3 + ["°"] * 3 + ["Å³"],
        rows=rows,
        variance=jnp.concatenate([known, volume.variance], axis=1),
    )


def category(
    values: Sequence[object], *, name: str, levels: Sequence[str], rows: Sequence[str]
) -> FeatureTable:
    """One column of 0 and 1 a level, and one more for whatever is none of them.

    Args:
        values: one a row, compared as text.
        name: what the levels are of; columns are called `name=level`.
        levels: those to tell apart, from the training rows or from what is known; a
            missing value or another level counts as `name=unknown`.
        rows: names of the rows.

    Raises:
        DataError: there are no levels, or one occurs twice.

    Example:
        >>> table = category(
        ...     ["Fm-3m", "P1"], name="group", levels=["Fm-3m", "F-43m"], rows=["a", "b"]
        ... )
        >>> table.x.tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    known = list(levels)
    if not known or len(set(known)) < len(known) or _UNKNOWN in known:
        raise DataError(
            f"levels of {name} must be different, at least one, and none of them "
            f"{_UNKNOWN!r}; got {known}"
        )
    columns = [*known, _UNKNOWN]
    texts = [str(value) for value in values]
    place = [known.index(text) if text in known else len(known) for text in texts]
    return FeatureTable(
        np.eye(len(columns))[place],
        names=[f"{name}={level}" for level in columns],
        units=[""] * len(columns),
        rows=rows,
        variance=np.zeros((len(texts), len(columns))),
    )


def lattice_volume(parameters: Float[Array, "6"]) -> Float[Array, "1"]:
    """Volume in Å³ of the cell with edges a, b, c in Å and angles in degrees."""
    cosines = jnp.cos(jnp.deg2rad(parameters[3:]))
    square = 1 + 2 * jnp.prod(cosines) - jnp.sum(cosines**2)
    closes = square > 0
    root = jnp.sqrt(jnp.where(closes, square, 1.0))
    return jnp.where(closes, jnp.prod(parameters[:3]) * root, jnp.nan)[None]


def _require_positive(fractions, names, rows):
    zero = np.argwhere(fractions == 0)
    if len(zero):
        row, part = zero[0]
        raise DataError(
            f"row {rows[row]!r} has no {names[part]} ({len(zero)} zeros in all), and a log "
            "ratio with zero is not defined: give detection_limit=, or leave the part out"
        )


def _require_cells(values, volume, rows):
    bad = np.flatnonzero(~((values > 0).all(axis=1) & (volume > 0)))
    if bad.size:
        raise DataError(
            f"row {rows[bad[0]]!r} is no unit cell: {values[bad[0]].tolist()}; expected "
            "lengths in Å above 0 and angles in degrees that close"
        )
