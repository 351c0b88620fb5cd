"""The average over uncertain hyper-parameters equals quadrature on a grid."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm

from battprob import Dataset, noise
from battprob.inference import Laplace
from battprob.kernels import RBF
from battprob.models import BayesianLinear, GaussianProcess
from tests.models.gaussian import dense, standardised

RNG = np.random.default_rng(0)
NUM = 40
X = RNG.normal(size=(NUM, 2))
Y = X[:, 0] + 0.5 * X[:, 1] + RNG.normal(size=NUM)
NEW = RNG.normal(size=(8, 2))
Z, T, UNIT = standardised(X), standardised(Y), Y.std()
NEW_Z = (NEW - X.mean(0)) / X.std(0)


def test_linear_against_a_grid_of_scales_and_noise(key):
    log_scale, log_noise = np.meshgrid(np.linspace(-5, 6, 22), np.linspace(-2.2, 1, 25))
    log_scale, log_noise = log_scale.ravel(), log_noise.ravel()

    def dense_at(scale, variance):
        def gram(a, b):
            return 1 + scale / 2 * a @ b.T

        return dense(gram, np.full(NUM, variance), Z, T, NEW_Z)

    evidence, mean, variance = map(
        np.array, zip(*map(dense_at, np.exp(log_scale), np.exp(log_noise)), strict=True)
    )
    log_weight = (
        evidence + norm.logpdf(log_scale, 0, 1.5) + norm.logpdf(log_noise, -2, 2)
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    expected = weight @ mean
    epistemic = weight @ variance + weight @ (mean - expected) ** 2

    model = BayesianLinear(inference=Laplace(num_draws=256))
    pred = model.fit(Dataset(X, Y), key=key).predict(NEW)
    error = np.abs(pred.mean - (Y.mean() + UNIT * expected))
    assert np.all(error < 0.1 * pred.epistemic**0.5)
    aleatoric = UNIT**2 * weight @ np.exp(log_noise)
    np.testing.assert_allclose(pred.aleatoric, aleatoric, rtol=0.05)
    np.testing.assert_allclose(pred.epistemic, UNIT**2 * epistemic, rtol=0.08)


@pytest.mark.parametrize("num", [10, NUM])
def test_noise_variance_of_a_process_at_its_mode(num, key):
    data = Dataset(X[:num], Y[:num])
    posterior = GaussianProcess(RBF(ard=False), noise.Constant()).fit(data, key=key)
    length, variance = (
        np.asarray(a)[0]
        for a in (posterior.kernel.lengthscale, posterior.kernel.variance)
    )
    z, t = standardised(X[:num]), standardised(Y[:num])

    def gram(a, b):
        return variance * np.exp(-0.5 * (cdist(a, b) / length) ** 2)

    log_noise = np.linspace(-8, 3, 120)
    evidence = [dense(gram, np.full(num, v), z, t, z[:1])[0] for v in np.exp(log_noise)]
    log_weight = np.array(evidence) + norm.logpdf(log_noise, -2, 2)
    weight = np.exp(log_weight - log_weight.max())
    expected = Y[:num].var() * weight @ np.exp(log_noise) / weight.sum()
    mode = Y[:num].var() * np.exp(np.asarray(posterior.noise.log_variance)[0])
    aleatoric = posterior.predict(NEW).aleatoric
    # Laplace's approximation has a relative error of about 1/n, the mode a larger one.
    np.testing.assert_allclose(aleatoric, expected, rtol=2 / num)
    assert mode < 0.99 * aleatoric[0]
