"""A dataset as a linear model sees it, its parameters, and their log joint density."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import default_jitter
from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.inference import MAP, NUTS
from battprob.models._effects import GroupEffects, effect_columns
from battprob.models._scaling import Rows
from battprob.models.linear import _conjugate
from battprob.models.linear._hidden_labels import HiddenLabels
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.priors.base import AbstractPrior


class LinearParameters(eqx.Module):
    """What is left when weights are integrated out; None of what a fit does not have."""

    prior: AbstractPrior
    noise: AbstractNoise
    effects: GroupEffects | None
    hidden: Float[Array, "..."] | None

    @property
    def slopes(self) -> tuple[int, ...] | None:
        """Features whose slopes vary between groups; None without effects."""
        return None if self.effects is None else self.effects.slopes


class LinearRows(eqx.Module):
    """Columns of weights without their prior's scale, targets, and what noise depends on.

    A row stands for `count` rows (see `battprob.models._conjugate`).
    """

    base: Float[Array, "n r"]
    y: Float[Array, " n"]
    count: Float[Array, " n"]
    x: Float[Array, "n d"]
    known: Float[Array, " n"]
    hidden: HiddenLabels | None


def base_columns(
    x: Float[Array, "n d"],
    codes: Int[Array, " n"],
    slopes: tuple[int, ...] | None,
    num_groups: int,
) -> Float[Array, "n r"]:
    """Columns of the intercept, of the features, and of effects of groups if any."""
    parts = [jnp.ones_like(x[:, :1]), x]
    if slopes is not None:
        parts.append(effect_columns(x, codes, slopes, num_groups))
    return jnp.concatenate(parts, axis=1)


def bound_prior(prior: AbstractPrior, dataset: Dataset, num_rows: int) -> AbstractPrior:
    """A prior bound to the features of a dataset, in its precision."""
    prior = prior.bind(dataset.feature_names, num_rows)
    return jax.tree.map(lambda leaf: leaf.astype(dataset.x.dtype), prior)


def group_codes(
    dataset: Dataset, effects: GroupEffects | None, length: int
) -> Int[Array, " n"]:
    """Group of every row of a dataset padded to `length`; all alike without effects."""
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
    hidden: HiddenLabels | None,
    noise: AbstractNoise | None,
) -> LinearRows:
    """Rows of a linear model, compressed where `noise` loses nothing by it."""
    base = base_columns(rows.x, codes, slopes, num_groups)
    base = jnp.where(rows.mask[:, None], base, 0.0)
    count = rows.mask.astype(base.dtype)
    made = LinearRows(base, rows.y, count, rows.x, rows.known, hidden)
    alike = isinstance(noise, Constant) and hidden is None
    return _compressed(made) if alike and len(base) > base.shape[1] + 1 else made


def _compressed(rows):
    """As many rows as columns and one, with the same likelihood under equal noise.

    The triangular factor of [base, y]: rotating rows changes no inner product, and what
    no weights can explain is left in the last target, in place of all other rows.
    """
    table = jnp.concatenate([rows.base, rows.y[:, None]], axis=1)
    table = jnp.linalg.qr(table, mode="r")
    num = len(table)
    count = jnp.ones(num, table.dtype).at[-1].set(jnp.sum(rows.count) - (num - 1))
    x = jnp.zeros((num, rows.x.shape[1]), table.dtype)
    return LinearRows(
        table[:, :-1], table[:, -1], count, x, jnp.zeros_like(count), None
    )


def scales(
    prior: AbstractPrior, effects: GroupEffects | None, num_columns: int
) -> Float[Array, " r"]:
    """Prior standard deviation of the weight of every column; one of the intercept."""
    features = prior.scales()
    parts = [jnp.ones_like(features[:1]), features]
    if effects is not None:
        sd = effects.sd()
        num_groups = (num_columns - 1 - features.size) // sd.size
        parts.append(jnp.repeat(sd, num_groups))
    return jnp.concatenate(parts)


def columns(
    parameters: LinearParameters, base: Float[Array, "n r"]
) -> Float[Array, "n r"]:
    """Columns whose weights are N(0, 1) a priori."""
    return base * scales(parameters.prior, parameters.effects, base.shape[1])[None]


def variance(parameters: LinearParameters, rows: LinearRows) -> Float[Array, " n"]:
    """σ² of every row; nothing is measured better than it is stored."""
    level = parameters.noise.variance(rows.x, rows.known)
    return jnp.maximum(level, default_jitter(level.dtype))


def targets(
    parameters: LinearParameters, rows: LinearRows
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """Labels, the hidden ones where the parameters say, and their log Jacobian."""
    if rows.hidden is None or parameters.hidden is None:
        return rows.y, jnp.zeros((), rows.y.dtype)
    return rows.hidden.fill(rows.y, parameters.hidden)


def log_evidence(parameters: LinearParameters, rows: LinearRows) -> Float[Array, ""]:
    """Log density of the targets given the parameters."""
    y, _ = targets(parameters, rows)
    return _conjugate.log_evidence(
        columns(parameters, rows.base), y, variance(parameters, rows), rows.count
    )


def log_joint(parameters: LinearParameters, rows: LinearRows) -> Float[Array, ""]:
    """Log density of targets and parameters."""
    prior = parameters.prior.log_prior() + parameters.noise.log_prior()
    if parameters.effects is not None:
        prior = prior + parameters.effects.log_prior()
    _, log_jacobian = targets(parameters, rows)
    return log_evidence(parameters, rows) + prior + log_jacobian


# Draws enough for an r-hat that tells, thinned to as many as predictions need.
DRAWS = NUTS(num_samples=400, num_warmup=500, thinning=5, mode=MAP(num_starts=1))
