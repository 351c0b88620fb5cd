"""The closed-form gradient of the Gaussian log density is correct."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.stats import multivariate_normal

from battprob._numerics.linear_algebra import cholesky_inverse, triangular_inverse
from battprob.models._gaussian import log_density

N = 6


@pytest.fixture
def root_and_residual():
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(N, N))), jnp.asarray(rng.normal(size=N))


@jax.jit
def _of_root(residual, root):
    """As a function of a square root, so that finite differences keep it symmetric."""
    return log_density(residual, root @ root.T + jnp.eye(N))


def test_value(root_and_residual):
    root, residual = root_and_residual
    covariance = np.asarray(root) @ np.asarray(root).T + np.eye(N)
    expected = multivariate_normal(np.zeros(N), covariance).logpdf(residual)
    np.testing.assert_allclose(_of_root(residual, root), expected, rtol=1e-9)


def test_gradient_and_hessian_against_finite_differences(root_and_residual):
    root, residual = root_and_residual
    check_grads(_of_root, (residual, root), order=1, modes=["rev"])
    # Laplace's approximation computes curvature by forward over reverse mode.
    gradient = jax.jit(jax.grad(_of_root, argnums=(0, 1)))
    check_grads(gradient, (residual, root), order=1, modes=["fwd"])


def test_hessian_in_the_residual_is_the_negative_precision(root_and_residual):
    root, residual = root_and_residual
    covariance = np.asarray(root) @ np.asarray(root).T + np.eye(N)
    hessian = jax.jit(jax.hessian(log_density))(residual, jnp.asarray(covariance))
    np.testing.assert_allclose(hessian, -np.linalg.inv(covariance), rtol=1e-6)


@pytest.mark.parametrize("size", [5, 301])
def test_recursive_inverse(size):
    root = np.random.default_rng(0).normal(size=(size, size))
    matrix = root @ root.T + size * np.eye(size)
    factor = np.linalg.cholesky(matrix)
    inverse = jax.jit(cholesky_inverse)(factor)
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-12)
    root = jax.jit(triangular_inverse)(factor)
    np.testing.assert_allclose(root, np.linalg.inv(factor), atol=1e-12)


def test_under_vmap(root_and_residual):
    root, residual = root_and_residual
    roots = jnp.stack([root, root + 1.0])
    gradient = jax.jit(jax.grad(_of_root, argnums=1))
    gradients = jax.vmap(lambda r: gradient(residual, r))(roots)
    for one, expected in zip(roots, gradients, strict=True):
        np.testing.assert_allclose(gradient(residual, one), expected, rtol=1e-9)
