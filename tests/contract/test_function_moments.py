"""The moments of the function agree with predictions and with joint draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset
from battprob.models import BayesianLinear, BayesianLogistic, GaussianProcess
from tests.contract import zoo

# Models whose posterior is an `AbstractGaussianPosterior`.
GAUSSIAN = (BayesianLinear, GaussianProcess)
each_model = pytest.mark.parametrize(
    "name",
    [name for name, model in zoo.MODELS.items() if isinstance(model, GAUSSIAN)],
)
X, POINTS = map(jnp.asarray, np.split(zoo.numbers()[0], [12]))


@each_model
def test_marginal_moments_equal_those_of_predict(name):
    posterior = zoo.fitted(name)
    moments = jax.tree.map(np.asarray, posterior.function_moments(X, X))
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
    plain = posterior.function_moments(X, POINTS)
    cached = posterior.function_moments(X, posterior.reference_points(POINTS))
    size = np.max(np.asarray(plain.variance))
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
    posterior = zoo.fitted(name)
    moments, at_points = jax.tree.map(
        np.asarray,
        (
            posterior.function_moments(X[:3], POINTS[:2]),
            posterior.function_moments(POINTS[:2], X[:0]),
        ),
    )
    weight = np.exp(moments.log_weight)
    means = [
        m - np.sum(weight[:, None] * m, axis=0) for m in (moments.mean, at_points.mean)
    ]
    expected = np.einsum("s,sma->ma", weight, moments.covariance)
    expected += np.einsum("s,sm,sa->ma", weight, *means)
    rows = jnp.concatenate([X[:3], POINTS[:2]])
    draws = np.asarray(
        posterior.sample_functions(rows, key=jax.random.key(1), num=20_000)
    )
    covariance = np.cov(draws.T)
    sd = np.sqrt(np.diagonal(covariance))
    error = (covariance[:3, 3:] - expected) / np.outer(sd[:3], sd[3:])
    assert np.all(np.abs(error) < 0.03)


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
