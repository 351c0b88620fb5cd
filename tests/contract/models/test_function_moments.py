"""The moments of the function agree with predictions and with joint draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset
from battprob.models import BayesianLinear, BayesianLogistic, GaussianProcess
from tests.contract.models import zoo

# Models whose posterior is an `AbstractGaussianPosterior`.
GAUSSIAN = (BayesianLinear, GaussianProcess)
each_model = pytest.mark.parametrize(
    "name",
    [name for name, model in zoo.MODELS.items() if isinstance(model, GAUSSIAN)],
)
X = jnp.asarray(zoo.ROWS)


@functools.cache
def joint_moments(name):
    """Moments of the function at all rows, and the covariances of these rows."""
    return jax.tree.map(np.asarray, zoo.fitted(name).function_moments(X, X))


@each_model
def test_marginal_moments_equal_those_of_predict(name):
    posterior = zoo.fitted(name)
    moments = joint_moments(name)
    pred = posterior.predict(X)
    weight = np.exp(moments.log_weight)[:, None]
    mean = np.sum(weight * moments.mean, axis=0)
    square = moments.variance + (moments.mean - mean) ** 2
    np.testing.assert_allclose(mean, pred.mean, rtol=1e-9)
    np.testing.assert_allclose(np.sum(weight * square, axis=0), pred.epistemic)
    diagonal = np.diagonal(moments.covariance, axis1=1, axis2=2)
    size = np.max(np.asarray(moments.variance))
    np.testing.assert_allclose(diagonal, moments.variance, atol=1e-9 * size)


@each_model
def test_reference_points_give_the_moments_of_their_rows(name):
    posterior = zoo.fitted(name)
    plain = joint_moments(name)
    cached = posterior.function_moments(X, posterior.reference_points(X))
    size = np.max(plain.variance)
    for expected, actual in zip(plain, cached, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * size)


@each_model
def test_function_draws_map_draws_of_predict_to_functions(name):
    posterior = zoo.fitted(name)
    moments = posterior.function_moments(X, X[:0])
    pred, draws = posterior.predict(X), np.asarray(posterior.function_draws)
    assert draws.shape == (len(pred.location),)
    np.testing.assert_allclose(
        pred.function_variance[:, 0], moments.variance[draws], rtol=1e-9
    )


@each_model
def test_covariances_equal_those_of_joint_draws(name):
    moments = joint_moments(name)
    weight = np.exp(moments.log_weight)
    mean = moments.mean - np.sum(weight[:, None] * moments.mean, axis=0)
    expected = np.einsum("s,sma->ma", weight, moments.covariance)
    expected += np.einsum("s,sm,sa->ma", weight, mean, mean)
    covariance = np.cov(zoo.draws(name).T)
    sd = np.sqrt(np.diagonal(covariance))
    error = (covariance - expected) / np.outer(sd, sd)
    assert np.all(np.abs(error[:3, 12:14]) < 0.03)


def test_more_columns_than_rows():
    """Assert the moments in the branch of linear models for more columns than rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 20))
    posterior = BayesianLinear().fit(Dataset(x, x[:, 0]), key=jax.random.key(0))
    new = jnp.asarray(rng.normal(size=(8, 20)))
    moments = posterior.function_moments(new, new)
    diagonal = np.diagonal(moments.covariance, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, moments.variance, rtol=1e-9)
    np.testing.assert_allclose(
        moments.covariance, np.swapaxes(moments.covariance, 1, 2), atol=1e-12
    )


def test_a_classifier_has_no_function_moments():
    assert not hasattr(BayesianLogistic, "function_moments")
