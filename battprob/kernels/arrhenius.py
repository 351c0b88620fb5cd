"""Kernels of reciprocal temperature."""

import math

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.stats import norm

from battprob._columns import resolve_columns
from battprob._modules import replace
from battprob._parameters import as_array
from battprob._typing import Array, Float
from battprob.kernels.base import AbstractKernel


class Arrhenius(AbstractKernel):
    r"""$k(u(x), u(x'))$: another kernel, with temperature replaced by its reciprocal.

    $$u(t) = \frac{t}{1 + \kappa t}$$

    Rates follow $e^{-E/RT}$, so that their logarithm is linear in 1/T, and functions of
    temperature are smoother in 1/T than in T. Of the standardised temperature
    t = (T - T₀)/s, u is 1/T up to a factor and an offset when κ = s/T₀, in any unit of T.
    κ is learned, so that the data can support another activation law.

    Args:
        kernel: the kernel that receives the transformed feature.
        feature: name or column index of the temperature.

    Prior: log κ ~ N(log 0.05, 0.5²), which corresponds to a standard deviation of 15 K
    about room temperature. Below t = -0.9/κ, a temperature near absolute zero, u continues
    as a straight line.

    Example:
        >>> from battprob.kernels import Linear, Matern52
        >>> kernel = Arrhenius(Linear(), "temperature_c") + Matern52()
    """

    kernel: AbstractKernel
    log_curvature: Float[Array, ""]
    feature: str | int = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, kernel: AbstractKernel, feature: str | int):
        self.kernel = kernel
        self.log_curvature = as_array(_PRIOR_MEAN)
        self.feature = feature
        self.columns = ()

    def bind(self, feature_names):
        columns = resolve_columns((self.feature,), feature_names)
        return replace(self, kernel=self.kernel.bind(feature_names), columns=columns)

    def log_prior(self):
        prior = norm.logpdf(self.log_curvature, _PRIOR_MEAN, _PRIOR_STD)
        return self.kernel.log_prior() + prior

    def gram(self, x1, x2):
        return self.kernel.gram(self._transformed(x1), self._transformed(x2))

    def diagonal(self, x):
        return self.kernel.diagonal(self._transformed(x))

    def _transformed(self, x):
        """`x` with u(t) in place of the temperature t."""
        (column,) = self.columns
        curvature, t = jnp.exp(self.log_curvature), x[:, column]
        # u has a pole at t = -1/κ. Below -0.9/κ its tangent there takes its place; above,
        # the term of the tangent is zero.
        edge = -0.9 / curvature
        inside = jnp.maximum(t, edge)
        slope_at_edge = (1 + curvature * edge) ** -2
        tangent = slope_at_edge * jnp.minimum(t - edge, 0.0)
        u = inside / (1 + curvature * inside) + tangent
        return x.at[:, column].set(u)


_PRIOR_MEAN, _PRIOR_STD = math.log(0.05), 0.5
