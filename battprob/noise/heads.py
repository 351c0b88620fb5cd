"""Noise heads with a few parameters."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from battprob._columns import pick, resolve_columns
from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.noise.base import AbstractNoise

CENTRE, SPREAD = -2.0, 2.0
"""Prior of log σ² for a target of unit variance: mean and standard deviation."""


class Constant(AbstractNoise):
    """σ² the same everywhere.

    Args:
        centre, spread: prior of log σ² for a target of unit variance, N(-2, 2²) as it is.
    """

    log_variance: Float[Array, ""]
    centre: float = eqx.field(static=True)
    spread: float = eqx.field(static=True)

    def __init__(self, *, centre: float = CENTRE, spread: float = SPREAD):
        self.centre = centre
        self.spread = spread
        self.log_variance = jnp.asarray(self.centre, jnp.result_type(float))

    def bind(self, feature_names):
        del feature_names
        return self

    def log_prior(self):
        return norm.logpdf(self.log_variance, self.centre, self.spread)

    def variance(self, x, known):
        del known
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])

    def uses_known(self):
        return False


class LogLinear(AbstractNoise):
    r"""$\log\sigma^2(x) = a + w^\top x$ in the chosen features.

    Args:
        features: names or positions of the features that the noise depends on; default
            all. With tens of cells, name one or two.
        centre, spread: prior of a for a target of unit variance, N(-2, 2²) as it is.

    Features are held at three standard deviations from their mean: a slope learned inside
    the data says nothing of the noise far outside, and its exponential would say too much.

    Prior: each w_j ~ N(0, 1/d), so that the noise is taken to change by
    a factor of e or so over the data unless they say otherwise.
    """

    intercept: Float[Array, ""]
    slopes: Float[Array, "..."]
    features: tuple[str | int, ...] | None = eqx.field(static=True)
    columns: tuple[int, ...] | None = eqx.field(static=True)
    centre: float = eqx.field(static=True)
    spread: float = eqx.field(static=True)

    def __init__(
        self,
        features: Sequence[str | int] | None = None,
        *,
        centre: float = CENTRE,
        spread: float = SPREAD,
    ):
        self.features = None if features is None else tuple(features)
        self.columns = None
        self.centre = centre
        self.spread = spread
        self.intercept = jnp.asarray(self.centre, jnp.result_type(float))
        self.slopes = jnp.asarray(0.0, jnp.result_type(float))

    def bind(self, feature_names):
        columns = resolve_columns(self.features, feature_names)
        start = jnp.asarray(np.zeros(len(columns)), self.slopes.dtype)
        return replace(self, columns=columns, slopes=start)

    def log_prior(self):
        slope_scale = 1 / max(self.slopes.size, 1) ** 0.5
        level = norm.logpdf(self.intercept, self.centre, self.spread)
        return level + jnp.sum(norm.logpdf(self.slopes, 0.0, slope_scale))

    def variance(self, x, known):
        del known
        inside = jnp.clip(pick(x, self.columns), -_REACH, _REACH)
        return jnp.exp(self.intercept + inside @ self.slopes)

    def uses_known(self):
        return False


class Known(AbstractNoise):
    """σ² measured for every label: replicates, or the error of an estimated label.

    A new row whose label will be measured as well (`predict(x, noise_variance=...)`)
    gets that variance; without it the answer is for the label free of this error.
    """

    def bind(self, feature_names):
        del feature_names
        return self

    def log_prior(self):
        return jnp.zeros(())

    def variance(self, x, known):
        del x
        return known

    def uses_known(self):
        return True


_REACH = 3.0
