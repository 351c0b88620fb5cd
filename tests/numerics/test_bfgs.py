"""BFGS agrees with SciPy, recovers from infinite values, and reports failures."""

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
_MINIMUM = np.arange(5.0)


def _quadratic(x):
    return 0.5 * (x - _MINIMUM) @ (jnp.asarray(_CURVATURE) @ (x - _MINIMUM)) - 3.0


def _barrier(x):
    """Finite in a half plane only, and steep at its edge."""
    return jnp.sum((x - 2.0) ** 2) - jnp.log(x[0])


def _cliff(x):
    """Infinite at the point to which a full first step leads."""
    return jnp.where(x[0] > -1.0, jnp.sum(jnp.exp(x) - x), jnp.inf)


def _nan(x):
    return jnp.nan * jnp.sum(x)


PROBLEMS = {
    "rosenbrock": (_rosenbrock, [-1.2, 1.0]),
    "rosenbrock in five": (_rosenbrock, [1.2, 1.0, 0.5, 0.3, 2.0]),
    "quadratic": (_quadratic, [10.0, -10.0, 3.0, 0.0, -7.0]),
    "barrier": (_barrier, [1e-3, 5.0]),
    "cliff": (_cliff, [4.0, 3.0]),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_minimum_agrees_with_scipy(name):
    function, start = PROBLEMS[name]
    minimum = jax.jit(lambda x: minimise(function, x, gradient_tolerance=1e-6))(
        jnp.array(start)
    )
    function = jax.jit(function)
    reference = optimize.minimize(
        function, start, jac=jax.jit(jax.grad(function)), method="BFGS", tol=1e-9
    )
    assert minimum.converged
    assert minimum.value <= reference.fun + 1e-7
    np.testing.assert_allclose(minimum.x, reference.x, atol=2e-3)
    np.testing.assert_allclose(minimum.value, function(minimum.x), rtol=1e-12)
    gradient = jax.grad(function)(minimum.x)
    np.testing.assert_allclose(minimum.gradient, gradient, rtol=1e-9, atol=1e-12)
    assert minimum.steps < 150


def test_a_quadratic_needs_few_more_steps_than_dimensions():
    assert minimise(_quadratic, jnp.zeros(5)).steps <= 20


def test_a_given_inverse_hessian_saves_steps():
    inverse_hessian = jnp.asarray(np.linalg.inv(_CURVATURE))
    assert minimise(_quadratic, jnp.zeros(5), inverse_hessian).steps <= 3


def test_a_start_without_a_finite_value_does_not_converge():
    end = minimise(_nan, jnp.ones(2))
    assert not end.converged
    assert end.value == jnp.inf
    assert end.steps == 1


def test_a_stop_at_the_step_limit_does_not_converge():
    end = minimise(_rosenbrock, jnp.array([-1.2, 1.0]), max_steps=5)
    assert not end.converged
    assert end.steps == 5
    assert end.value < _rosenbrock(jnp.array([-1.2, 1.0]))


def test_a_wrong_gradient_does_not_converge():
    """No step along it decreases the value: the line search ends at a steep gradient."""

    @jax.custom_jvp
    def wrong(x):
        return jnp.sum(x**2)

    wrong.defjvp(lambda p, t: (wrong(*p), -2 * jnp.dot(p[0], t[0])))
    end = minimise(wrong, jnp.ones(2))
    assert not end.converged


def test_starts_under_vmap_agree_with_single_runs():
    starts = jnp.array([[-1.2, 1.0], [3.0, 3.0], [0.0, 0.0], [jnp.nan, 0.0]])
    together = jax.jit(jax.vmap(lambda x: minimise(_rosenbrock, x)))(starts)
    for i, start in enumerate(starts):
        alone = jax.jit(lambda x: minimise(_rosenbrock, x))(start)
        assert together.steps[i] == alone.steps
        np.testing.assert_allclose(together.x[i], alone.x, rtol=1e-6)
    assert together.converged.tolist() == [True, True, True, False]


def test_float32_converges():
    with jax.enable_x64(False):
        end = jax.jit(lambda x: minimise(_rosenbrock, x))(jnp.array([-1.2, 1.0]))
        assert end.x.dtype == jnp.float32
        assert end.converged
    np.testing.assert_allclose(end.x, [1.0, 1.0], atol=0.02)


def test_the_warm_start_is_that_of_the_best_point():
    def function(x, root):
        # Two Newton steps for the cube root of x, from that of the last accepted point.
        root = root - (root**3 - x[0]) / (3 * root**2)
        root = root - (root**3 - x[0]) / (3 * root**2)
        return (x[0] - 8.0) ** 2, root

    start, root = jnp.array([3.0]), jnp.array(1.5)
    minimum = jax.jit(lambda x, r: minimise(function, x, warm_start=r))(start, root)
    np.testing.assert_allclose(minimum.x, 8.0, atol=1e-3)
    np.testing.assert_allclose(minimum.warm_start, 2.0, atol=1e-2)
