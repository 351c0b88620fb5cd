"""Gradients with respect to fields, targets and probabilities equal finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from battprob import Predictive, transforms
from tests.predictive.mixtures import SCALES, mixture

METHODS = {
    "log_prob": lambda pred: pred.log_prob(1.3),
    "cdf": lambda pred: pred.cdf(1.3),
    "crps": lambda pred: pred.crps(1.3),
    "quantiles": lambda pred: pred.quantile(jnp.array([0.2, 1 - 1e-9])).sum(0),
    "aleatoric": lambda pred: pred.aleatoric,
    "epistemic": lambda pred: pred.epistemic,
    "std": lambda pred: pred.std,
}


def _rebuilt(pred, flat, unravel):
    fields = unravel(flat)
    return Predictive(
        fields.location,
        fields.noise_variance,
        fields.function_variance,
        fields.log_weight,
        pred.transform,
    )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("method", METHODS)
def test_gradient_in_all_fields(method, scale):
    """Along one random direction in all fields at once; weights are normalised again."""
    pred = mixture(SCALES[scale]).take(slice(1))
    flat, unravel = ravel_pytree(pred)
    direction = np.random.default_rng(0).normal(size=flat.shape)

    @jax.jit
    @jax.value_and_grad
    def along(step):
        return METHODS[method](_rebuilt(pred, flat + step * direction, unravel))[0]

    step = 1e-5
    expected = (along(step)[0] - along(-step)[0]) / (2 * step)
    np.testing.assert_allclose(along(0.0)[1], expected, rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_slope_of_cdf_is_the_density_and_of_quantile_its_inverse(scale):
    pred = mixture(SCALES[scale]).take(slice(1))
    density = jnp.exp(pred.log_prob(1.3)[0])
    slope = jax.grad(lambda y: pred.cdf(y)[0])(1.3)
    np.testing.assert_allclose(slope, density, rtol=1e-10)
    p = pred.cdf(1.3)[0]
    slope = jax.grad(lambda p: pred.quantile(p)[0])(p)
    np.testing.assert_allclose(slope, 1 / density, rtol=1e-8)


@pytest.mark.parametrize("scale", SCALES)
def test_slope_of_crps_in_the_target(scale):
    """d CRPS / dy = 2 F(y) - 1."""
    pred = mixture(SCALES[scale]).take(slice(1))
    slope = jax.grad(lambda y: pred.crps(y)[0])(1.3)
    np.testing.assert_allclose(slope, 2 * pred.cdf(1.3)[0] - 1, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_finite_where_a_variance_or_a_weight_is_zero(method):
    """A function without uncertainty, a component of weight zero, and a step."""

    def scalar(location, variance):
        log_weight = jnp.array([[[0.0], [-jnp.inf]]])
        pred = Predictive(location, variance, 0.0, log_weight)
        return METHODS[method](pred)[0]

    location = jnp.array([[[0.9], [3.0]]])
    for variance in (0.5, 0.0):
        if variance == 0 and method in ("log_prob", "quantiles"):
            continue  # a step has no density, and its quantile no finite slope
        gradient = jax.jit(jax.grad(scalar, argnums=(0, 1)))(location, variance)
        assert all(jnp.all(jnp.isfinite(g)) for g in gradient)


@pytest.mark.parametrize(
    "transform", [transforms.Identity(), transforms.Log(), SCALES["softplus"]]
)
def test_slope_of_the_inverse_is_the_derivative(transform):
    y = jnp.array([0.2, 1.0, 5.0])
    slope = jax.vmap(jax.grad(transform.inverse))(y)
    np.testing.assert_allclose(transform.log_slope(y), jnp.log(slope), atol=1e-12)
    np.testing.assert_allclose(transform.forward(transform.inverse(y)), y, rtol=1e-12)
