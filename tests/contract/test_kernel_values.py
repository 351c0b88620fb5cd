"""Kernels and their priors have the values of their formulas and of tinygp."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

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
from battprob.kernels._matern import squared_distance

NAMES = ("a", "b")
LENGTHS = np.array([0.7, 2.0])
VARIANCE = 1.7
TINYGP = {
    RBF: "ExpSquared",
    Matern12: "Exp",
    Matern32: "Matern32",
    Matern52: "Matern52",
}


def _rows(seed):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(6, 2)))


@pytest.mark.parametrize("kind", TINYGP)
def test_stationary_kernels_agree_with_tinygp(kind):
    tinygp = pytest.importorskip("tinygp")
    other = getattr(tinygp.kernels, TINYGP[kind])
    distance = tinygp.kernels.distance.L2Distance()
    reference = VARIANCE * tinygp.transforms.Linear(
        1 / LENGTHS, other(jnp.asarray(1.0), distance)
    )
    x1, x2 = _rows(0), _rows(1)
    got = kind(LENGTHS, VARIANCE).bind(NAMES).gram(x1, x2)
    np.testing.assert_allclose(got, reference(x1, x2), rtol=1e-12)


def test_a_constant_mean_with_a_wide_prior_is_ordinary_kriging():
    """Assert that the mean is the generalised least-squares estimate, with its error."""
    x, new = _rows(0), _rows(1)
    y = 5.0 + np.random.default_rng(2).normal(size=6)
    kernel = Matern52(LENGTHS, VARIANCE).bind(NAMES)
    matrix = np.asarray(kernel.gram(x, x)) + 0.1 * np.eye(6)
    cross, one = np.asarray(kernel.gram(x, new)), np.ones(6)
    weight = np.linalg.solve(matrix, cross)
    precision = one @ np.linalg.solve(matrix, one)
    mean = one @ np.linalg.solve(matrix, y) / precision
    expected = mean + weight.T @ (y - mean)
    variance = VARIANCE - np.sum(weight * cross, axis=0)
    variance = variance + (1 - one @ weight) ** 2 / precision

    kernel = (Matern52(LENGTHS, VARIANCE) + ConstantMean(1e3)).bind(NAMES)
    matrix = np.asarray(kernel.gram(x, x)) + 0.1 * np.eye(6)
    cross = np.asarray(kernel.gram(x, new))
    weight = np.linalg.solve(matrix, cross)
    np.testing.assert_allclose(weight.T @ y, expected, rtol=1e-4)
    rest = np.asarray(kernel.diagonal(new)) - np.sum(weight * cross, axis=0)
    np.testing.assert_allclose(rest, variance, rtol=1e-4)


def test_stationary_kernels_agree_with_their_formulas():
    r = 1.3
    x1, x2 = jnp.array([[0.0, 0.0]]), jnp.array([[r, 0.0]])
    expected = {
        RBF: np.exp(-(r**2) / 2),
        Matern12: np.exp(-r),
        Matern32: (1 + 3**0.5 * r) * np.exp(-(3**0.5) * r),
        Matern52: (1 + 5**0.5 * r + 5 / 3 * r**2) * np.exp(-(5**0.5) * r),
    }
    for kind, value in expected.items():
        kernel = kind([1.0, 1.0], VARIANCE).bind(NAMES)
        np.testing.assert_allclose(kernel.gram(x1, x2)[0, 0], VARIANCE * value)


def test_equal_rows_have_a_covariance_equal_to_the_variance_in_every_compilation():
    # XLA may compile a distance twice in one program, once as zero and once as a rounding
    # error.
    x = jnp.asarray(np.random.default_rng(0).normal(size=(200, 1)))

    @jax.jit
    def solve(kernel):
        cross = kernel.gram(x[:48], x)
        root = jnp.linalg.cholesky(kernel.gram(x[:48], x[:48]) + 1e-6 * jnp.eye(48))
        return cross, jax.scipy.linalg.solve_triangular(root, cross, lower=True)

    cross, _ = solve(Matern52(1.3).bind(["a"]))
    np.testing.assert_allclose(jnp.diagonal(cross), 1.0, rtol=1e-12)


def test_arrhenius_is_linear_in_reciprocal_temperature():
    kelvin = np.linspace(263.0, 333.0, 8)
    std = kelvin.std()
    kernel = Arrhenius(Linear(), "temperature").bind(["temperature"])
    kernel = eqx.tree_at(
        lambda k: k.log_curvature, kernel, jnp.log(std / kelvin.mean())
    )
    x = jnp.asarray((kelvin - kelvin.mean()) / std)[:, None]
    # The matrix of Linear is u uᵀ: its first row is u up to a factor.
    u = np.asarray(kernel.gram(x[:1], x))[0]
    line = np.polynomial.Polynomial.fit(1 / kelvin, u, 1)
    np.testing.assert_allclose(line(1 / kelvin), u, atol=1e-12 * np.abs(u).max())


def test_arrhenius_continues_as_a_straight_line_near_absolute_zero():
    kernel = Arrhenius(Linear(), 0).bind(["temperature"])
    x = jnp.array([[-17.0], [-18.0 - 1e-6], [-18.0 + 1e-6], [-40.0], [-62.0]])
    u = np.asarray(kernel.gram(jnp.ones((1, 1)), x))[0]
    assert np.all(np.isfinite(u))
    assert u[1] == pytest.approx(u[2], rel=1e-5)
    np.testing.assert_allclose(u[3] - u[1], u[4] - u[3], rtol=1e-6)


def test_linear_is_the_inner_product_with_unit_variance_over_all_features():
    x = _rows(0)
    expected = VARIANCE / 2 * np.asarray(x) @ np.asarray(x).T
    np.testing.assert_allclose(Linear(VARIANCE).bind(NAMES).gram(x, x), expected)


def test_sum_and_product_are_those_of_the_matrices():
    x = _rows(0)
    one, other = RBF(LENGTHS).bind(NAMES), Linear().bind(NAMES)
    a, b = one.gram(x, x), other.gram(x, x)
    np.testing.assert_allclose((RBF(LENGTHS) + Linear()).bind(NAMES).gram(x, x), a + b)
    np.testing.assert_allclose((RBF(LENGTHS) * Linear()).bind(NAMES).gram(x, x), a * b)


def test_one_initial_lengthscale_is_multiplied_by_the_root_of_the_number_of_features():
    for ard in (True, False):
        kernel = RBF(0.5, ard=ard).bind(NAMES)
        np.testing.assert_allclose(kernel.lengthscale, 0.5 * 2**0.5)
        assert kernel.log_lengthscale.shape == ((2,) if ard else ())
    np.testing.assert_allclose(RBF(LENGTHS).bind(NAMES).lengthscale, LENGTHS)


def _log_prior_of_scale(variance):
    """Density of log s² when s is exponential with rate 3: ds / d log s² = s / 2."""
    scale = np.sqrt(variance)
    return stats.expon.logpdf(scale, scale=1 / 3) + np.log(scale / 2)


def test_log_priors_agree_with_scipy():
    kernel = RBF(LENGTHS, VARIANCE).bind(NAMES)
    lengths = stats.norm.logpdf(np.log(LENGTHS), np.log(2 * 2**0.5), 1.0).sum()
    expected = lengths + _log_prior_of_scale(VARIANCE)
    np.testing.assert_allclose(kernel.log_prior(), expected)
    shared = Matern52(0.5, ard=False).bind(NAMES)
    expected = stats.norm.logpdf(np.log(0.25)) + _log_prior_of_scale(1.0)
    np.testing.assert_allclose(shared.log_prior(), expected)
    linear = Linear(VARIANCE).bind(NAMES)
    expected = stats.norm.logpdf(np.log(VARIANCE / 2), -np.log(2), 1.5)
    np.testing.assert_allclose(linear.log_prior(), expected)
    both = (RBF(LENGTHS, VARIANCE) * Linear(VARIANCE)).bind(NAMES)
    np.testing.assert_allclose(
        both.log_prior(), kernel.log_prior() + linear.log_prior()
    )


def test_squared_distance_does_not_cancel():
    """|a|² + |b|² - 2ab would be off by 1e-4 here, and negative."""
    a = jnp.array([[1e6, 1e6]])
    np.testing.assert_allclose(squared_distance(a, a + 1e-3), 2e-6, rtol=1e-6)
    assert squared_distance(a, a)[0, 0] == 0.0


def test_rows_of_one_category_have_the_same_offset_and_a_new_category_its_own():
    codes = jnp.asarray([[0.0], [1.0], [0.0], [-1.0]])
    gram = Categorical([0], VARIANCE).bind(["batch"]).gram(codes, codes)
    same = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(gram, VARIANCE * same)
