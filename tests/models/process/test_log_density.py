"""The hand-written derivative of the Gaussian log density is the derivative."""

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
    """In terms of any square root: symmetric whatever way it is changed."""
    return log_density(residual, root @ root.T + jnp.eye(N))


def test_value(root_and_residual):
    root, residual = root_and_residual
    covariance = np.asarray(root) @ np.asarray(root).T + np.eye(N)
    expected = multivariate_normal(np.zeros(N), covariance).logpdf(residual)
    np.testing.assert_allclose(_of_root(residual, root), expected, rtol=1e-9)


def test_gradient_and_hessian_against_finite_differences(root_and_residual):
    root, residual = root_and_residual
    check_grads(_of_root, (residual, root), order=1, modes=["rev"])
    # Forward over reverse is how Laplace's approximation takes curvature.
    gradient = jax.jit(jax.grad(_of_root, argnums=(0, 1)))
    check_grads(gradient, (residual, root), order=1, modes=["fwd"])


def test_hessian_in_the_residual_is_minus_the_precision(root_and_residual):
    root, residual = root_and_residual
    covariance = np.asarray(root) @ np.asarray(root).T + np.eye(N)
    hessian = jax.jit(jax.hessian(log_density))(residual, jnp.asarray(covariance))
    np.testing.assert_allclose(hessian, -np.linalg.inv(covariance), rtol=1e-6)


@pytest.mark.parametrize("size", [5, 301])
def test_inverse_by_halves_is_the_inverse(size):
    root = np.random.default_rng(0).normal(size=(size, size))
    matrix = root @ root.T + size * np.eye(size)
    factor = np.linalg.cholesky(matrix)
    inverse = cholesky_inverse(jnp.asarray(factor))
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix), atol=1e-12)
    root = triangular_inverse(jnp.asarray(factor))
    np.testing.assert_allclose(root, np.linalg.inv(factor), atol=1e-12)


def test_under_vmap(root_and_residual):
    root, residual = root_and_residual
    roots = jnp.stack([root, root + 1.0])
    gradient = jax.jit(jax.grad(_of_root, argnums=1))
    together = jax.vmap(lambda r: gradient(residual, r))(roots)
    for one, alone in zip(roots, together, strict=True):
        np.testing.assert_allclose(gradient(residual, one), alone, rtol=1e-9)
