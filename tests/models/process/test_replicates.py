"""Replicates are pooled exactly: all is as with one site a row, at the cost of the sites."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import cdist

from battprob import Dataset, noise
from battprob.kernels import RBF
from battprob.models import GaussianProcess
from tests.models.gaussian import dense, fixed, standardised

RNG = np.random.default_rng(0)
SITES = RNG.normal(size=(9, 2))
SITE_OF_ROW = RNG.permutation(np.repeat(np.arange(9), [1, 1, 2, 3, 3, 4, 5, 1, 4]))
X = SITES[SITE_OF_ROW]
NUM = len(X)
Y = 10 * np.sin(X[:, 0]) + RNG.normal(size=NUM)
NEW = RNG.normal(size=(8, 2))
UNIT = Y.std()
Z, T = standardised(X), standardised(Y)
NEW_Z = (NEW - X.mean(0)) / X.std(0)
LENGTH, LEVEL = 0.8, 0.3


def gram(a, b):
    return np.exp(-0.5 * (cdist(a, b) / LENGTH) ** 2)


def _model(head):
    return GaussianProcess(RBF([LENGTH, LENGTH]), head)


def _constant():
    return eqx.tree_at(lambda h: h.log_variance, noise.Constant(), jnp.log(LEVEL))


def _check(posterior, variances):
    evidence, mean, variance = dense(gram, variances, Z, T, NEW_Z)
    pred = posterior.predict(NEW)
    expected = evidence - NUM * np.log(UNIT)
    np.testing.assert_allclose(posterior.log_evidence, expected, rtol=1e-8)
    np.testing.assert_allclose(pred.mean, Y.mean() + UNIT * mean, rtol=1e-8)
    np.testing.assert_allclose(pred.epistemic, UNIT**2 * variance, rtol=1e-8)


def test_equal_noise():
    posterior = fixed(_model(_constant()), X, Y)
    _check(posterior, np.full(NUM, LEVEL))
    assert posterior.solution.factor.shape == (1, 16, 16)


def test_measured_variances_that_differ_inside_a_site():
    known = RNG.uniform(0.1, 5.0, NUM)
    posterior = fixed(_model(noise.Known() + _constant()), X, Y, noise_variance=known)
    _check(posterior, known / UNIT**2 + LEVEL)


def test_the_level_of_the_noise_is_as_uncertain_as_without_pooling():
    inverse = np.linalg.inv(gram(Z, Z) + LEVEL * np.eye(NUM))
    information = 0.5 * LEVEL**2 * np.sum(inverse**2)
    spread = (information + 1 / 2.0**2) ** -0.5
    node, weight = np.polynomial.hermite_e.hermegauss(3)
    expected = UNIT**2 * LEVEL * (weight / weight.sum()) @ np.exp(spread * node)
    pred = fixed(_model(_constant()), X, Y).predict(NEW)
    np.testing.assert_allclose(pred.aleatoric, expected, rtol=1e-8)


def test_conditioning_on_old_sites_adds_none():
    posterior = fixed(_model(_constant()), X, Y)
    grown = posterior.condition(Dataset(X[:3], Y[:3] + 1.0))
    assert grown.solution.factor.shape == posterior.solution.factor.shape
