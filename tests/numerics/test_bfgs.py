"""BFGS ends where scipy does, walks out of bad ground, and says when it did not arrive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from battprob._numerics.bfgs import minimise


def _rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


_ROOT = np.random.default_rng(0).normal(size=(5, 5))
_CURVATURE = _ROOT @ _ROOT.T + 0.1 * np.eye(5)
_CENTRE = np.arange(5.0)


def _quadratic(x):
    return 0.5 * (x - _CENTRE) @ (jnp.asarray(_CURVATURE) @ (x - _CENTRE)) - 3.0


def _walled(x):
    """Finite in a half plane only, steep at its edge: a density with a forbidden side."""
    return jnp.sum((x - 2.0) ** 2) - jnp.log(x[0])


def _cliff(x):
    """Infinite where the first step from the start would land."""
    return jnp.where(x[0] > -1.0, jnp.sum(jnp.exp(x) - x), jnp.inf)


def _never(x):
    return jnp.nan * jnp.sum(x)


PROBLEMS = {
    "rosenbrock": (_rosenbrock, [-1.2, 1.0]),
    "rosenbrock in five": (_rosenbrock, [1.2, 1.0, 0.5, 0.3, 2.0]),
    "quadratic": (_quadratic, [10.0, -10.0, 3.0, 0.0, -7.0]),
    "wall": (_walled, [1e-3, 5.0]),
    "cliff": (_cliff, [4.0, 3.0]),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_minimum_is_scipys(name):
    function, start = PROBLEMS[name]
    found = jax.jit(lambda x: minimise(function, x, gradient_tolerance=1e-6))(
        jnp.array(start)
    )
    function = jax.jit(function)
    reference = optimize.minimize(
        function, start, jac=jax.jit(jax.grad(function)), method="BFGS", tol=1e-9
    )
    assert found.converged
    assert found.value <= reference.fun + 1e-7
    np.testing.assert_allclose(found.x, reference.x, atol=2e-3)
    np.testing.assert_allclose(found.value, function(found.x), rtol=1e-12)
    gradient = jax.grad(function)(found.x)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-9, atol=1e-12)
    assert found.steps < 150


def test_quadratic_needs_few_more_steps_than_dimensions():
    assert minimise(_quadratic, jnp.zeros(5)).steps <= 20


def test_curvature_known_before_spares_steps():
    known = jnp.asarray(np.linalg.inv(_CURVATURE))
    assert minimise(_quadratic, jnp.zeros(5), known).steps <= 3


def test_start_without_a_finite_value_is_not_called_converged():
    end = minimise(_never, jnp.ones(2))
    assert not end.converged
    assert end.value == jnp.inf
    assert end.steps == 1


def test_running_out_of_steps_is_not_called_converged():
    end = minimise(_rosenbrock, jnp.array([-1.2, 1.0]), max_steps=5)
    assert not end.converged
    assert end.steps == 5
    assert end.value < _rosenbrock(jnp.array([-1.2, 1.0]))


def test_gradient_that_lies_is_not_called_converged():
    """No step along it is downhill: the line search ends, the gradient is still steep."""

    @jax.custom_jvp
    def lying(x):
        return jnp.sum(x**2)

    lying.defjvp(lambda p, t: (lying(*p), -2 * jnp.dot(p[0], t[0])))
    end = minimise(lying, jnp.ones(2))
    assert not end.converged


def test_starts_side_by_side_end_where_they_end_alone():
    starts = jnp.array([[-1.2, 1.0], [3.0, 3.0], [0.0, 0.0], [jnp.nan, 0.0]])
    together = jax.jit(jax.vmap(lambda x: minimise(_rosenbrock, x)))(starts)
    for i, start in enumerate(starts):
        alone = jax.jit(lambda x: minimise(_rosenbrock, x))(start)
        assert together.steps[i] == alone.steps
        np.testing.assert_allclose(together.x[i], alone.x, rtol=1e-6)
    assert together.converged.tolist() == [True, True, True, False]


def test_float32_arrives_too():
    with jax.enable_x64(False):
        end = jax.jit(lambda x: minimise(_rosenbrock, x))(jnp.array([-1.2, 1.0]))
        assert end.x.dtype == jnp.float32
        assert end.converged
    np.testing.assert_allclose(end.x, [1.0, 1.0], atol=0.02)


def test_memory_is_that_of_the_best_point():
    def function(x, memory):
        # An inner root-finder that starts where the last taken point left it.
        root = memory - (memory**3 - x[0]) / (3 * memory**2)
        root = root - (root**3 - x[0]) / (3 * root**2)
        return (x[0] - 8.0) ** 2, root

    start, memory = jnp.array([3.0]), jnp.array(1.5)
    found = jax.jit(lambda x, m: minimise(function, x, memory=m))(start, memory)
    np.testing.assert_allclose(found.x, 8.0, atol=1e-3)
    np.testing.assert_allclose(found.memory, 2.0, atol=1e-2)
