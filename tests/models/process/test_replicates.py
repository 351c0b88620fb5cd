"""Pooled replicates give the results of dense algebra over all rows."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import cdist

from battprob import Dataset, noise
from battprob.kernels import RBF
from battprob.models import GaussianProcess
from tests.models.gaussian import dense, fixed, standardised

RNG = np.random.default_rng(0)
DISTINCT = RNG.normal(size=(9, 2))
INDICES = RNG.permutation(np.repeat(np.arange(9), [1, 1, 2, 3, 3, 4, 5, 1, 4]))
X = DISTINCT[INDICES]
NUM = len(X)
Y = 10 * np.sin(X[:, 0]) + RNG.normal(size=NUM)
NEW = RNG.normal(size=(8, 2))
UNIT = Y.std()
Z, T = standardised(X), standardised(Y)
NEW_Z = (NEW - X.mean(0)) / X.std(0)
LENGTH, VARIANCE = 0.8, 0.3


def gram(a, b):
    return np.exp(-0.5 * (cdist(a, b) / LENGTH) ** 2)


def _model(head):
    return GaussianProcess(RBF([LENGTH, LENGTH]), head)


def _constant():
    return eqx.tree_at(lambda h: h.log_variance, noise.Constant(), jnp.log(VARIANCE))


def _check(posterior, variances):
    evidence, mean, variance = dense(gram, variances, Z, T, NEW_Z)
    pred = posterior.predict(NEW)
    expected = evidence - NUM * np.log(UNIT)
    np.testing.assert_allclose(posterior.log_evidence, expected, rtol=1e-8)
    np.testing.assert_allclose(pred.mean, Y.mean() + UNIT * mean, rtol=1e-8)
    np.testing.assert_allclose(pred.epistemic, UNIT**2 * variance, rtol=1e-8)


def test_equal_noise():
    posterior = fixed(_model(_constant()), X, Y)
    _check(posterior, np.full(NUM, VARIANCE))
    assert posterior.solution.factor.shape == (1, 16, 16)


def test_measured_variances_that_differ_between_replicates():
    known = RNG.uniform(0.1, 5.0, NUM)
    posterior = fixed(_model(noise.Known() + _constant()), X, Y, noise_variance=known)
    _check(posterior, known / UNIT**2 + VARIANCE)


def test_uncertainty_of_the_noise_variance_equals_that_without_pooling():
    inverse = np.linalg.inv(gram(Z, Z) + VARIANCE * np.eye(NUM))
    information = 0.5 * VARIANCE**2 * np.sum(inverse**2)
    std = (information + 1 / 2.0**2) ** -0.5
    node, weight = np.polynomial.hermite_e.hermegauss(3)
    expected = UNIT**2 * VARIANCE * (weight / weight.sum()) @ np.exp(std * node)
    pred = fixed(_model(_constant()), X, Y).predict(NEW)
    np.testing.assert_allclose(pred.aleatoric, expected, rtol=1e-8)


def test_conditioning_on_replicates_adds_no_distinct_row():
    posterior = fixed(_model(_constant()), X, Y)
    grown = posterior.condition(Dataset(X[:3], Y[:3] + 1.0))
    assert grown.solution.factor.shape == posterior.solution.factor.shape
