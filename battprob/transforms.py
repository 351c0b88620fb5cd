"""Monotone transforms between the scale of a model and the scale of the target.

A model works with z; the target is y = forward(z), with `forward` strictly increasing.
Use `Log` for positive targets whose relative error is constant, such as life or
resistance, and `Identity` (the default) for others.

A transform also converts the decomposition of the variance. One component of a
`Predictive` is f ~ N(location, function_variance) (epistemic) and z | f ~ N(f,
noise_variance) (aleatoric). `moments` computes, for y,

    E[E[y | f]],   E[Var(y | f)],   Var(E[y | f]):

the mean, the aleatoric and the epistemic variance. They are exact for `Identity` and
`Log`, and computed by Gauss-Hermite quadrature for `Monotone`.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import mean_absolute, normal_cdf_and_density
from battprob._typing import Array, Float

_NODES = 32
_TAIL = 9.0  # standard deviations: the probability beyond is below 1e-18


class AbstractTransform(eqx.Module):
    """Interface of a transform: a strictly increasing map from model z to target y.

    Write your own with `Monotone` if it has no moments in closed form.
    """

    @abstractmethod
    def forward(self, z: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Target y of a model value z."""

    @abstractmethod
    def inverse(self, y: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Model value z of a target y; infinite or NaN outside the domain of y."""

    @abstractmethod
    def log_slope(self, y: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """log dz/dy at y: add it to a log density of z to get that of y."""

    @abstractmethod
    def moments(
        self,
        location: Float[Array, "*b"],
        noise_variance: Float[Array, "*b"],
        function_variance: Float[Array, "*b"],
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"], Float[Array, "*b"]]:
        """Mean E E[y|f], aleatoric variance E Var(y|f), epistemic variance Var E[y|f].

        Args:
            location, function_variance: mean and variance of f.
            noise_variance: variance of z given f.
        """

    @abstractmethod
    def mean_distance(
        self,
        location_a: Float[Array, "*b"],
        variance_a: Float[Array, "*b"],
        location_b: Float[Array, "*b"],
        variance_b: Float[Array, "*b"],
    ) -> Float[Array, "*b"]:
        """E|y_a - y_b| for independent Gaussian z_a and z_b; the CRPS needs it."""


class Identity(AbstractTransform):
    """No transform: y = z."""

    def forward(self, z):
        return z

    def inverse(self, y):
        return y

    def log_slope(self, y):
        return jnp.zeros_like(y)

    def moments(self, location, noise_variance, function_variance):
        return location, noise_variance, function_variance

    def mean_distance(self, location_a, variance_a, location_b, variance_b):
        return mean_absolute(
            location_a - location_b, safe_sqrt(variance_a + variance_b)
        )


class Log(AbstractTransform):
    """y = exp(z), for a positive target with a constant relative error.

    A noise standard deviation of 0.1 on this scale is a relative error of about 10 %.
    """

    def forward(self, z):
        return jnp.exp(z)

    def inverse(self, y):
        # For y <= 0 the distribution function is 0, that of z = -inf.
        return jnp.where(y > 0, jnp.log(jnp.where(y > 0, y, 1.0)), -jnp.inf)

    def log_slope(self, y):
        return -jnp.log(jnp.where(y > 0, y, 1.0))

    def moments(self, location, noise_variance, function_variance):
        r"""Moments of the lognormal distribution.

        With location m, noise variance v and function variance u,

        $$E = e^{m + (v + u)/2}, \quad E\,\mathrm{Var} = E^2 e^{u}(e^{v} - 1), \quad
        \mathrm{Var}\,E = E^2 (e^{u} - 1).$$
        """
        mean = jnp.exp(location + 0.5 * (noise_variance + function_variance))
        aleatoric = mean**2 * jnp.exp(function_variance) * jnp.expm1(noise_variance)
        return mean, aleatoric, mean**2 * jnp.expm1(function_variance)

    def mean_distance(self, location_a, variance_a, location_b, variance_b):
        scale = safe_sqrt(variance_a + variance_b)
        difference = location_a - location_b
        mean_a = jnp.exp(location_a + 0.5 * variance_a)
        mean_b = jnp.exp(location_b + 0.5 * variance_b)
        cdf_a, _ = normal_cdf_and_density(_ratio(difference + variance_a, scale))
        cdf_b, _ = normal_cdf_and_density(_ratio(variance_b - difference, scale))
        return mean_a * (2 * cdf_a - 1) + mean_b * (2 * cdf_b - 1)


class Monotone(AbstractTransform):
    """A strictly increasing function and its inverse; moments by 32-node quadrature.

    Args:
        to_target: z -> y, strictly increasing, written in JAX for scalars.
        to_model: its inverse. Predictions can be saved if both functions are registered
            with `battprob.register`.

    Example:
        >>> import jax
        >>> state_of_health = Monotone(jax.nn.sigmoid, jax.scipy.special.logit)
        >>> float(state_of_health.forward(0.0))
        0.5
    """

    to_target: Callable[[Array], Array] = eqx.field(static=True)
    to_model: Callable[[Array], Array] = eqx.field(static=True)

    def forward(self, z):
        return self.to_target(z)

    def inverse(self, y):
        return self.to_model(y)

    def log_slope(self, y):
        y = jnp.asarray(y)
        slope = jax.vmap(jax.grad(self.to_model))(y.ravel())
        return jnp.log(slope).reshape(y.shape)

    def moments(self, location, noise_variance, function_variance):
        one = partial(_quadrature_moments, self.to_target)
        return jnp.vectorize(one)(location, noise_variance, function_variance)

    def mean_distance(self, location_a, variance_a, location_b, variance_b):
        one = partial(_quadrature_distance, self.to_target)
        return jnp.vectorize(one)(location_a, variance_a, location_b, variance_b)


def _quadrature_moments(to_target, location, noise_variance, function_variance):
    node, weight = _gauss_hermite(location.dtype)
    f = location + safe_sqrt(function_variance) * node
    y = to_target(f[:, None] + (safe_sqrt(noise_variance) * node)[None, :])
    mean_f = y @ weight  # E[y | f] at each node of f
    mean = mean_f @ weight
    aleatoric = (y - mean_f[:, None]) ** 2 @ weight @ weight
    return mean, aleatoric, (mean_f - mean) ** 2 @ weight


def _quadrature_distance(to_target, location_a, variance_a, location_b, variance_b):
    """E|y_a - y_b|: outer quadrature over z_b, inner one over z_a.

    E|y_a - c| = 2 E[(y_a - c)+] - E[y_a] + c. The integrand of the positive part has a
    kink at z_a = z_b and is smooth beyond, so it is a Gauss-Legendre sum over z_a in
    [z_b, location_a + 9 std]. The inner integral is over the wider of the two
    distributions: its result is then a smooth function of the other variable.
    """
    a, b = (location_a, variance_a), (location_b, variance_b)
    wider = variance_a >= variance_b
    (location_a, variance_a), (location_b, variance_b) = (
        jax.tree.map(partial(jnp.where, first), a, b) for first in (wider, ~wider)
    )
    node, weight = _gauss_hermite(location_a.dtype)
    legendre_node, legendre_weight = _gauss_legendre(location_a.dtype)
    scale = safe_sqrt(variance_a)
    mean_a = to_target(location_a + scale * node) @ weight

    def at_b(z_b):
        c = to_target(z_b)
        low = jnp.clip(_ratio(z_b - location_a, scale), -_TAIL, _TAIL)
        half = 0.5 * (_TAIL - low)
        u = low + half * (legendre_node + 1)
        density = jnp.exp(-0.5 * u**2) / jnp.sqrt(2 * jnp.pi)
        excess = to_target(location_a + scale * u) - c
        return 2 * half * (excess * density) @ legendre_weight + c

    return jax.vmap(at_b)(location_b + safe_sqrt(variance_b) * node) @ weight - mean_a


def _ratio(numerator, scale):
    """numerator / scale with its limits as scale -> 0: ±inf, or 0 for 0/0."""
    tiny = jnp.finfo(jnp.result_type(scale)).tiny
    return numerator / jnp.maximum(scale, tiny)


def _gauss_hermite(dtype):
    node, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    return jnp.asarray(node, dtype), jnp.asarray(weight / weight.sum(), dtype)


def _gauss_legendre(dtype):
    node, weight = np.polynomial.legendre.leggauss(2 * _NODES)
    return jnp.asarray(node, dtype), jnp.asarray(weight, dtype)
