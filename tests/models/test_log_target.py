"""The transform `Log` of a dataset is equivalent to a dataset of logarithms."""

import numpy as np
import pytest

from battprob import transforms
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known
from tests.models.gaussian import fixed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
LIFE = np.exp(6.5 + 0.4 * X[:, 0] + 0.1 * RNG.normal(size=20))
NEW = RNG.normal(size=(8, 2))


@pytest.mark.parametrize("kind", [BayesianLinear, GaussianProcess])
def test_transform_of_life_is_equivalent_to_log_life(kind, key):
    transformed = fixed(kind(), X, LIFE, transform=transforms.Log())
    of_logarithms = fixed(kind(), X, np.log(LIFE))
    pred, log_pred = transformed.predict(NEW), of_logarithms.predict(NEW)
    p = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(pred.quantile(p), np.exp(log_pred.quantile(p)))
    new_life = np.exp(log_pred.mean + 0.1)
    expected = log_pred.log_prob(np.log(new_life)) - np.log(new_life)
    np.testing.assert_allclose(pred.log_prob(new_life), expected)
    expected = of_logarithms.log_evidence - np.log(LIFE).sum()
    np.testing.assert_allclose(transformed.log_evidence, expected)
    draws, log_draws = (
        posterior.sample_functions(NEW, key=key, num=3)
        for posterior in (transformed, of_logarithms)
    )
    np.testing.assert_allclose(draws, np.exp(log_draws))
    lives = np.exp(log_pred.sample(key=key, num=20_000))
    np.testing.assert_allclose(pred.mean, lives.mean(0), rtol=0.01)
    np.testing.assert_allclose(pred.variance, lives.var(0), rtol=0.1)


def test_measured_variances_are_variances_of_log_life():
    known = np.full(20, 0.1**2)
    model = BayesianLinear(Known() + Constant())
    posterior = fixed(model, X, LIFE, noise_variance=known, transform=transforms.Log())
    with_error = posterior.predict(NEW, noise_variance=np.full(8, 0.3**2))
    without = posterior.predict(NEW)
    added = with_error.noise_variance - without.noise_variance
    np.testing.assert_allclose(added, 0.3**2)
