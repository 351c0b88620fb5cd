"""Random effects of groups in Gaussian processes.

The index of the group of each row is appended to its standardised features as a last
column, so that solvers need no code for groups. `GroupedKernel` adds the covariance of the
effects; `FeatureNoise` removes the column for the noise model.
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.kernels.base import AbstractKernel
from battprob.models._effects import GroupEffects
from battprob.models._scaling import Rows
from battprob.noise.base import AbstractNoise


class GroupedKernel(AbstractKernel):
    r"""$k(x, x') + [g = g'] \sum_k s_k^2\, v_k(x) v_k(x')$ with $v = (1, x_j, \dots)$.

    The last column of the inputs is the index g of the group; -1 is a new group, whose
    effects are independent of all rows and are not part of this covariance.
    """

    kernel: AbstractKernel
    effects: GroupEffects

    def bind(self, feature_names):
        return GroupedKernel(self.kernel.bind(feature_names), self.effects)

    def log_prior(self):
        return self.kernel.log_prior() + self.effects.log_prior()

    def gram(self, x1, x2):
        (x1, groups1), (x2, groups2) = _split_inputs(x1), _split_inputs(x2)
        shared = (groups1[:, None] == groups2[None, :]) & (groups1[:, None] >= 0)
        scaled = self.effects.varying(x1) * self.effects.sd()[None] ** 2
        covariance = scaled @ self.effects.varying(x2).T
        return self.kernel.gram(x1, x2) + jnp.where(shared, covariance, 0.0)

    def diagonal(self, x):
        x, groups = _split_inputs(x)
        variance = self.effects.new_group_variance(x)
        return self.kernel.diagonal(x) + jnp.where(groups >= 0, variance, 0.0)


class FeatureNoise(AbstractNoise):
    """A noise model of the features, without the column of groups."""

    noise: AbstractNoise

    def bind(self, feature_names):
        return FeatureNoise(self.noise.bind(feature_names))

    def log_prior(self):
        return self.noise.log_prior()

    def variance(self, x, known):
        return self.noise.variance(x[:, :-1], known)

    def uses_known(self):
        return self.noise.uses_known()


def rows_with_groups(rows: Rows, dataset: Dataset) -> Rows:
    """Rows whose features end with the index of their group; padding has -1."""
    codes = np.full(len(rows.y), -1)
    codes[: dataset.num_rows] = np.asarray(dataset.groups)
    return rows._replace(x=with_groups(rows.x, jnp.asarray(codes)))


def with_groups(x: Float[Array, "m d"], groups: Int[Array, " m"]) -> Array:
    """Features followed by the index of the group."""
    return jnp.concatenate([x, groups[:, None].astype(x.dtype)], axis=1)


def _split_inputs(x):
    # The index is a label: the kernel has no derivative with respect to it.
    return x[:, :-1], jax.lax.stop_gradient(x[:, -1])
