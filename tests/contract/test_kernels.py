"""What holds for every kernel: a covariance, of the columns named, smooth where it is."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from battprob import DataError
from battprob.kernels import (
    RBF,
    Arrhenius,
    Categorical,
    Level,
    Linear,
    Matern12,
    Matern32,
    Matern52,
)

NAMES = ("rate", "temperature", "pressure")
LENGTHS = [0.7, 1.3, 2.0]
KERNELS = {
    "rbf": lambda: RBF(LENGTHS, 1.7),
    "matern12": lambda: Matern12(LENGTHS, 1.7),
    "matern32": lambda: Matern32(LENGTHS, 1.7),
    "matern52": lambda: Matern52(LENGTHS, 1.7),
    "linear": lambda: Linear(1.7),
    "level": lambda: Level(1.3),
    "one lengthscale": lambda: RBF(0.8, ard=False),
    "named": lambda: Matern52([0.7, 2.0], features=["rate", "pressure"]),
    "by position": lambda: Linear(features=[2]),
    "categorical": lambda: Categorical(["rate", "pressure"], 1.7),
    "arrhenius": lambda: Arrhenius(Matern52([0.7, 2.0], features=[0, 1]), 1),
    "sum": lambda: RBF(features=["rate"]) + Linear(features=["pressure"]),
    "product": lambda: Matern32(features=["rate"]) * RBF(features=["pressure"]),
    "sum of products": lambda: RBF() * Linear() + Matern32(ard=False) + Matern52(),
}
SEES = {
    "level": [],
    "named": [0, 2],
    "categorical": [0, 2],
    "by position": [2],
    "arrhenius": [0, 1],
    "sum": [0, 2],
    "product": [0, 2],
}
JUMPS, KINKS = {"categorical"}, {"matern12"}  # where two rows meet
SMOOTH = [name for name in KERNELS if name not in JUMPS | KINKS]

gram = eqx.filter_jit(lambda kernel, x1, x2: kernel.gram(x1, x2))

each_kernel = pytest.mark.parametrize("name", KERNELS)


def _bound(name):
    return KERNELS[name]().bind(NAMES)


def _rows(seed=0, num=12):
    """Random rows, two of them equal."""
    x = np.random.default_rng(seed).normal(size=(num, 3))
    x[1] = x[0]
    return jnp.asarray(x)


def _perturbed(kernel, seed=0):
    """The same kernel with every parameter moved, so that none is at a special value."""
    move = np.random.default_rng(seed).normal
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf + 0.3 * move(size=leaf.shape)), kernel
    )


@each_kernel
def test_gram_is_symmetric_and_positive_semidefinite(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    matrix = np.asarray(gram(kernel, x, x))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-13)
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert eigenvalues.min() > -1e-12 * eigenvalues.max()
    assert eigenvalues.max() > 0


@each_kernel
def test_diagonal_is_that_of_gram(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    expected = np.diag(gram(kernel, x, x))
    np.testing.assert_allclose(kernel.diagonal(x), expected, rtol=1e-12)


@each_kernel
def test_an_entry_depends_on_its_two_rows_alone(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    matrix = np.asarray(gram(kernel, x[:5], x))
    assert matrix.shape == (5, 12)
    for i, j in [(0, 0), (0, 1), (4, 11)]:
        alone = gram(kernel, x[i : i + 1], x[j : j + 1])
        np.testing.assert_allclose(matrix[i, j], alone[0, 0], rtol=1e-12)


@each_kernel
def test_only_the_named_columns_count(name):
    kernel, x = _bound(name), _rows()
    seen = SEES.get(name, [0, 1, 2])
    for column in range(3):
        moved = np.array(x)
        moved[:, column] = 0.5
        same = np.allclose(gram(kernel, jnp.asarray(moved), x), gram(kernel, x, x))
        assert same == (column not in seen)


@pytest.mark.parametrize("name", [name for name in KERNELS if name not in JUMPS])
def test_first_derivatives_are_those_of_differences_also_at_equal_rows(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    other = x if name not in KINKS else x + 0.1
    flat, unravel = ravel_pytree((kernel, x))
    rng = np.random.default_rng(1)
    weight, direction = rng.normal(size=(12, 12)), rng.normal(size=flat.shape)

    @jax.jit
    @jax.value_and_grad
    def along(step):
        kernel, x = unravel(flat + step * direction)
        return jnp.sum(weight * kernel.gram(x, other))

    step = 1e-5
    expected = (along(step)[0] - along(-step)[0]) / (2 * step)
    np.testing.assert_allclose(along(0.0)[1], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("spread", [0.0, -1.0, np.nan, np.inf])
def test_a_level_needs_a_spread(spread):
    with pytest.raises(ValueError, match="spread of Level must be above 0 and finite"):
        Level(spread)


@each_kernel
def test_gradients_are_finite_at_equal_rows(name):
    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradient(kernel, x):
        return kernel.gram(x, x).sum()

    flat, _ = ravel_pytree(gradient(_bound(name), _rows()))
    assert np.isfinite(flat).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_covariance_of_slopes_is_that_of_differences(name):
    """∂²k/∂x∂x', in forward over reverse mode; at equal rows √ must leave no trace."""
    kernel = _perturbed(_bound(name))
    x = jnp.array([[0.3, -0.8, 0.5]])

    @jax.jit
    def entry(step1, step2):
        return kernel.gram(x + step1[None], x + step2[None])[0, 0]

    mixed = jax.jit(jax.jacfwd(jax.grad(entry, argnums=0), argnums=1))
    h = 1e-4
    zero = np.zeros(3)
    for other in (zero, zero + 0.3):
        derivative = mixed(zero, other)
        for i, j in [(0, 0), (2, 2), (0, 2)]:
            a, b = h * np.eye(3)[i], h * np.eye(3)[j]
            up, down = other + b, other - b
            ends = entry(a, up) - entry(a, down) - entry(-a, up) + entry(-a, down)
            expected = ends / (4 * h**2)
            np.testing.assert_allclose(derivative[i, j], expected, rtol=2e-3, atol=1e-5)


@each_kernel
def test_second_derivatives_in_the_parameters(name):
    kernel, x = _perturbed(_bound(name)), _rows(num=4)
    flat, unravel = ravel_pytree(kernel)
    weight = np.random.default_rng(2).normal(size=(4, 4))

    @jax.jit
    def gradient(vector):
        return jax.grad(lambda v: jnp.sum(weight * unravel(v).gram(x, x)))(vector)

    hessian = jax.jit(jax.jacfwd(gradient))(flat)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)
    h = 1e-5
    for i in range(flat.size):
        step = h * np.eye(flat.size)[i]
        expected = (gradient(flat + step) - gradient(flat - step)) / (2 * h)
        np.testing.assert_allclose(hessian[i], expected, rtol=1e-5, atol=1e-7)


@each_kernel
def test_every_number_is_an_array_and_the_tree_is_whole(name):
    for kernel in (KERNELS[name](), _bound(name)):
        leaves, structure = jax.tree.flatten(kernel)
        assert all(isinstance(leaf, jax.Array) for leaf in leaves)
        assert all(leaf.dtype == jnp.float64 for leaf in leaves)
        assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), kernel)


@each_kernel
def test_log_prior_is_finite_with_a_finite_gradient(name):
    value, gradient = jax.jit(jax.value_and_grad(lambda k: k.log_prior()))(_bound(name))
    assert value.shape == ()
    assert np.isfinite(value)
    assert np.isfinite(ravel_pytree(gradient)[0]).all()


@each_kernel
def test_float32_agrees(name):
    expected = gram(_bound(name), _rows(), _rows())
    with jax.enable_x64(False):
        matrix = gram(_bound(name), _rows(), _rows())
    assert matrix.dtype == jnp.float32
    np.testing.assert_allclose(matrix, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", [RBF, Matern12, Matern32, Matern52, Linear])
def test_unknown_features_are_refused(kind):
    for feature in ("voltage", 3, -1):
        with pytest.raises(DataError, match=f"no feature {feature!r}; .*'pressure'"):
            (kind(features=["rate", feature]) + RBF()).bind(NAMES)


def test_new_parameters_find_the_same_program():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def traced_once(kernel, x):
        return kernel.gram(x, x)

    for lengthscale in (0.5, 1.0, 2.0):
        kernel = (RBF(lengthscale, variance=lengthscale) + Linear()).bind(NAMES)
        traced_once(kernel, _rows())
