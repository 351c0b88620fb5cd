"""A row is worth what it gives in a bad case, and what is bad is learned."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from battprob import Dataset, design, noise
from battprob.inference import Laplace
from battprob.models import BayesianLinear, GaussianProcess

KEY = jax.random.key(0)
X = np.linspace(0, 1, 16)[:, None]
NEW = np.linspace(0.02, 0.98, 8)[:, None]


@functools.cache
def posterior():
    """A mean that rises, and noise that rises faster."""
    rng = np.random.default_rng(0)
    x = np.repeat(X, 8, axis=0)
    y = x[:, 0] + (0.02 + 1.5 * x[:, 0]) * rng.normal(size=128)
    return GaussianProcess(noise=noise.LogLinear()).fit(Dataset(x, y), key=KEY)


def test_the_bound_is_of_mean_less_deviation():
    pred = posterior().predict(NEW)
    level = np.sqrt(np.asarray(pred.noise_variance[:, 0]))
    weight = np.exp(np.asarray(pred.log_weight[:, 0]))
    utility = np.asarray(pred.location[:, 0]) - 1.5 * level
    mean = np.sum(weight * utility, axis=0)
    spread = np.asarray(pred.function_variance[:, 0]) + (utility - mean) ** 2
    expected = mean + 2 * np.sqrt(np.sum(weight * spread, axis=0))
    found = design.RiskAverse(design.UCB(2.0), 1.5)(posterior(), NEW)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_risk_turns_the_choice_around():
    blind = design.UCB(0.0)(posterior(), NEW)
    averse = design.RiskAverse(design.UCB(0.0), 1.0)(posterior(), NEW)
    neutral = design.RiskAverse(design.UCB(0.0), 0.0)(posterior(), NEW)
    assert np.argmax(blind) > 4
    assert np.argmax(averse) < 4
    np.testing.assert_allclose(neutral, blind, rtol=1e-12)


def test_value_at_risk_is_the_quantile_of_outcomes_given_the_function():
    acquisition = design.RiskAverse.value_at_risk(design.UCB(0.0), 0.1)
    pred = posterior().predict(NEW)
    level = np.sqrt(np.asarray(pred.noise_variance[:, 0]))
    weight = np.exp(np.asarray(pred.log_weight[:, 0]))
    expected = np.asarray(pred.mean) + norm.ppf(0.1) * np.sum(weight * level, axis=0)
    np.testing.assert_allclose(acquisition(posterior(), NEW), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        design.RiskAverse.value_at_risk(design.UCB(0.0), 5.0)


def test_joint_laws_of_the_utility_agree_with_its_marginal_ones():
    x = jnp.asarray(NEW)
    models = {
        "process": posterior(),
        "effects": BayesianLinear(
            random_effects=True, inference=Laplace(num_draws=8)
        ).fit(Dataset(X, X[:, 0], groups=np.arange(16) % 4), key=KEY),
    }
    for own in models.values():
        utility = design.Utility(own, 1.0)
        moments, pred = utility.function_moments(x, x), utility.predict(x)
        weight = np.exp(np.asarray(moments.log_weight))
        np.testing.assert_allclose(
            weight @ np.asarray(moments.mean), pred.mean, rtol=1e-6
        )
        diagonal = np.diagonal(np.asarray(moments.covariance), axis1=1, axis2=2)
        np.testing.assert_allclose(diagonal, moments.variance, rtol=1e-6, atol=1e-12)


def test_where_the_noise_is_not_known_the_utility_is_not():
    own = posterior()
    far = np.array([[0.5], [3.0]])
    utility = design.Utility(own, 1.0)
    law = utility.predict(far)
    assert law.epistemic[1] > own.predict(far).epistemic[1]
