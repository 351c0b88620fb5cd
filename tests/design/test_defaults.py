"""The default model finds a signal in few noisy results."""

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
    """Ten noisy results in six dimensions, two of them near a peak."""
    x = qmc.Sobol(6, seed=3).random(16)[:10]
    peak = 0.5 * (x[0] + x[1])
    height = 3 * np.exp(-2 * np.sum((x - peak) ** 2, axis=1))
    y = height + 0.33 * np.random.default_rng(0).normal(size=10)
    return Dataset(x, y)


def _range_of_means(posterior):
    """Range of the posterior means at the rows, in standard deviations of the results."""
    mean = np.asarray(posterior.predict(posterior.dataset.x).mean)
    return np.ptp(mean) / np.std(posterior.dataset.y)


def test_few_results_are_not_explained_as_noise(few_results):
    key = jax.random.key(0)
    default = _range_of_means(default_model().fit(few_results, key=key))
    vague = _range_of_means(GaussianProcess().fit(few_results, key=key))
    assert default > 1.5
    assert vague < 0.5 * default


def test_many_results_of_pure_noise_are_explained_as_noise():
    rng = np.random.default_rng(1)
    data = Dataset(rng.uniform(size=(120, 2)), rng.normal(size=120))
    assert _range_of_means(default_model().fit(data, key=jax.random.key(0))) < 0.6


def test_results_from_a_good_corner_do_not_raise_the_mean_elsewhere():
    """Assert that far predictions tend to the mean of the function, not of the results."""
    rng = np.random.default_rng(2)
    good = 1 - 0.05 * rng.uniform(size=(30, 2))
    x = np.concatenate([good, rng.uniform(0, 0.7, size=(6, 2))])
    y = np.where(x[:, 0] > 0.9, 1.0, 0.0) + 0.02 * rng.normal(size=36)
    data, key = Dataset(x, y), jax.random.key(0)
    row = np.array([[-9.0, 9.0]])
    far = default_model().fit(data, key=key).predict(row).mean[0]
    model = GaussianProcess(
        Matern52(log_variance_prior_std=1.0), Constant(prior_mean=-4.0)
    )
    without_offset = model.fit(data, key=key).predict(row).mean[0]
    assert abs(far - 0.5) < 0.15
    assert without_offset > far + 0.1


def test_priors_are_those_of_the_arguments():
    names = ["a", "b"]
    wide, narrow = (
        Matern52(log_variance_prior_std=std).bind(names).log_prior()
        for std in (2.0, 0.5)
    )
    expected = norm.logpdf(0, 0, 2.0) - norm.logpdf(0, 0, 0.5)
    np.testing.assert_allclose(wide - narrow, expected, rtol=1e-12)
    constant = Constant(prior_mean=-4.0, prior_std=1.0).log_prior()
    np.testing.assert_allclose(constant, norm.logpdf(0), rtol=1e-12)
    varying = LogLinear(prior_mean=-4.0, prior_std=1.0).bind(names)
    slopes = varying.log_prior() - norm.logpdf(0)
    np.testing.assert_allclose(slopes, 2 * norm.logpdf(0, 0, 0.5**0.5), rtol=1e-12)
