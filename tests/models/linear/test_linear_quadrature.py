"""The quadrature over two hyper-parameters agrees with a fine grid and with a sampler."""

import jax
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.linear_model import BayesianRidge

from battprob import Dataset, noise
from battprob.inference import NUTS
from battprob.models import BayesianLinear
from tests.models.gaussian import fixed, standardised

RNG = np.random.default_rng(0)
NUM = 12
X = RNG.normal(size=(NUM, 3))
Y = X[:, 0] - 0.5 * X[:, 1] + RNG.normal(size=NUM)
NEW = RNG.normal(size=(4, 3))
Z, T, SCALE = standardised(X), standardised(Y), Y.std()


@pytest.fixture(scope="module")
def posterior():
    return BayesianLinear().fit(Dataset(X, Y), key=jax.random.key(0))


def _dense(z_tau, log_noise):
    covariance = 1 + np.exp(1.5 * z_tau) * Z @ Z.T / 3 + np.exp(log_noise) * np.eye(NUM)
    return multivariate_normal(np.zeros(NUM), covariance).logpdf(T)


@pytest.fixture(scope="module")
def grid():
    """A fine grid of both hyper-parameters, and the log posterior mass of its nodes."""
    z_tau, log_noise = np.meshgrid(np.linspace(-5, 5, 61), np.linspace(-6, 4, 81))
    z_tau, log_noise = z_tau.ravel(), log_noise.ravel()
    nodes = zip(z_tau, log_noise, strict=True)
    evidence = np.array([_dense(*node) for node in nodes])
    prior = norm.logpdf(z_tau) + norm.logpdf(log_noise, -2, 2)
    return z_tau, log_noise, evidence + prior + np.log(10 / 60 * 10 / 80)


def test_evidence_is_the_marginal_likelihood(posterior, grid):
    expected = logsumexp(grid[2]) - NUM * np.log(SCALE)
    assert float(posterior.log_evidence) == pytest.approx(expected, abs=5e-3)


def test_posterior_of_hyper_parameters_agrees_with_a_fine_grid(posterior, grid):
    z_tau, log_noise, log_mass = grid
    expected = np.exp(log_mass - logsumexp(log_mass))
    weight = np.exp(np.asarray(posterior.log_weight))
    assert weight.sum() == pytest.approx(1.0)
    parameters = posterior.parameters
    for value, nodes in (
        (z_tau, parameters.prior.z_tau),
        (np.exp(log_noise), np.exp(parameters.noise.log_variance)),
    ):
        mean = expected @ value
        sd = (expected @ (value - mean) ** 2) ** 0.5
        assert weight @ nodes == pytest.approx(mean, abs=0.02 * sd)
        node_sd = (weight @ (nodes - weight @ nodes) ** 2) ** 0.5
        assert node_sd == pytest.approx(sd, rel=0.05)
    aleatoric = SCALE**2 * expected @ np.exp(log_noise)
    np.testing.assert_allclose(posterior.predict(NEW).aleatoric, aleatoric, rtol=0.02)


def test_sampler_agrees_with_quadrature(posterior, key):
    sampler = NUTS(num_samples=2000, num_warmup=200)
    sampled = BayesianLinear(inference=sampler).fit(Dataset(X, Y), key=key)
    ours, theirs = posterior.predict(NEW), sampled.predict(NEW)
    error = (theirs.mean - ours.mean) / ours.epistemic**0.5
    assert np.all(np.abs(error) < 0.05)
    np.testing.assert_allclose(theirs.aleatoric, ours.aleatoric, rtol=0.08)
    np.testing.assert_allclose(theirs.epistemic, ours.epistemic, rtol=0.15)


def test_maximum_of_the_evidence_is_that_of_bayesian_ridge():
    """Assert that scikit-learn, with flat hyper-priors, maximises the same evidence.

    Its intercept has no prior; ours has a unit prior, which does not matter for centred
    targets.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -0.5, 0.2] + 0.5 * rng.normal(size=200)
    z, t = standardised(x), standardised(y)
    peer = BayesianRidge(tol=1e-12, max_iter=5000, alpha_1=0, alpha_2=0)
    peer = peer.set_params(lambda_1=0, lambda_2=0).fit(z, t)

    # In the eigenbasis of z zᵀ the targets are independent.
    basis, sizes, _ = np.linalg.svd(z)
    eigenvalues, rotated = np.append(sizes, np.zeros(197)) ** 2, basis.T @ t

    def cost(sds):
        variance = sds[0] ** 2 * eigenvalues + sds[1] ** 2
        # The intercept of the peer uses one degree of freedom of the noise.
        log_density = norm.logpdf(rotated, 0.0, np.sqrt(variance)).sum()
        return -(log_density + np.log(abs(sds[1])))

    best = minimize(cost, [0.5, 0.5], method="Nelder-Mead", options={"xatol": 1e-6}).x
    assert best[0] ** 2 == pytest.approx(1 / peer.lambda_, rel=0.01)
    assert best[1] ** 2 == pytest.approx(1 / peer.alpha_, rel=0.01)


@pytest.mark.parametrize("num_features", [3, 40], ids=["tall", "wide"])
def test_compressed_rows_have_the_same_likelihood(num_features):
    x = RNG.normal(size=(20, num_features))
    y = x[:, 0] + RNG.normal(size=20)
    # Known variances of zero change nothing, but rows with them are not compressed.
    known = noise.Known() + noise.Constant()
    compressed = fixed(BayesianLinear(), x, y)
    full = fixed(BayesianLinear(known), x, y, noise_variance=np.zeros(20))
    np.testing.assert_allclose(compressed.log_evidence, full.log_evidence)
    ours, theirs = compressed.predict(x), full.predict(x)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-7)
    np.testing.assert_allclose(ours.epistemic, theirs.epistemic, rtol=1e-7)


def test_labels_with_a_known_variance_of_zero_are_interpolated(key):
    y = 2 * X[:, 0] - X[:, 2] + 7
    data = Dataset(X, y, noise_variance=np.zeros(NUM))
    pred = BayesianLinear(noise.Known()).fit(data, key=key).predict(NEW)
    np.testing.assert_allclose(pred.mean, 2 * NEW[:, 0] - NEW[:, 2] + 7, atol=1e-4)
    assert np.all(np.isfinite(pred.epistemic))
    assert np.all(pred.aleatoric == 0)
