"""Risk-averse acquisitions use the mean less a multiple of the noise deviation."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from battprob import Dataset, Predictive, design, noise
from battprob.design.risk import UtilityPosterior
from battprob.inference import Laplace
from battprob.models import BayesianLinear, GaussianProcess
from battprob.models.base import FunctionMoments

KEY = jax.random.key(0)
X = np.linspace(0, 1, 16)[:, None]
NEW = np.linspace(0.02, 0.98, 8)[:, None]


@functools.cache
def posterior():
    """A mean that increases with x, and noise that increases faster."""
    rng = np.random.default_rng(0)
    x = np.repeat(X, 8, axis=0)
    y = x[:, 0] + (0.02 + 1.5 * x[:, 0]) * rng.normal(size=128)
    return GaussianProcess(noise=noise.LogLinear()).fit(Dataset(x, y), key=KEY)


@eqx.filter_jit
def moments_and_prediction(utility, x):
    """Both in one program; operation by operation there are a hundred."""
    return utility.function_moments(x, x), utility.predict(x)


@eqx.filter_jit
def values_of(acquisition, fitted, x):
    return acquisition.values(fitted, x)


def test_confidence_bound_of_the_utility():
    pred = posterior().predict(NEW)
    sd = np.sqrt(np.asarray(pred.noise_variance[:, 0]))
    weight = np.exp(np.asarray(pred.log_weight[:, 0]))
    utility = np.asarray(pred.location[:, 0]) - 1.5 * sd
    mean = np.sum(weight * utility, axis=0)
    second = np.asarray(pred.function_variance[:, 0]) + (utility - mean) ** 2
    expected = mean + 2 * np.sqrt(np.sum(weight * second, axis=0))
    values = design.RiskAverse(design.UCB(2.0), 1.5)(posterior(), NEW)
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_risk_aversion_may_change_the_choice():
    mean = design.UCB(0.0)(posterior(), NEW)
    averse = design.RiskAverse(design.UCB(0.0), 1.0)(posterior(), NEW)
    neutral = design.RiskAverse(design.UCB(0.0), 0.0)(posterior(), NEW)
    assert np.argmax(mean) > 4
    assert np.argmax(averse) < 4
    np.testing.assert_allclose(neutral, mean, rtol=1e-12)


def test_value_at_risk_is_the_quantile_of_outcomes_given_the_function():
    acquisition = design.RiskAverse.value_at_risk(design.UCB(0.0), 0.1)
    pred = posterior().predict(NEW)
    sd = np.sqrt(np.asarray(pred.noise_variance[:, 0]))
    weight = np.exp(np.asarray(pred.log_weight[:, 0]))
    expected = np.asarray(pred.mean) + norm.ppf(0.1) * np.sum(weight * sd, axis=0)
    np.testing.assert_allclose(acquisition(posterior(), NEW), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        design.RiskAverse.value_at_risk(design.UCB(0.0), 5.0)


def test_joint_moments_of_the_utility_agree_with_its_predictions():
    x = jnp.asarray(NEW)
    models = {
        "process": posterior(),
        "effects": BayesianLinear(
            random_effects=True, inference=Laplace(num_draws=8)
        ).fit(Dataset(X, X[:, 0], groups=np.arange(16) % 4), key=KEY),
    }
    for fitted in models.values():
        utility = UtilityPosterior(fitted, 1.0)
        moments, pred = moments_and_prediction(utility, x)
        weight = np.exp(np.asarray(moments.log_weight))
        np.testing.assert_allclose(
            weight @ np.asarray(moments.mean), pred.mean, rtol=1e-6
        )
        diagonal = np.diagonal(np.asarray(moments.covariance), axis1=1, axis2=2)
        np.testing.assert_allclose(diagonal, moments.variance, rtol=1e-6, atol=1e-12)


def test_the_utility_is_uncertain_where_the_noise_is():
    far = np.array([[0.5], [3.0]])
    pred = UtilityPosterior(posterior(), 1.0).predict(far)
    assert pred.epistemic[1] > posterior().predict(far).epistemic[1]


class FakePosterior(eqx.Module):
    """Two draws of a function, and noise nodes of each, in any order of the draws."""

    function_draws: jax.Array
    log_noise: jax.Array

    def predict(self, x):
        moments = self.function_moments(x, x)
        draws = self.function_draws
        noise = jnp.exp(self.log_noise[:, None] + x[:, 0][None])
        weight = jnp.full((len(draws), 1, len(x)), -np.log(len(draws)))
        return Predictive(
            moments.mean[draws][:, None],
            noise[:, None],
            moments.variance[draws][:, None],
            weight,
        )

    def function_moments(self, x, reference):
        frequency = jnp.array([2.0, 5.0])[:, None]
        mean = jnp.sin(frequency * x[:, 0][None])
        variance = jnp.array([0.5, 0.1])[:, None] * jnp.ones_like(mean)
        covariance = variance[:, :, None] * jnp.ones((1, 1, len(reference)))
        return FunctionMoments(mean, variance, covariance, jnp.log(jnp.full(2, 0.5)))


def test_the_order_of_draws_does_not_matter():
    draws, log_noise = np.array([0, 0, 1, 1]), np.array([0.0, -1.0, 0.3, -2.0])
    order = np.array([2, 0, 3, 1])
    x = jnp.asarray(NEW)
    acquisition = design.RiskAverse(design.UCB(1.0), 0.7)
    values = [
        values_of(acquisition, FakePosterior(draws[index], log_noise[index]), x)
        for index in (np.arange(4), order)
    ]
    np.testing.assert_allclose(*values, rtol=1e-12)
    # Reference: the mixture of all four draws.
    pred = FakePosterior(draws, log_noise).predict(x)
    location, noise_variance, function_variance = (
        np.asarray(a)[:, 0]
        for a in (pred.location, pred.noise_variance, pred.function_variance)
    )
    utility = location - 0.7 * np.sqrt(noise_variance)
    variance = function_variance.mean(0) + utility.var(0)
    expected = utility.mean(0) + np.sqrt(variance)
    np.testing.assert_allclose(values[0], expected, rtol=1e-12)
