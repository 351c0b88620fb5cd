"""Temperature as a chemist sees it."""

import math

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.stats import norm

from battprob._columns import resolve_columns
from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.kernels.base import AbstractKernel


class Arrhenius(AbstractKernel):
    r"""$k(u(x), u(x'))$: another kernel, one feature bent like reciprocal temperature.

    $$u(t) = \frac{t}{1 + \kappa t}$$

    Rates follow $e^{-E/RT}$, so that their logarithm is straight in 1/T and a process
    is as smooth in 1/T as it is in nothing else. With t = (T - T₀)/s, the standardised
    temperature, u is 1/T but for a factor and an offset when κ = s/T₀, whatever the unit
    of T; and κ, learned, may say that another activation law fits better.

    Args:
        kernel: what sees the bent feature.
        feature: name or position of the column with the temperature.

    Prior: log κ ~ N(log 0.05, 0.5²): 15 K of spread about room temperature. Below
    t = -0.9/κ, a temperature near absolute zero, the bend goes on as a straight line.

    Example:
        >>> from battprob.kernels import Linear, Matern52
        >>> kernel = Arrhenius(Linear(), "temperature_c") + Matern52()
    """

    kernel: AbstractKernel
    log_bend: Float[Array, ""]
    feature: str | int = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, kernel: AbstractKernel, feature: str | int):
        self.kernel = kernel
        self.log_bend = jnp.asarray(_CENTRE, jnp.result_type(float))
        self.feature = feature
        self.columns = ()

    def bind(self, feature_names):
        columns = resolve_columns((self.feature,), feature_names)
        return replace(self, kernel=self.kernel.bind(feature_names), columns=columns)

    def log_prior(self):
        return self.kernel.log_prior() + norm.logpdf(self.log_bend, _CENTRE, 0.5)

    def gram(self, x1, x2):
        return self.kernel.gram(self._bent(x1), self._bent(x2))

    def diagonal(self, x):
        return self.kernel.diagonal(self._bent(x))

    def _bent(self, x):
        (column,) = self.columns
        bend, t = jnp.exp(self.log_bend), x[:, column]
        # Below the edge the tangent there; above it the tangent's part is nought.
        edge = -0.9 / bend
        inside = jnp.maximum(t, edge)
        slope_at_edge = (1 + bend * edge) ** -2
        bent = inside / (1 + bend * inside) + slope_at_edge * jnp.minimum(t - edge, 0.0)
        return x.at[:, column].set(bent)


_CENTRE = math.log(0.05)
