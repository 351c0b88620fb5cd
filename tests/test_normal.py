"""The normal distribution by one exponential is SciPy's, deep into either tail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob._normal import normal_cdf_and_density

X = np.concatenate([-np.logspace(1.57, -9, 400), [0.0], np.logspace(-9, 1.57, 400)])


def test_both_tails_to_the_last_digits():
    cdf, density = normal_cdf_and_density(X)
    np.testing.assert_allclose(cdf, stats.norm.cdf(X), rtol=1e-12)
    np.testing.assert_allclose(cdf[X > -5], stats.norm.cdf(X[X > -5]), rtol=4e-15)
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
