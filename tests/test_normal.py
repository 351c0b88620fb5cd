"""The normal distribution by one exponential is SciPy's, deep into either tail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob._normal import mean_absolute, normal_cdf_and_density

X = np.concatenate([-np.logspace(1.57, -9, 400), [0.0], np.logspace(-9, 1.57, 400)])


def test_both_tails_to_the_last_digits():
    cdf, density = normal_cdf_and_density(jnp.asarray(X))
    np.testing.assert_allclose(cdf, stats.norm.cdf(X), rtol=1e-12)
    np.testing.assert_allclose(cdf[X > -5], stats.norm.cdf(X[X > -5]), rtol=1e-14)
    np.testing.assert_allclose(density, stats.norm.pdf(X), rtol=1e-12)


def test_limits():
    ends = jnp.array([-jnp.inf, jnp.inf])
    cdf, density = normal_cdf_and_density(ends)
    np.testing.assert_array_equal(cdf, [0.0, 1.0])
    np.testing.assert_array_equal(density, 0.0)
    slopes = jax.vmap(jax.jacfwd(lambda x: jnp.stack(normal_cdf_and_density(x))))(ends)
    np.testing.assert_array_equal(slopes, 0.0)


@pytest.mark.parametrize("which", [0, 1])
def test_derivatives_are_those_of_the_functions(which):
    x = jnp.asarray(X[::100])
    slope = jax.vmap(jax.grad(lambda one: normal_cdf_and_density(one)[which]))(x)
    density = stats.norm.pdf(X[::100])
    expected = (density, -X[::100] * density)[which]
    np.testing.assert_allclose(slope, expected, rtol=1e-12)


MEAN, SCALE = map(np.ravel, np.meshgrid([-9.0, -1.0, 0.0, 0.3, 50.0], [0.0, 0.1, 2.0]))


def _folded(mean, scale):
    ratio = mean / np.maximum(scale, 1e-9)
    return mean * (2 * stats.norm.cdf(ratio) - 1) + 2 * scale * stats.norm.pdf(ratio)


def test_mean_absolute_value_and_its_limits():
    got = mean_absolute(jnp.asarray(MEAN), jnp.asarray(SCALE))
    np.testing.assert_allclose(got, _folded(MEAN, SCALE), rtol=1e-14)
    fine = np.linspace(-8.0, 8.0, 4001)
    got = mean_absolute(jnp.asarray(fine), jnp.ones(4001))
    np.testing.assert_allclose(got, _folded(fine, 1.0), rtol=3e-15)


def test_derivatives_of_the_mean_absolute_value():
    mean, scale = MEAN[5:], SCALE[5:]
    both = jax.vmap(jax.grad(mean_absolute, argnums=(0, 1)))
    got = both(jnp.asarray(mean), jnp.asarray(scale))
    step = 1e-6
    for slope, (dm, ds) in zip(got, ((step, 0.0), (0.0, step)), strict=True):
        up, down = _folded(mean + dm, scale + ds), _folded(mean - dm, scale - ds)
        np.testing.assert_allclose(slope, (up - down) / (2 * step), atol=1e-8)
