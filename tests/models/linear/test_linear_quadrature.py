"""With two hyper-parameters all is closed form but for a quadrature, which is accurate."""

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
Z, T, UNIT = standardised(X), standardised(Y), Y.std()


@pytest.fixture(scope="module")
def posterior():
    return BayesianLinear().fit(Dataset(X, Y), key=jax.random.key(0))


def _dense(level, log_noise):
    covariance = 1 + np.exp(1.5 * level) * Z @ Z.T / 3 + np.exp(log_noise) * np.eye(NUM)
    return multivariate_normal(np.zeros(NUM), covariance).logpdf(T)


@pytest.fixture(scope="module")
def grid():
    """A fine and wide grid: level, log noise, log of the mass."""
    level, log_noise = np.meshgrid(np.linspace(-5, 5, 61), np.linspace(-6, 4, 81))
    level, log_noise = level.ravel(), log_noise.ravel()
    evidence = np.array([_dense(*at) for at in zip(level, log_noise, strict=True)])
    prior = norm.logpdf(level) + norm.logpdf(log_noise, -2, 2)
    return level, log_noise, evidence + prior + np.log(10 / 60 * 10 / 80)


def test_evidence_is_the_marginal_likelihood(posterior, grid):
    expected = logsumexp(grid[2]) - NUM * np.log(UNIT)
    assert float(posterior.log_evidence) == pytest.approx(expected, abs=5e-3)


def test_noise_and_scale_are_averaged_as_a_fine_grid_does(posterior, grid):
    level, log_noise, log_mass = grid
    weight = np.exp(log_mass - logsumexp(log_mass))
    own = np.exp(np.asarray(posterior.log_weight))
    assert own.sum() == pytest.approx(1.0)
    found = posterior.parameters
    for value, nodes in (
        (level, found.prior.z_tau),
        (np.exp(log_noise), np.exp(found.noise.log_variance)),
    ):
        mean = weight @ value
        sd = (weight @ (value - mean) ** 2) ** 0.5
        assert own @ nodes == pytest.approx(mean, abs=0.02 * sd)
        assert (own @ (nodes - own @ nodes) ** 2) ** 0.5 == pytest.approx(sd, rel=0.05)
    aleatoric = UNIT**2 * weight @ np.exp(log_noise)
    np.testing.assert_allclose(posterior.predict(NEW).aleatoric, aleatoric, rtol=0.02)


def test_draws_of_the_same_posterior_agree(posterior, key):
    sampler = NUTS(num_samples=2000, num_warmup=200)
    drawn = BayesianLinear(inference=sampler).fit(Dataset(X, Y), key=key)
    ours, theirs = posterior.predict(NEW), drawn.predict(NEW)
    error = (theirs.mean - ours.mean) / ours.epistemic**0.5
    assert np.all(np.abs(error) < 0.05)
    np.testing.assert_allclose(theirs.aleatoric, ours.aleatoric, rtol=0.08)
    np.testing.assert_allclose(theirs.epistemic, ours.epistemic, rtol=0.15)


def test_the_best_evidence_is_where_bayesian_ridge_stops():
    """It maximises the evidence in both precisions, with an intercept left free.

    With flat hyper-priors the fixed point of its updates is the mode of our evidence;
    our intercept has a unit prior, which centred targets pass by.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -0.5, 0.2] + 0.5 * rng.normal(size=200)
    z, t = standardised(x), standardised(y)
    peer = BayesianRidge(tol=1e-12, max_iter=5000, alpha_1=0, alpha_2=0)
    peer = peer.set_params(lambda_1=0, lambda_2=0).fit(z, t)

    # In the basis of z zᵀ the targets are independent.
    basis, sizes, _ = np.linalg.svd(z)
    spread, turned = np.append(sizes, np.zeros(197)) ** 2, basis.T @ t

    def cost(at):
        variance = at[0] ** 2 * spread + at[1] ** 2
        # Without an intercept one row less is left to tell the noise.
        centred = norm.logpdf(turned, 0.0, np.sqrt(variance)).sum()
        return -(centred + np.log(abs(at[1])))

    best = minimize(cost, [0.5, 0.5], method="Nelder-Mead", options={"xatol": 1e-6}).x
    assert best[0] ** 2 == pytest.approx(1 / peer.lambda_, rel=0.01)
    assert best[1] ** 2 == pytest.approx(1 / peer.alpha_, rel=0.01)


@pytest.mark.parametrize("num_features", [3, 40], ids=["tall", "wide"])
def test_compressed_rows_have_the_same_likelihood(num_features):
    x = RNG.normal(size=(20, num_features))
    y = x[:, 0] + RNG.normal(size=20)
    # Two equal halves of the noise are as one, but are not compressed.
    halves = noise.Known() + noise.Constant()
    plain = fixed(BayesianLinear(), x, y)
    apart = fixed(BayesianLinear(halves), x, y, noise_variance=np.zeros(20))
    np.testing.assert_allclose(plain.log_evidence, apart.log_evidence)
    for one, other in zip(
        (plain.predict(x).mean, plain.predict(x).epistemic),
        (apart.predict(x).mean, apart.predict(x).epistemic),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def test_exact_labels_are_taken_at_their_word(key):
    """Measured variances of nought divide by nothing."""
    y = 2 * X[:, 0] - X[:, 2] + 7
    data = Dataset(X, y, noise_variance=np.zeros(NUM))
    pred = BayesianLinear(noise.Known()).fit(data, key=key).predict(NEW)
    np.testing.assert_allclose(pred.mean, 2 * NEW[:, 0] - NEW[:, 2] + 7, atol=1e-4)
    assert np.all(np.isfinite(pred.epistemic))
    assert np.all(pred.aleatoric == 0)
