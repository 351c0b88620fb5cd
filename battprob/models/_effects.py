"""Random effects: each group has an intercept of its own, and possibly slopes."""

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.predictive import Predictive
from battprob.priors.base import standard_normal


class GroupEffects(eqx.Module):
    r"""$u_{gk} \sim N(0, s_k^2)$ for group g: k = 0 its intercept, the others its slopes.

    A priori, s_k is half-normal with scale 1.5, so that its median is one standard
    deviation of the target. With rows of one or two groups the data contain almost no
    information about s_k, and the posterior stays near this prior.
    """

    coordinates: Float[Array, "..."]
    slopes: tuple[int, ...] = eqx.field(static=True)

    def log_prior(self) -> Float[Array, ""]:
        """Log density of the coordinates, standard normal a priori."""
        return standard_normal(self)

    def sd(self) -> Float[Array, " e"]:
        """s_k, the half-normal quantile of the coordinates."""
        return -_WIDTH * ndtri(0.5 * ndtr(-self.coordinates))

    def varying(self, x: Float[Array, "m d"]) -> Float[Array, "m e"]:
        """What the effects multiply: one, and the features with a slope per group."""
        return jnp.concatenate([jnp.ones_like(x[:, :1]), x[:, self.slopes]], axis=1)

    def new_group_variance(self, x: Float[Array, "m d"]) -> Float[Array, " m"]:
        """Variance between groups at the rows of `x`: that of the effects of a new group."""
        return jnp.sum((self.varying(x) * self.sd()[None]) ** 2, axis=1)


_WIDTH = 1.5


def start_effects(
    dataset: Dataset, slopes: Literal[True] | tuple[str | int, ...]
) -> GroupEffects:
    """Effects of the groups of a dataset, with scales at the median of their prior.

    Args:
        dataset: with groups.
        slopes: the features with a slope per group; True for none, an offset alone.

    Raises:
        DataError: rows have no groups, or a slope names an absent feature.
    """
    if dataset.groups is None:
        raise DataError("random_effects need Dataset(groups=...), a name for every row")
    features = () if slopes is True else slopes
    columns = resolve_columns(features, dataset.feature_names)
    start = jnp.asarray(np.zeros(1 + len(columns)), dataset.x.dtype)
    return GroupEffects(start, columns)


def effect_columns(
    x: Float[Array, "n d"],
    codes: Int[Array, " n"],
    slopes: Sequence[int],
    num_groups: int,
) -> Float[Array, "n r"]:
    """One column per group for intercepts, then for each slope; index -1 has no column."""
    member = jax.nn.one_hot(codes, num_groups, dtype=x.dtype)
    return jnp.concatenate([member, *(member * x[:, [j]] for j in slopes)], axis=1)


def over_groups(
    mean: Float[Array, "s m"],
    noise_variance: Float[Array, "s m"],
    function_variance: Float[Array, "s m"],
    log_weight: Float[Array, "s m"],
    between: Float[Array, "s m"],
) -> Predictive:
    """A predictive distribution whose components are values of the effect of a group.

    Args:
        mean, noise_variance, function_variance, log_weight: of an average group.
        between: variance of the effect; zero for groups of the training data.
    """
    node, log_node_weight = (
        jnp.asarray(values, mean.dtype)[None, :, None]
        for values in normal_nodes(_GROUP_NODES)
    )
    return Predictive(
        mean[:, None] + node * safe_sqrt(between)[:, None],
        noise_variance[:, None],
        function_variance[:, None],
        log_weight[:, None] + log_node_weight,
        shared_function=True,
    )


_GROUP_NODES = 9
