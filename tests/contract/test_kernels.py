"""Every kernel is a covariance of the chosen columns, with correct derivatives."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from battprob import DataError
from battprob._parameters import map_parameters, ravel_parameters
from battprob.kernels import (
    RBF,
    Arrhenius,
    Categorical,
    ConstantMean,
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
    "constant mean": lambda: ConstantMean(1.3),
    "one lengthscale": lambda: RBF(0.8, ard=False),
    "named": lambda: Matern52([0.7, 2.0], features=["rate", "pressure"]),
    "by position": lambda: Linear(features=[2]),
    "categorical": lambda: Categorical(["rate", "pressure"], 1.7),
    "arrhenius": lambda: Arrhenius(Matern52([0.7, 2.0], features=[0, 1]), 1),
    "sum": lambda: RBF(features=["rate"]) + Linear(features=["pressure"]),
    "product": lambda: Matern32(features=["rate"]) * RBF(features=["pressure"]),
    "sum of products": lambda: RBF() * Linear() + Matern32(ard=False) + Matern52(),
}
USED_COLUMNS = {
    "constant mean": [],
    "named": [0, 2],
    "categorical": [0, 2],
    "by position": [2],
    "arrhenius": [0, 1],
    "sum": [0, 2],
    "product": [0, 2],
}
# Kernels that are discontinuous, or not differentiable, where two rows are equal.
DISCONTINUOUS, NOT_SMOOTH = {"categorical"}, {"matern12"}
SMOOTH = [name for name in KERNELS if name not in DISCONTINUOUS | NOT_SMOOTH]

gram = eqx.filter_jit(lambda kernel, x1, x2: kernel.gram(x1, x2))
diagonal = eqx.filter_jit(lambda kernel, x: kernel.diagonal(x))

each_kernel = pytest.mark.parametrize("name", KERNELS)


def _bound(name):
    return KERNELS[name]().bind(NAMES)


def _rows(seed=0, num=12):
    """Random rows, two of them equal."""
    x = np.random.default_rng(seed).normal(size=(num, 3))
    x[1] = x[0]
    return jnp.asarray(x)


def _perturbed(kernel, seed=0):
    """The same kernel with all parameters changed, so that none has a special value."""
    normal = np.random.default_rng(seed).normal
    return map_parameters(
        lambda leaf: jnp.asarray(leaf + 0.3 * normal(size=leaf.shape)), kernel
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
    np.testing.assert_allclose(diagonal(kernel, x), expected, rtol=1e-12)


@each_kernel
def test_an_entry_depends_only_on_its_two_rows(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    matrix = np.asarray(gram(kernel, x[:5], x[:7]))
    assert matrix.shape == (5, 7)
    for i, j in [(0, 0), (0, 1), (4, 6)]:
        # One row, repeated: as many rows as in the other tests, which compile this.
        alone = (jnp.asarray(np.tile(np.asarray(x)[k], (12, 1))) for k in (i, j))
        entries = np.asarray(gram(kernel, *alone))
        np.testing.assert_allclose(entries, matrix[i, j], rtol=1e-12)


@each_kernel
def test_only_the_chosen_columns_matter(name):
    kernel, x = _bound(name), _rows()
    used = USED_COLUMNS.get(name, [0, 1, 2])
    for column in range(3):
        changed = np.array(x)
        changed[:, column] = 0.5
        same = np.allclose(gram(kernel, jnp.asarray(changed), x), gram(kernel, x, x))
        assert same == (column not in used)


@pytest.mark.parametrize(
    "name", [name for name in KERNELS if name not in DISCONTINUOUS]
)
def test_first_derivatives_agree_with_differences_also_at_equal_rows(name):
    kernel, x = _perturbed(_bound(name)), _rows()
    other = x if name not in NOT_SMOOTH else x + 0.1
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


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_are_not_positive_are_refused(value):
    with pytest.raises(ValueError, match="prior_std of ConstantMean must be above 0"):
        ConstantMean(value)
    with pytest.raises(
        ValueError, match=r"lengthscale must be above 0 and finite; got"
    ):
        RBF(value)
    with pytest.raises(ValueError, match=r"variance must be above 0 and finite; got"):
        Linear(value)


@each_kernel
def test_gradients_are_finite_at_equal_rows(name):
    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def gradient(kernel, x):
        return kernel.gram(x, x).sum()

    flat, _ = ravel_pytree(gradient(_bound(name), _rows()))
    assert np.isfinite(flat).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_covariance_of_slopes_agrees_with_differences(name):
    """∂²k/∂x∂x' in forward-over-reverse mode, at equal rows (where r = √q is zero) too."""
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
            change = entry(a, up) - entry(a, down) - entry(-a, up) + entry(-a, down)
            expected = change / (4 * h**2)
            np.testing.assert_allclose(derivative[i, j], expected, rtol=2e-3, atol=1e-5)


@each_kernel
def test_second_derivatives_in_the_parameters_agree_with_differences(name):
    kernel, x = _perturbed(_bound(name)), _rows(num=4)
    flat, unravel = ravel_parameters(kernel)
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
def test_every_number_is_an_array_leaf(name):
    for kernel in (KERNELS[name](), _bound(name)):
        leaves, structure = jax.tree.flatten(kernel)
        assert all(isinstance(leaf, jax.Array) for leaf in leaves)
        assert all(leaf.dtype == jnp.float64 for leaf in leaves)
        assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), kernel)


@each_kernel
def test_log_prior_and_its_gradient_are_finite(name):
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


def test_new_parameters_reuse_the_compiled_program():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def traced_once(kernel, x):
        return kernel.gram(x, x)

    for lengthscale in (0.5, 1.0, 2.0):
        kernel = (RBF(lengthscale, variance=lengthscale) + Linear()).bind(NAMES)
        traced_once(kernel, _rows())
