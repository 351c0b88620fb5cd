"""Random effects: every group has an intercept, and slopes, of its own."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.priors.base import standard_normal


class GroupEffects(eqx.Module):
    r"""$u_{gk} \sim N(0, s_k^2)$ for group g: k = 0 its intercept, the others its slopes.

    s_k is half-normal of scale 1.5: half of it lies above one standard deviation of the
    target, as rows of one or two groups do not show how far groups lie apart, and hardly
    say more of s_k than this.
    """

    coordinates: Float[Array, "..."]
    slopes: tuple[int, ...] = eqx.field(static=True)

    def log_prior(self) -> Float[Array, ""]:
        """Log density of the coordinates, standard normal a priori."""
        return standard_normal(self)

    def sd(self) -> Float[Array, " e"]:
        """s_k, the half-normal quantile of the coordinates."""
        return -_WIDTH * ndtri(0.5 * ndtr(-self.coordinates))

    def new_group_variance(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Variance of what a group not seen before adds at the rows of `x`."""
        varying = jnp.concatenate([jnp.ones_like(x[:, :1]), x[:, self.slopes]], axis=1)
        return jnp.sum((varying * self.sd()[None]) ** 2, axis=1)


_WIDTH = 1.5


def start_effects(
    dataset: Dataset, *, random_effects: bool | tuple[str | int, ...]
) -> GroupEffects | None:
    """Effects of a dataset's groups at the middle of their prior; None for none.

    Raises:
        DataError: rows have no groups, or a slope is asked for an absent feature.
    """
    if random_effects is False:
        return None
    if dataset.groups is None:
        raise DataError("random_effects need Dataset(groups=...), a name for every row")
    slopes = () if random_effects is True else random_effects
    slopes = resolve_columns(slopes, dataset.feature_names)
    start = jnp.asarray(np.zeros(1 + len(slopes)), dataset.x.dtype)
    return GroupEffects(start, slopes)


def effect_columns(
    x: Float[Array, "n d"],
    codes: Int[Array, " n"],
    slopes: Sequence[int],
    num_groups: int,
) -> Float[Array, "n r"]:
    """One column a group for intercepts, then as many for each slope; -1 is no group."""
    member = jax.nn.one_hot(codes, num_groups, dtype=x.dtype)
    return jnp.concatenate([member, *(member * x[:, [j]] for j in slopes)], axis=1)
