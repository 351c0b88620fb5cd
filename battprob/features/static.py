"""Descriptors that do not change during cycling: composition, structure, settings.

Each function returns a `FeatureTable` of one kind of descriptor; combine them with
`FeatureTable.join`. Bounds, parts and levels are arguments and are not estimated from
the rows, so there is no data leakage between training and test rows.
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
    """One column of numbers, checked against bounds.

    Args:
        values: one value per row; NaN if missing.
        name, unit: name and unit of the column.
        rows: names of the rows.
        low, high: bounds, included, in the unit of the values.
        variance: variance of the error of each value.

    Raises:
        DataError: a value is outside the bounds; the message names the row.

    Example:
        >>> bounds = {"low": 0.0, "high": 60.0}
        >>> options = {"name": "temperature", "unit": "degC", "rows": ["a", "b"]}
        >>> table = continuous([25.0, 45.0], **options, **bounds)
        >>> table.x.shape
        (2, 1)
    """
    column = np.asarray(values, float)
    outside = np.flatnonzero((column < low) | (column > high))
    if outside.size:
        raise DataError(
            f"{name} must be between {low:g} and {high:g} {unit}; row "
            f"{rows[outside[0]]!r} has {column[outside[0]]:g} ({outside.size} such "
            "rows): check the unit, or extend the bounds"
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
    """Isometric log ratios of a composition, in the order of `names`.

    Column `ilr_cl` compares all parts before Cl with Cl (see `battprob.features.ilr`).

    Args:
        parts: non-negative amounts [n, d] in any unit.
        names: names of the parts.
        rows: names of the rows.
        detection_limit: fraction that replaces a zero (see `replace_zeros`); None: a
            zero is an error.
        variance: variances of the parts [n, d], propagated to first order.

    Raises:
        DataError: a part is zero and there is no detection limit; the message names the
            row and the part.

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
    # A log ratio depends on relative errors only, so the variances of the amounts are
    # converted to variances of fractions; those of replaced zeros are unknown (NaN).
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
        parameters: a, b, c in Å and α, β, γ in degrees, [n, 6].
        rows: names of the rows.
        variance: variances of the parameters [n, 6], propagated to first order.

    Raises:
        DataError: a length or an angle is not positive, or no unit cell has these
            angles.

    Example:
        >>> table = lattice([[2.0, 3.0, 4.0, 90.0, 90.0, 90.0]], rows=["a"])
        >>> f"{table.x[0, 6]:.2f}", table.units[6]
        ('24.00', 'Å³')
    """
    values = np.asarray(parameters, float)
    if values.ndim != 2 or values.shape[1] != 6:
        raise DataError(
            f"expected a, b, c, α, β, γ in each row; got shape {values.shape}"
        )
    if variance is None:
        variance = np.full(values.shape, np.nan)
    dtype = jnp.result_type(float)
    x, x_variance = jnp.asarray(values, dtype), jnp.asarray(variance, dtype)
    volume = first_order(lattice_volume, x, x_variance)
    _require_cells(values, np.asarray(volume.value[:, 0]), rows)
    return FeatureTable(
        jnp.concatenate([x, volume.value], axis=1),
        names=["a", "b", "c", "alpha", "beta", "gamma", "cell_volume"],
        units=["Å"] * 3 + ["°"] * 3 + ["Å³"],
        rows=rows,
        variance=jnp.concatenate([x_variance, volume.variance], axis=1),
    )


def category(
    values: Sequence[object], *, name: str, levels: Sequence[str], rows: Sequence[str]
) -> FeatureTable:
    """One-hot encoding: one column of 0 and 1 per level, and one for all other values.

    Args:
        values: one value per row, compared as text.
        name: name of the category; the columns are named `name=level`.
        levels: levels with a column, for example those of the training rows. Missing
            values and other levels are counted in `name=unknown`.
        rows: names of the rows.

    Raises:
        DataError: there are no levels, a level occurs twice, or a level is "unknown".

    Example:
        >>> levels = ["Fm-3m", "F-43m"]
        >>> groups = ["Fm-3m", "P1"]
        >>> table = category(groups, name="group", levels=levels, rows=["a", "b"])
        >>> table.x.tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    levels = list(levels)
    if not levels or len(set(levels)) < len(levels) or _UNKNOWN in levels:
        raise DataError(
            f"{name} needs at least one level, all different and none named "
            f"{_UNKNOWN!r}; got {levels}"
        )
    columns = [*levels, _UNKNOWN]
    texts = [str(value) for value in values]
    codes = [levels.index(text) if text in levels else len(levels) for text in texts]
    return FeatureTable(
        np.eye(len(columns))[codes],
        names=[f"{name}={level}" for level in columns],
        units=[""] * len(columns),
        rows=rows,
        variance=np.zeros((len(texts), len(columns))),
    )


def lattice_volume(parameters: Float[Array, "6"]) -> Float[Array, "1"]:
    """Volume in Å³ of the unit cell with edges a, b, c in Å and angles in degrees."""
    cosines = jnp.cos(jnp.deg2rad(parameters[3:]))
    square = 1 + 2 * jnp.prod(cosines) - jnp.sum(cosines**2)
    exists = square > 0
    root = jnp.sqrt(jnp.where(exists, square, 1.0))
    return jnp.where(exists, jnp.prod(parameters[:3]) * root, jnp.nan)[None]


def _require_positive(fractions, names, rows):
    zero = np.argwhere(fractions == 0)
    if len(zero):
        row, part = zero[0]
        raise DataError(
            f"row {rows[row]!r} has zero {names[part]} ({len(zero)} zeros in total), "
            "and a log ratio with zero is undefined: give detection_limit=, or leave "
            "the part out"
        )


def _require_cells(values, volume, rows):
    bad = np.flatnonzero(~((values > 0).all(axis=1) & (volume > 0)))
    if bad.size:
        raise DataError(
            f"row {rows[bad[0]]!r} is not a unit cell: {values[bad[0]].tolist()}; "
            "expected positive lengths in Å and angles in degrees of a parallelepiped"
        )
