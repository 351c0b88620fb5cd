"""A prior under which named families of features matter, or not, together."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.priors.base import AbstractPrior, share, standard_normal


class GroupLasso(AbstractPrior):
    r"""$p(w_g) \propto e^{-\lambda \lVert w_g \rVert}$ for the weights of every family g.

    For features that describe one transition (position, height and width of a peak; the
    arcs of one electrode): the family is shrunk as a whole. Features in no family are
    families of one.

    It is N(0, v_g) for all of a family of m features, $v_g$ gamma distributed of shape
    (m + 1)/2; scaled so that the mean of v_g is τ/d.

    Args:
        groups: names (or positions) of the features of each family, by name of the
            family or in a plain list of lists.

    Prior: log τ ~ N(0, 1.5²).

    Raises:
        DataError: when bound, if a feature is absent or in two families.

    Example:
        >>> prior = GroupLasso({"peak": ["height", "width"]})
        >>> prior.bind(["height", "width", "rate"], num_rows=20).log_variance.shape
        (2,)

    References:
        Kyung, Gill, Ghosh and Casella, Bayesian Anal. 5 (2010) 369, section 3.1,
        doi:10.1214/10-BA607.
    """

    level: Float[Array, ""]
    log_variance: Float[Array, "..."]
    groups: tuple[tuple[str | int, ...], ...] = eqx.field(static=True)
    family: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        groups: Mapping[str, Sequence[str | int]] | Sequence[Sequence[str | int]],
    ):
        families = groups.values() if isinstance(groups, Mapping) else groups
        self.groups = tuple(tuple(family) for family in families)
        self.family = ()
        self.level = self.log_variance = jnp.zeros((), jnp.result_type(float))

    def bind(self, feature_names, num_rows):
        del num_rows
        families = [resolve_columns(group, feature_names) for group in self.groups]
        grouped = [column for columns in families for column in columns]
        twice = [column for column in grouped if grouped.count(column) > 1]
        if twice:
            raise DataError(f"feature {feature_names[twice[0]]!r} is in two families")
        families += [(j,) for j in range(len(feature_names)) if j not in grouped]
        code = {j: g for g, columns in enumerate(families) for j in columns}
        family = tuple(code[j] for j in range(len(feature_names)))
        start = np.log(_shape(family))
        return replace(
            self, family=family, log_variance=jnp.asarray(start, self.level.dtype)
        )

    def log_prior(self):
        shape = _shape(self.family).astype(self.level.dtype)
        log_gamma = shape * self.log_variance - jnp.exp(self.log_variance)
        return standard_normal(self.level) + jnp.sum(log_gamma - gammaln(shape))

    def scales(self):
        variance = jnp.exp(self.log_variance) / _shape(self.family).astype(
            self.level.dtype
        )
        each = jnp.sqrt(share(self.level, len(self.family)) * variance)
        return each[np.array(self.family)]


def _shape(family):
    """Shape (m + 1)/2 of the gamma law of every family's variance."""
    return 0.5 * (np.bincount(family) + 1)
