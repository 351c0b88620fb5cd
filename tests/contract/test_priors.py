"""Every prior of weights has positive scales, a density and correct derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from battprob import DataError
from battprob._parameters import map_parameters, ravel_parameters
from battprob.priors import ARD, ElasticNet, GroupLasso, Horseshoe, Lasso, Ridge

NAMES = ("height", "width", "rate")
PRIORS = {
    "ridge": Ridge,
    "ard": ARD,
    "lasso": Lasso,
    "elastic net": ElasticNet,
    "group lasso": lambda: GroupLasso({"peak": ["height", "width"]}),
    "horseshoe": Horseshoe,
}
each_prior = pytest.mark.parametrize("name", PRIORS)


@eqx.filter_jit
def scales_of(prior):
    """The scales as one program; outside of one, each of its operations is compiled."""
    return prior.scales()


@eqx.filter_jit
def log_prior_of(prior):
    return prior.log_prior()


def _bound(name):
    return PRIORS[name]().bind(NAMES, num_rows=32)


def _perturbed(name, size=1.0):
    normal = np.random.default_rng(0).normal
    return map_parameters(
        lambda leaf: leaf + size * normal(size=leaf.shape), _bound(name)
    )


@each_prior
def test_scales_are_positive_with_one_for_each_feature_in_the_tails_too(name):
    for size in (0.0, 1.0, 6.0):
        scales = np.asarray(scales_of(_perturbed(name, size)))
        assert scales.shape == (3,)
        assert np.all(np.isfinite(scales))
        assert np.all(scales > 0)


@each_prior
def test_derivatives_agree_with_differences(name):
    flat, unravel = ravel_parameters(_perturbed(name))
    direction = np.random.default_rng(1).normal(size=flat.shape)

    @jax.jit
    @jax.value_and_grad
    def along(step):
        prior = unravel(flat + step * direction)
        return jnp.sum(jnp.log(prior.scales())) + prior.log_prior()

    expected = (along(1e-5)[0] - along(-1e-5)[0]) / 2e-5
    np.testing.assert_allclose(along(0.0)[1], expected, rtol=1e-6)


@each_prior
def test_log_prior_is_the_log_of_a_density(name):
    """Parameters are independent: the total mass is a product of integrals over each."""
    flat, unravel = ravel_parameters(_bound(name))
    density = jax.jit(jax.vmap(lambda vector: jnp.exp(unravel(vector).log_prior())))
    points = np.linspace(-14, 14, 561)
    at_start = np.asarray(density(jnp.asarray(np.tile(flat, (561, 1)))))[0]
    total = at_start
    for column in range(flat.size):
        along = np.tile(flat, (len(points), 1))
        along[:, column] = points
        total *= np.asarray(density(jnp.asarray(along))).sum() * 0.05 / at_start
    assert total == pytest.approx(1.0, rel=1e-3)


@each_prior
def test_float32_agrees(name):
    expected = scales_of(_bound(name))
    with jax.enable_x64(False):
        prior = _bound(name)
        scales = scales_of(prior)
        assert log_prior_of(prior).dtype == scales.dtype == jnp.float32
        np.testing.assert_allclose(scales, expected, rtol=2e-3)


@each_prior
def test_every_number_is_an_array_leaf(name):
    leaves, structure = jax.tree.flatten(_bound(name))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), _bound(name))


def _marginal(prior, coordinate, weight):
    """p(w) of the first weight: its own scale integrated out, other parameters fixed."""
    z = np.linspace(-9, 9, 4001)
    at_value = jax.jit(
        jax.vmap(
            lambda value: eqx.tree_at(
                lambda p: getattr(p, coordinate), prior, jnp.full((3,), value)
            ).scales()[0]
        )
    )
    scales = np.asarray(at_value(jnp.asarray(z)))
    density = stats.norm.pdf(z) * stats.norm.pdf(weight[:, None], 0, scales)
    return integrate.trapezoid(density, z, axis=1)


WEIGHT = np.array([0.05, 0.2, 0.6, 1.5])


def test_lasso_is_the_double_exponential_density():
    expected = stats.laplace.pdf(WEIGHT, 0, (0.5 / 3) ** 0.5)  # variance 1/3
    density = _marginal(_bound("lasso"), "z_variance", WEIGHT)
    np.testing.assert_allclose(density, expected, rtol=1e-4)


@pytest.mark.parametrize("log_a", [-2.0, 0.0, 1.5])
def test_elastic_net_has_its_density_and_the_same_variance_for_every_a(log_a):
    prior = eqx.tree_at(lambda p: p.log_a, _bound("elastic net"), jnp.asarray(log_a))
    a = np.exp(log_a)

    def kernel(w, scale):
        return np.exp(-a * np.abs(w) / scale - 0.5 * (w / scale) ** 2)

    # Moments for g = 1, then the g that gives a variance of 1/3.
    mass = integrate.quad(lambda w: kernel(w, 1.0), -40, 40, points=[0])[0]
    square = integrate.quad(lambda w: w**2 * kernel(w, 1.0), -40, 40, points=[0])[0]
    scale = (mass / square / 3) ** 0.5
    expected = kernel(WEIGHT, scale) / (mass * scale)
    density = _marginal(prior, "z_variance", WEIGHT)
    np.testing.assert_allclose(density, expected, rtol=1e-4)


def test_group_lasso_is_the_exponential_of_a_norm():
    """For the pair: p(w) = λ²/2π · e^{-λ|w|}, with E v = τ/d = 1/3 and so λ² = 3 · 3."""
    prior = _bound("group lasso")
    u = np.linspace(-20, 6, 6001)
    log_gamma = stats.loggamma.logpdf(u, 1.5)
    variance = np.exp(u) / 1.5 / 3
    pairs = np.array([[0.1, 0.2], [0.5, -0.5], [1.0, 0.3]])
    density = [
        integrate.trapezoid(
            np.exp(log_gamma) * stats.norm.pdf(w[:, None], 0, variance**0.5).prod(0), u
        )
        for w in pairs
    ]
    expected = 9 / (2 * np.pi) * np.exp(-3 * np.linalg.norm(pairs, axis=1))
    np.testing.assert_allclose(density, expected, rtol=1e-4)
    given = eqx.tree_at(lambda p: p.log_variance, prior, jnp.array([0.3, -0.2]))
    np.testing.assert_allclose(
        np.asarray(scales_of(given)) ** 2,
        np.exp([0.3, 0.3, -0.2]) / np.array([1.5, 1.5, 1.0]) / 3,
    )
    expected = stats.loggamma.logpdf(0.3, 1.5) + stats.loggamma.logpdf(-0.2, 1.0)
    np.testing.assert_allclose(log_prior_of(given), expected + stats.norm.logpdf(0.0))


def test_horseshoe_agrees_with_the_paper():
    prior = eqx.tree_at(
        lambda p: (p.z_tau, p.z_lambda, p.log_slab_variance),
        _bound("horseshoe"),
        (jnp.asarray(0.3), jnp.array([-1.0, 0.0, 2.0]), jnp.asarray(0.4)),
    )
    tau0 = 1.5 / 1.5 / 32**0.5  # half of three features at most
    tau = stats.halfcauchy.ppf(stats.norm.cdf(0.3), scale=tau0)
    local = stats.halfcauchy.ppf(stats.norm.cdf([-1.0, 0.0, 2.0]))
    slab = np.exp(0.4)
    expected = slab * local**2 / (slab + tau**2 * local**2) * tau**2
    np.testing.assert_allclose(np.asarray(scales_of(prior)) ** 2, expected)
    log_slab = stats.invgamma.logpdf(slab, 2, scale=2) + 0.4
    normal = stats.norm.logpdf([0.3, -1.0, 0.0, 2.0]).sum()
    np.testing.assert_allclose(log_prior_of(prior), log_slab + normal)


def test_overlapping_groups_and_unknown_features_are_refused():
    with pytest.raises(DataError, match="feature 'width' is in two groups"):
        GroupLasso([["height", "width"], ["width"]]).bind(NAMES, 8)
    with pytest.raises(DataError, match="no feature 'depth'; the dataset has"):
        GroupLasso([["depth"]]).bind(NAMES, 8)
