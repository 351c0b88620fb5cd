"""A prior of named groups of features that are relevant, or not, together."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._modules import replace
from battprob._parameters import as_array
from battprob._typing import Array, Float
from battprob.priors.base import AbstractPrior, standard_normal, weight_variance


class GroupLasso(AbstractPrior):
    r"""$p(w_g) \propto e^{-\lambda \lVert w_g \rVert}$ for the weights of every group g.

    For features that describe one transition (position, height and width of a peak; the
    arcs of one electrode): the group is shrunk as a whole. A feature in no group is a
    group of one.

    Given $v_g$, all weights of a group of m features are N(0, v_g), and $v_g$ is gamma
    distributed with shape (m + 1)/2. The mean of v_g is τ/d.

    Args:
        groups: names (or column indices) of the features of each group, by name of the
            group or in a list of lists.

    Prior: log τ ~ N(0, 1.5²).

    Raises:
        DataError: in a fit, if a feature is missing or in two groups.

    Example:
        >>> prior = GroupLasso({"peak": ["height", "width"]})
        >>> prior.bind(["height", "width", "rate"], num_rows=20).log_variance.shape
        (2,)

    References:
        Kyung, Gill, Ghosh and Casella, Bayesian Anal. 5 (2010) 369, section 3.1,
        doi:10.1214/10-BA607.
    """

    z_tau: Float[Array, ""]
    log_variance: Float[Array, "..."]
    groups: tuple[tuple[str | int, ...], ...] = eqx.field(static=True)
    group_of_feature: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        groups: Mapping[str, Sequence[str | int]] | Sequence[Sequence[str | int]],
    ):
        members = groups.values() if isinstance(groups, Mapping) else groups
        self.groups = tuple(tuple(group) for group in members)
        self.group_of_feature = ()
        self.z_tau = self.log_variance = as_array(0.0)

    def bind(self, feature_names, num_rows):
        groups = [resolve_columns(group, feature_names) for group in self.groups]
        grouped = [column for columns in groups for column in columns]
        repeated = [column for column in grouped if grouped.count(column) > 1]
        if repeated:
            raise DataError(
                f"feature {feature_names[repeated[0]]!r} is in two groups: name it in one"
            )
        groups += [(j,) for j in range(len(feature_names)) if j not in grouped]
        code = {j: g for g, columns in enumerate(groups) for j in columns}
        of_feature = tuple(code[j] for j in range(len(feature_names)))
        start = jnp.asarray(np.log(_shape(of_feature)), self.z_tau.dtype)
        return replace(self, group_of_feature=of_feature, log_variance=start)

    def log_prior(self):
        shape = _shape(self.group_of_feature).astype(self.z_tau.dtype)
        # log_variance holds u = log of a gamma variable: its density is that of the
        # variable times e^u.
        log_gamma = shape * self.log_variance - jnp.exp(self.log_variance)
        return standard_normal(self.z_tau) + jnp.sum(log_gamma - gammaln(shape))

    def scales(self):
        num_features = len(self.group_of_feature)
        shape = _shape(self.group_of_feature).astype(self.z_tau.dtype)
        variance = jnp.exp(self.log_variance) / shape
        scale = jnp.sqrt(weight_variance(self.z_tau, num_features) * variance)
        return scale[np.array(self.group_of_feature)]


def _shape(group_of_feature):
    """Shape (m + 1)/2 of the gamma distribution of every group's variance."""
    return 0.5 * (np.bincount(group_of_feature) + 1)
