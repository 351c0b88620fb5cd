"""Moments, quantiles and draws of mixtures of Gaussians and of points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob.eis._gaussian_mixture import (
    GaussianMixture,
    moments,
    quantiles,
    widened_draws,
)


def mixture(location, covariance, variance_scale, weight):
    """One spectrum with r components in z and k of the variance scale."""
    location = np.asarray(location, float)
    r, p = location.shape
    unused = np.zeros(p)
    return GaussianMixture(
        *map(jnp.asarray, (location, np.asarray(covariance, float), np.zeros((r, 1)))),
        jnp.asarray(np.asarray(variance_scale, float)),
        jnp.asarray(np.log(np.asarray(weight, float))),
        *map(jnp.asarray, (unused, unused + 1, np.zeros(()), np.zeros(()), unused)),
    )


def batch(one):
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[None]), one)


def test_moments_follow_the_law_of_total_variance():
    location = np.array([[0.0, 1.0], [2.0, -1.0]])
    covariance = np.array([np.eye(2), [[2.0, 0.5], [0.5, 1.0]]])
    scale, weight = [[1.0, 3.0], [1.0, 2.0]], np.array([[0.1, 0.2], [0.3, 0.4]])
    mean, found = moments(batch(mixture(location, covariance, scale, weight)))
    expected_mean = weight.sum(1) @ location
    within = np.tensordot((weight * scale).sum(1), covariance, axes=1)
    between = (location - expected_mean).T @ np.diag(weight.sum(1))
    between = between @ (location - expected_mean)
    np.testing.assert_allclose(mean[0], expected_mean)
    np.testing.assert_allclose(found[0], within + between)


def test_quantiles_of_one_gaussian_are_scipys():
    one = mixture([[1.0, -2.0]], [np.diag([4.0, 0.25])], [[2.0]], [[1.0]])
    p = np.array([0.05, 0.5, 0.9])
    expected = stats.norm.ppf(p[:, None], [1.0, -2.0], np.sqrt([8.0, 0.5]))
    np.testing.assert_allclose(quantiles(batch(one), p)[:, 0], expected, atol=1e-9)


def test_quantiles_of_points_are_order_statistics():
    points = np.random.default_rng(0).normal(size=(101, 1))
    one = mixture(
        points, np.zeros((101, 1, 1)), np.ones((101, 1)), np.full((101, 1), 1 / 101)
    )
    found = quantiles(batch(one), np.array([0.25, 0.5]))[:, 0, 0]
    np.testing.assert_allclose(found, np.sort(points[:, 0])[[25, 50]], atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_widened_draws_have_the_wider_covariance(factor, key):
    covariance = np.array([[2.0, 0.6], [0.6, 1.0]])
    one = mixture([[1.0, 0.0]], [covariance], [[3.0]], [[1.0]])
    draws = jax.jit(widened_draws, static_argnums=(2, 3))(one, key, 20_000, factor)
    np.testing.assert_allclose(np.cov(draws.z.T), 3 * factor**2 * covariance, rtol=0.05)
    # Half of χ² with two degrees of freedom.
    assert float(draws.half_square.mean()) == pytest.approx(1.0, abs=0.03)


def test_points_are_drawn_as_they_are(key):
    points = np.random.default_rng(0).normal(size=(8, 2))
    one = mixture(points, np.zeros((8, 2, 2)), np.ones((8, 1)), np.full((8, 1), 1 / 8))
    draws = jax.jit(widened_draws, static_argnums=(2, 3))(one, key, 50, 1.5)
    np.testing.assert_array_equal(draws.z, draws.centre)
    np.testing.assert_array_equal(draws.half_square, 0.0)
