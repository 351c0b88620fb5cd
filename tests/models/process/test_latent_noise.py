"""The variational bound that integrates the latent function of the noise out is correct."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from battprob import Dataset, noise
from battprob.kernels import RBF
from battprob.models import GaussianProcess
from battprob.models._replicates import find_distinct
from battprob.models._scaling import prepare
from battprob.models.base import bound
from battprob.models.process._joint_density import log_joint, warm_started_log_joint
from battprob.noise.latent import choose_inducing_points, split
from tests.models.gaussian import fixed, standardised

RNG = np.random.default_rng(3)
X = np.sort(RNG.uniform(size=6))[:, None]
Y = np.sin(4 * X[:, 0]) + np.array([0.1, 0.1, 0.1, 1.0, 1.0, 1.0]) * RNG.normal(size=6)
Z, T = standardised(X), standardised(Y)
LENGTH, NOISE_LENGTH, AMPLITUDE = 0.9, 1.4, 0.6
GRAM = np.exp(-0.5 * (cdist(Z, Z) / LENGTH) ** 2) + 1e-10 * np.eye(6)


def _model(amplitude):
    head = noise.LatentGP(RBF(NOISE_LENGTH, amplitude**2))
    return GaussianProcess(RBF(LENGTH), head)


def _standard_evidence(model):
    return fixed(model, X, Y).log_evidence + len(Y) * np.log(Y.std())


def _prior(amplitude):
    """Covariance of log σ² at the rows: 2² of the constant, and that of 2 g."""
    shape = np.exp(-0.5 * (cdist(Z, Z) / NOISE_LENGTH) ** 2)
    return 4.0 + 4 * amplitude**2 * (shape + 1e-10 * np.eye(6))


def _bound(mean, covariance, prior):
    """Eq. 4 of Lázaro-Gredilla and Titsias, over the values of log σ² at the rows."""
    variance = np.exp(mean - 0.5 * np.diag(covariance))
    evidence = multivariate_normal(np.zeros(6), GRAM + np.diag(variance)).logpdf(T)
    precision = np.linalg.inv(prior)
    log_ratio = np.linalg.slogdet(prior)[1] - np.linalg.slogdet(covariance)[1]
    square = (mean + 2) @ precision @ (mean + 2) + np.trace(precision @ covariance)
    return evidence - 0.25 * np.trace(covariance) - 0.5 * (square - 6 + log_ratio)


def test_evidence_is_the_maximum_of_the_bound():
    prior = _prior(AMPLITUDE)
    root = np.linalg.cholesky(prior)

    def loss(vector):
        mean, residual = -2 + root @ vector[:6], np.exp(vector[6:])
        inner = np.linalg.inv(np.eye(6) + root.T * residual @ root)
        return -_bound(mean, root @ inner @ root.T, prior)

    start = np.concatenate([np.zeros(6), np.full(6, np.log(0.5))])
    best = minimize(loss, start, method="BFGS")
    evidence = _standard_evidence(_model(AMPLITUDE))
    np.testing.assert_allclose(evidence, -best.fun, atol=1e-3)
    assert evidence > -best.fun - 1e-6


@pytest.mark.parametrize("amplitude", [1e-4, AMPLITUDE])
def test_evidence_is_slightly_below_the_integral(amplitude):
    draws = np.random.default_rng(0).normal(size=(20_000, 7))
    prior_root = np.linalg.cholesky(_prior(amplitude))
    log_noise = -2 + draws[:, :6] @ prior_root.T
    covariance = GRAM + np.exp(log_noise)[:, :, None] * np.eye(6)
    factor = np.linalg.cholesky(covariance)
    solved = np.linalg.solve(factor, np.broadcast_to(T[:, None], (20_000, 6, 1)))
    half_log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    log_likelihood = -0.5 * np.sum(solved**2, (1, 2)) - half_log_det
    exact = logsumexp(log_likelihood - 3 * np.log(2 * np.pi)) - np.log(20_000)
    evidence = _standard_evidence(_model(amplitude))
    # With six rows for seven weights, the gap of the bound is at its largest.
    assert exact - 0.8 < evidence < exact + 0.02


HEADS = {
    "latent": noise.LatentGP(),
    "sum": noise.Known() + noise.LogLinear() + noise.LatentGP(features=[0]),
}


def _problem(head):
    """Flat hyper-parameters, the function that restores them, and data for `log_joint`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2))[rng.integers(0, 15, 20)]
    y = x[:, 0] + np.exp(x[:, 1]) * rng.normal(size=20)
    known = rng.uniform(0.1, 0.5, 20) if head.uses_known() else None
    data = Dataset(x, y, noise_variance=known)
    _, rows = prepare(data, head)
    distinct = find_distinct(rows)
    kernel, bound_head = bound((RBF(), head), data)
    bound_head = choose_inducing_points(bound_head, np.asarray(distinct.x))
    parameters, weights, constants = split(bound_head)
    flat, unravel = ravel_pytree((kernel, parameters))
    return flat, unravel, (rows, distinct, eqx.combine(weights, constants))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_gradient_of_the_log_joint_equals_finite_differences(head):
    flat, unravel, problem = _problem(head)

    @jax.jit
    @jax.value_and_grad
    def density(vector):
        return log_joint(unravel(vector), problem, 1e-9)

    steps = 1e-4 * np.eye(len(flat))
    values = [[density(flat + sign * h)[0] for sign in (1, -1)] for h in steps]
    expected = -np.diff(values, axis=1)[:, 0] / 2e-4
    np.testing.assert_allclose(density(flat)[1], expected, rtol=1e-5, atol=1e-5)


def test_a_warm_start_continues_from_the_last_weights():
    flat, unravel, problem = _problem(HEADS["latent"])
    density = jax.jit(
        lambda vector, data: warm_started_log_joint(unravel(vector), data)
    )
    accurate = jax.jit(lambda vector: log_joint(unravel(vector), problem, 1e-9))
    first, last_data = density(flat, problem)
    again, next_data = density(flat, last_data)
    exact = accurate(flat)
    # The warm start is at least as accurate.
    np.testing.assert_allclose(first, exact, atol=1e-4)
    assert abs(again - exact) <= abs(first - exact)
    np.testing.assert_allclose(next_data[2].weights, last_data[2].weights, atol=1e-3)
    assert np.max(np.abs(last_data[2].weights)) > 0.1


def test_noise_has_its_prior_variance_far_from_the_data():
    head = _model(AMPLITUDE).noise.bind(["x0"])
    head = choose_inducing_points(head, Z)
    basis = head._basis(jnp.array([[100.0], [0.0]]))
    # The constant and g: 2² + (2 · 0.6)² everywhere.
    np.testing.assert_allclose(jnp.sum(basis**2, axis=1), 4 + 1.2**2, rtol=1e-9)
