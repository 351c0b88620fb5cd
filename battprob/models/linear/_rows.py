"""Rows of a dataset as linear models use them: design matrix, targets and noise inputs."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.models._effects import GroupEffects, effect_columns
from battprob.models._scaling import Rows
from battprob.models.linear._censored_labels import CensoredLabels
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise


class LinearRows(eqx.Module):
    """Design matrix, targets, and the inputs of the noise model.

    Args:
        base: columns of the intercept, of the features and of the group effects, without
            the prior scales of their weights.
        y: standardised targets.
        count: number of data rows that each row represents (see `_conjugate`).
        x: standardised features, for the noise model.
        known: measured noise variance, standardised.
        censored: labels that are bounds or intervals, if any.
    """

    base: Float[Array, "n r"]
    y: Float[Array, " n"]
    count: Float[Array, " n"]
    x: Float[Array, "n d"]
    known: Float[Array, " n"]
    censored: CensoredLabels | None


def base_columns(
    x: Float[Array, "n d"],
    codes: Int[Array, " n"],
    slopes: tuple[int, ...] | None,
    num_groups: int,
) -> Float[Array, "n r"]:
    """Columns of the intercept, of the features, and of group effects (None: without)."""
    blocks = [jnp.ones_like(x[:, :1]), x]
    if slopes is not None:
        blocks.append(effect_columns(x, codes, slopes, num_groups))
    return jnp.concatenate(blocks, axis=1)


def group_codes(
    dataset: Dataset, effects: GroupEffects | None, length: int
) -> Int[Array, " n"]:
    """Index of the group of every row, padded to `length`; zeros without effects."""
    codes = np.zeros(length, np.int32)
    if effects is not None:
        codes[: dataset.num_rows] = np.asarray(dataset.groups)
    return jnp.asarray(codes)


@eqx.filter_jit
def linear_rows(
    rows: Rows,
    codes: Int[Array, " n"],
    slopes: tuple[int, ...] | None,
    num_groups: int,
    censored: CensoredLabels | None,
    noise: AbstractNoise | None,
) -> LinearRows:
    """Rows of a linear model, compressed if `noise` has the same variance everywhere.

    Args:
        rows: standardised rows.
        codes: index of the group of every row.
        slopes: features with a slope for each group; None without group effects.
        num_groups: number of groups.
        censored: labels that are bounds or intervals, if any.
        noise: noise model; None for rows that must not be compressed.
    """
    base = base_columns(rows.x, codes, slopes, num_groups)
    base = jnp.where(rows.mask[:, None], base, 0.0)
    count = rows.mask.astype(base.dtype)
    full = LinearRows(base, rows.y, count, rows.x, rows.known, censored)
    equal_noise = isinstance(noise, Constant) and censored is None
    if equal_noise and len(base) > base.shape[1] + 1:
        return _compressed(full)
    return full


def _compressed(rows):
    """At most r + 1 rows for r columns, with the same likelihood under equal noise.

    These are the rows of the triangular factor R of [base, y] = QR: a rotation of the
    rows changes no inner product of columns. The last row holds the residual of the least
    squares fit and represents all remaining rows.
    """
    table = jnp.concatenate([rows.base, rows.y[:, None]], axis=1)
    table = jnp.linalg.qr(table, mode="r")
    num = len(table)
    count = jnp.ones(num, table.dtype).at[-1].set(jnp.sum(rows.count) - (num - 1))
    x = jnp.zeros((num, rows.x.shape[1]), table.dtype)
    return LinearRows(
        table[:, :-1], table[:, -1], count, x, jnp.zeros_like(count), None
    )
