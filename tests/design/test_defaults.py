"""The model of those who name none finds a signal in few noisy results."""

import jax
import numpy as np
import pytest
from scipy.stats import norm, qmc

from battprob import Dataset
from battprob.design import default_model
from battprob.kernels import Matern52
from battprob.models import GaussianProcess
from battprob.noise import Constant, LogLinear


@pytest.fixture(scope="module")
def few_results():
    """Ten noisy results in six dimensions, two of them on the flank of a peak."""
    x = qmc.Sobol(6, seed=3).random(16)[:10]
    peak = 0.5 * (x[0] + x[1])
    height = 3 * np.exp(-2 * np.sum((x - peak) ** 2, axis=1))
    y = height + 0.33 * np.random.default_rng(0).normal(size=10)
    return Dataset(x, y)


def _span(posterior):
    """Largest less smallest posterior mean of the rows, in deviations of the results."""
    mean = np.asarray(posterior.predict(posterior.dataset.x).mean)
    return np.ptp(mean) / np.std(posterior.dataset.y)


def test_few_results_are_not_all_noise(few_results):
    key = jax.random.key(0)
    believed = _span(default_model().fit(few_results, key=key))
    wary = _span(GaussianProcess().fit(few_results, key=key))
    assert believed > 1.5
    assert wary < 0.5 * believed


def test_results_of_pure_noise_are_found_to_be_noise_once_they_are_many():
    rng = np.random.default_rng(1)
    data = Dataset(rng.uniform(size=(120, 2)), rng.normal(size=120))
    assert _span(default_model().fit(data, key=jax.random.key(0))) < 0.6


def test_results_from_a_good_corner_do_not_make_all_the_rest_look_good():
    """Assert that what lies far off is taken for the level, not for the mean of results."""
    rng = np.random.default_rng(2)
    good = 1 - 0.05 * rng.uniform(size=(30, 2))
    x = np.concatenate([good, rng.uniform(0, 0.7, size=(6, 2))])
    y = np.where(x[:, 0] > 0.9, 1.0, 0.0) + 0.02 * rng.normal(size=36)
    data, key = Dataset(x, y), jax.random.key(0)
    far = default_model().fit(data, key=key).predict(np.array([[-9.0, 9.0]])).mean[0]
    model = GaussianProcess(Matern52(log_variance_prior_std=1.0), Constant(prior_mean=-4.0))
    naive = model.fit(data, key=key).predict(np.array([[-9.0, 9.0]])).mean[0]
    assert abs(far - 0.5) < 0.15
    assert naive > far + 0.1


def test_priors_are_the_ones_that_are_named():
    names = ["a", "b"]
    wide, narrow = (
        Matern52(log_variance_prior_std=spread).bind(names).log_prior() for spread in (2.0, 0.5)
    )
    expected = norm.logpdf(0, 0, 2.0) - norm.logpdf(0, 0, 0.5)
    np.testing.assert_allclose(wide - narrow, expected, rtol=1e-12)
    level = Constant(prior_mean=-4.0, prior_std=1.0).log_prior()
    np.testing.assert_allclose(level, norm.logpdf(0), rtol=1e-12)
    varying = LogLinear(prior_mean=-4.0, prior_std=1.0).bind(names)
    slopes = varying.log_prior() - norm.logpdf(0)
    np.testing.assert_allclose(slopes, 2 * norm.logpdf(0, 0, 0.5**0.5), rtol=1e-12)
