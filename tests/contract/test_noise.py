"""Every noise model is a positive variance of the chosen columns, with a prior."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy import stats

from battprob import DataError
from battprob._parameters import map_parameters
from battprob.noise import Constant, Known, LatentGP, LogLinear, StudentT
from battprob.noise.latent import choose_inducing_points

NAMES = ("rate", "temperature", "pressure")
HEADS = {
    "constant": Constant,
    "log linear": LogLinear,
    "named": lambda: LogLinear(["pressure", "rate"]),
    "by position": lambda: LogLinear([1]),
    "latent": LatentGP,
    "known": Known,
    "student": lambda: StudentT(LogLinear(["rate"])),
    "sum": lambda: Known() + LogLinear(["rate"]),
    "sum of three": lambda: Constant() + LogLinear(["rate"]) + LogLinear([2]),
    "sum with latent": lambda: Known() + LatentGP(features=["pressure"]),
}
USED_COLUMNS = {
    "log linear": [0, 1, 2],
    "named": [0, 2],
    "by position": [1],
    "latent": [0, 1, 2],
    "student": [0],
    "sum": [0],
    "sum with latent": [2],
    "sum of three": [0, 2],
}
KNOWN = jnp.linspace(0.1, 0.5, 5)


@eqx.filter_jit
def variance(head, x, known=KNOWN):
    """The variance as one program; outside of one, each of its operations is compiled."""
    return head.variance(x, known)


@eqx.filter_jit
def log_prior(head):
    return head.log_prior()


each_head = pytest.mark.parametrize("name", HEADS)


def _rows(seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(5, 3)))


def _bound(name):
    """A head with all parameters changed from their initial values."""
    normal = np.random.default_rng(0).normal
    # Far apart: close inducing points make a matrix that is nearly singular, and
    # differences of values with large rounding errors.
    points = 3 * np.random.default_rng(1).normal(size=(8, 3))
    head = choose_inducing_points(HEADS[name]().bind(NAMES), points)
    return map_parameters(lambda leaf: leaf + normal(size=leaf.shape), head)


@each_head
def test_variance_is_positive_and_has_one_value_for_each_row(name):
    values = np.asarray(variance(_bound(name), _rows()))
    assert values.shape == (5,)
    assert np.all(values > 0)


@each_head
def test_only_the_chosen_columns_matter(name):
    head, x, others = _bound(name), np.asarray(_rows()), np.asarray(_rows(1))
    for column in range(3):
        changed = np.where(np.arange(3) == column, others, x)
        same = np.allclose(
            variance(head, jnp.asarray(changed)), variance(head, jnp.asarray(x))
        )
        assert same == (column not in USED_COLUMNS.get(name, []))


@each_head
def test_measured_variances_matter_if_the_head_uses_them(name):
    head, x, known = _bound(name), _rows(), np.asarray(KNOWN)
    one, two = (np.asarray(variance(head, x, jnp.asarray(k * known))) for k in (1, 2))
    change = two - one
    expected = known if head.uses_known() else np.zeros(5)
    np.testing.assert_allclose(change, expected, atol=1e-12)


@each_head
def test_derivatives_agree_with_differences(name):
    flat, unravel = ravel_pytree((_bound(name), _rows(), KNOWN))
    rng = np.random.default_rng(1)
    weight, direction = rng.normal(size=5), rng.normal(size=flat.shape)

    @jax.jit
    @jax.value_and_grad
    def along(step):
        head, x, known = unravel(flat + step * direction)
        return jnp.dot(weight, head.variance(x, known)) + head.log_prior()

    step = 1e-5
    expected = (along(step)[0] - along(-step)[0]) / (2 * step)
    np.testing.assert_allclose(along(0.0)[1], expected, rtol=1e-6)
    curvature = jax.jit(jax.grad(lambda s: along(s)[1]))(0.0)
    step = 1e-4  # the basis of a latent process has rounding errors of 1e-9
    expected = (along(step)[1] - along(-step)[1]) / (2 * step)
    np.testing.assert_allclose(curvature, expected, rtol=1e-4, atol=1e-4)


@each_head
def test_every_number_is_an_array_leaf(name):
    for head in (HEADS[name](), _bound(name)):
        leaves, structure = jax.tree.flatten(head)
        assert all(isinstance(leaf, jax.Array) for leaf in leaves)
        assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), head)


@each_head
def test_log_prior_is_a_finite_number(name):
    prior = log_prior(_bound(name))
    assert prior.shape == ()
    assert np.isfinite(prior)


@each_head
def test_float32_agrees(name):
    expected = variance(HEADS[name]().bind(NAMES), _rows())
    with jax.enable_x64(False):
        head = HEADS[name]().bind(NAMES)
        single = variance(head, _rows(), jnp.asarray(np.asarray(KNOWN)))
        assert log_prior(head).dtype == single.dtype == jnp.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_values_and_priors_agree_with_scipy():
    x = _rows()
    head = eqx.tree_at(
        lambda h: (h.intercept, h.slopes),
        LogLinear(["pressure", "rate"]).bind(NAMES),
        (jnp.asarray(0.3), jnp.array([0.5, -1.0])),
    )
    expected = np.exp(0.3 + 0.5 * x[:, 2] - x[:, 0])
    np.testing.assert_allclose(head.variance(x, KNOWN), expected)
    slopes = stats.norm.logpdf([0.5, -1.0], 0, 0.5**0.5).sum()
    expected = stats.norm.logpdf(0.3, -2, 2) + slopes
    np.testing.assert_allclose(head.log_prior(), expected)
    constant = Constant()
    np.testing.assert_allclose(constant.variance(x, KNOWN), np.exp(-2.0))
    np.testing.assert_allclose(constant.log_prior(), stats.norm.logpdf(0, 0, 2))
    total = (Known() + constant).variance(x, KNOWN)
    np.testing.assert_allclose(total, KNOWN + np.exp(-2.0))


def test_noise_far_outside_the_data_equals_noise_at_three_standard_deviations():
    head = _bound("log linear")
    far = jnp.array([[50.0, -50.0, 0.0]])
    edge = jnp.array([[3.0, -3.0, 0.0]])
    one = KNOWN[:1]
    np.testing.assert_allclose(head.variance(far, one), head.variance(edge, one))


@pytest.mark.parametrize("head", [Constant, LogLinear])
def test_a_prior_without_a_positive_standard_deviation_is_refused(head):
    with pytest.raises(ValueError, match=r"prior_std of .* must be above 0 and finite"):
        head(prior_std=0.0)


def test_unknown_features_are_refused():
    with pytest.raises(
        DataError, match=r"no feature 'voltage'; the dataset has .*'rate'"
    ):
        (Constant() + LogLinear(["voltage"])).bind(NAMES)


def test_new_parameters_reuse_the_compiled_program():
    @eqx.filter_jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def variance(head, x, known):
        return head.variance(x, known)

    head = _bound("sum")
    for scale in (1.0, 2.0):
        scaled = jax.tree.map(lambda leaf: scale * leaf, head)  # noqa: B023
        variance(scaled, _rows(), scale * KNOWN)
