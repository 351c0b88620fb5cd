"""Bayesian linear regression agrees with dense algebra and with a linear kernel."""

import numpy as np
import pytest

from battprob import noise
from battprob.kernels import Linear
from battprob.models import BayesianLinear, GaussianProcess
from tests.models.gaussian import dense, fixed, standardised

RNG = np.random.default_rng(0)
NEW = RNG.normal(size=(8, 12))
NOISE = np.exp(-2.0)  # initial noise variance


def rows(num, num_features):
    x = RNG.normal(size=(num, num_features))
    return x, 300 + 40 * x[:, 0] + 10 * RNG.normal(size=num)


@pytest.mark.parametrize(
    ("num", "num_features"), [(20, 2), (5, 12)], ids=["tall", "wide"]
)
def test_evidence_and_predictions(num, num_features):
    x, y = rows(num, num_features)
    new = NEW[:, :num_features]

    def gram(a, b):
        return 1 + a @ b.T / num_features

    known = np.linspace(1.0, 100.0, num)
    head = noise.Known() + noise.Constant()
    posterior = fixed(BayesianLinear(head), x, y, noise_variance=known)
    z, t, scale = standardised(x), standardised(y), y.std()
    new_z = (new - x.mean(0)) / x.std(0)
    evidence, mean, variance = dense(gram, known / scale**2 + NOISE, z, t, new_z)
    pred = posterior.predict(new, noise_variance=np.full(8, 25.0))
    np.testing.assert_allclose(posterior.log_evidence, evidence - num * np.log(scale))
    np.testing.assert_allclose(pred.mean, y.mean() + scale * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, scale**2 * variance, rtol=1e-7)
    np.testing.assert_allclose(pred.aleatoric, 25 + scale**2 * NOISE, rtol=1e-7)


def test_gaussian_process_with_a_linear_kernel():
    x, y = rows(20, 2)
    new = NEW[:, :2]
    linear, process = (
        fixed(model, x, y) for model in (BayesianLinear(), GaussianProcess(Linear()))
    )
    # The process has no intercept b ~ N(0, 1). As features and target are centred, b is
    # independent of the slopes a posteriori and adds its posterior variance given 20
    # targets of mean zero.
    ours, theirs = linear.predict(new), process.predict(new)
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-7)
    intercept = y.var() / (1 + 20 / NOISE)
    np.testing.assert_allclose(ours.epistemic, theirs.epistemic + intercept, rtol=1e-6)
    expected = process.log_evidence - 0.5 * np.log1p(20 / NOISE)
    np.testing.assert_allclose(linear.log_evidence, expected, rtol=1e-7)
