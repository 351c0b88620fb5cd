"""The variational lower bound agrees with the sum over all assignments of the rows."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from battprob import kernels, noise
from battprob.models import ConstantGate
from battprob.models._scaling import Rows
from battprob.models.mixture._bound import e_step, elbo
from battprob.models.mixture._experts import LinearExpert, ProcessExpert
from battprob.models.mixture._hierarchy import HierarchicalPrior
from battprob.models.mixture._laplace import laplace_draws, standard_normals
from battprob.models.mixture._parameters import (
    MixtureData,
    initial_parameters,
    log_prior,
)
from battprob.priors import Ridge
from tests.models.gaussian import kernel_gram

NOISE_DEVIATIONS = (0.0, 0.8)
HIERARCHY = eqx.tree_at(
    lambda prior: prior.z_slopes,
    HierarchicalPrior(Ridge().bind(["rate"], 6)),
    jnp.asarray([0.7]),
)
EXPERTS = {
    "linear": LinearExpert(hierarchy=HIERARCHY, noise=noise.Constant()),
    "process": ProcessExpert(
        kernel=kernels.Matern52().bind(["rate"]), noise=noise.Constant()
    ),
}


def small(expert, separation):
    """Parameters of two protocols, and seven rows, padded to eight."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(8, 1))
    y = np.where(np.arange(8) % 2 == 0, -1, 1) * separation + 0.2 * rng.normal(size=8)
    mask = np.arange(8) < 7
    rows = Rows(*map(jnp.asarray, (x, np.where(mask, y, 0.0), np.zeros(8), mask)))
    labels = np.full(8, -1, np.int32)
    labels[0] = 0
    data = MixtureData(rows, jnp.asarray(labels), jnp.ones(2))
    gate = ConstantGate().bind(["rate"], 2)
    parameters = initial_parameters(EXPERTS[expert], gate, 2, shared=False)
    parameters = eqx.tree_at(
        lambda node: node.deviations.noise.log_variance,
        parameters,
        jnp.asarray(NOISE_DEVIATIONS),
    )
    return parameters, data


def prior_moments(expert, x, noise_deviation=0.0):
    """Prior mean and covariance of the targets, written out."""
    if isinstance(expert, LinearExpert):
        scale = float(expert.hierarchy.prior.scales()[0])
        mean = math.sqrt(0.5) * scale * 0.7 * x[:, 0]
        gram = math.exp(-1.0) + 0.5 * scale**2 * x @ x.T
    else:
        mean = np.zeros(len(x))
        gram = np.asarray(kernel_gram(expert.kernel, x, x))
    variance = math.exp(float(expert.noise.log_variance) + 0.5 * noise_deviation)
    return mean, gram + variance * np.eye(len(x))


def enumerated(expert, data):
    """log p(y | θ): the sum over all protocols of the rows without a label."""
    inside = np.asarray(data.rows.mask)
    x, y = np.asarray(data.rows.x)[inside], np.asarray(data.rows.y)[inside]
    moments = [prior_moments(EXPERTS[expert], x, each) for each in NOISE_DEVIATIONS]
    terms = []
    for others in itertools.product([0, 1], repeat=len(y) - 1):
        u = np.array([0, *others])
        density = len(y) * math.log(0.5)
        for k, (mean, covariance) in enumerate(moments):
            rows = np.flatnonzero(u == k)
            if len(rows):
                block = covariance[np.ix_(rows, rows)]
                density += multivariate_normal(mean[rows], block).logpdf(y[rows])
        terms.append(density)
    return logsumexp(terms)


# Outside of a program, the loop over the experts would be compiled in every step.
_e_step = eqx.filter_jit(e_step)


@eqx.filter_jit
def _bound(parameters, data, responsibilities):
    return elbo(parameters, (data, responsibilities)) - log_prior(parameters)


@pytest.mark.parametrize("expert", EXPERTS)
def test_bound_is_below_the_evidence_and_equal_for_separate_protocols(expert):
    gaps = []
    for separation in (0.7, 9.0):
        parameters, data = small(expert, separation)
        is_own = np.arange(8) % 2 == np.arange(2)[:, None]
        responsibilities = np.where(is_own, 0.9, 0.1)
        for _ in range(60):
            responsibilities = _e_step(parameters, data, jnp.asarray(responsibilities))
        gaps.append(
            enumerated(expert, data) - float(_bound(parameters, data, responsibilities))
        )
    assert gaps[0] > 0
    assert abs(gaps[1]) < 1e-3


@pytest.mark.parametrize("expert", EXPERTS)
def test_responsibilities_of_zero_and_one_give_the_evidence_of_the_rows(expert):
    _, data = small(expert, 2.0)
    chosen = np.array([0, 3, 4])
    responsibility = np.isin(np.arange(8), chosen).astype(float)

    @jax.jit
    def log_evidence(rows):
        each = EXPERTS[expert]
        return each.log_evidence(each.centred(rows), jnp.asarray(responsibility))

    evidence = log_evidence(data.rows)
    x, y = np.asarray(data.rows.x)[chosen], np.asarray(data.rows.y)[chosen]
    mean, covariance = prior_moments(EXPERTS[expert], x)
    expected = multivariate_normal(mean, covariance).logpdf(y)
    assert float(evidence) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("expert", EXPERTS)
def test_only_free_parameters_differ_between_protocols(expert):
    """Assert that numbers that no fit may change have no deviations."""
    parameters, _ = small(expert, 1.0)
    assert parameters.deviations.noise.prior_mean is None
    means = parameters.map_experts(lambda each: each.noise.prior_mean)
    np.testing.assert_array_equal(means, [-2.0, -2.0])
    variances = parameters.map_experts(lambda each: each.noise.log_variance)
    np.testing.assert_allclose(variances, -2.0 + 0.5 * np.array(NOISE_DEVIATIONS))


@pytest.mark.parametrize("expert", EXPERTS)
def test_laplace_approximation_is_finite(expert):
    """Assert that equal rows (padding) have finite second derivatives in every kernel."""
    parameters, data = small(expert, 2.0)
    responsibilities = jnp.where(data.rows.mask[None], jnp.full((2, 8), 0.5), 0.0)
    normals = standard_normals(parameters, 1, jax.random.key(0))
    draws, log_evidence = laplace_draws(parameters, data, responsibilities, normals)
    assert np.isfinite(log_evidence)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(draws))


def test_padding_has_no_responsibility():
    parameters, data = small("linear", 1.0)
    responsibilities = _e_step(parameters, data, jnp.full((2, 8), 0.5))
    np.testing.assert_allclose(responsibilities.sum(0), np.arange(8) < 7)
    np.testing.assert_array_equal(responsibilities[:, 0], [1.0, 0.0])
    assert jax.tree.all(jax.tree.map(lambda a: bool(jnp.all(a >= 0)), responsibilities))
