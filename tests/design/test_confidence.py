"""Confidence bounds, epistemic variance and Thompson sampling, with pending tests."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from battprob import Dataset, design, noise
from battprob.models import GaussianProcess

X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
KEY = jax.random.key(0)


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return GaussianProcess(noise=noise.LogLinear()).fit(Dataset(X, y), key=KEY)


def test_bounds_are_mean_plus_multiples_of_the_standard_deviation():
    pred = posterior().predict(NEW)
    for width, total, variance in (
        (1.5, False, pred.epistemic),
        (-1.0, True, pred.variance),
    ):
        expected = np.asarray(pred.mean) + width * np.sqrt(variance)
        values = design.UCB(width, total=total)(posterior(), NEW)
        np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_pending_tests_reduce_the_variance_as_conditioning_does():
    """Reference: the posterior conditioned on the same rows, with any outcomes."""
    pending = NEW[[2, 5]]
    data = posterior().dataset
    known = Dataset(X, data.y, noise_variance=np.full(10, 0.04))
    fitted = GaussianProcess(noise=noise.Known()).fit(known, key=KEY)
    y = np.asarray(fitted.predict(pending).mean)
    # The variance of a future measurement is unknown: pending tests count as exact.
    exact = Dataset(pending, y, noise_variance=[0.0, 0.0])
    conditioned = fitted.condition(exact).predict(NEW)
    variance = np.asarray(conditioned.epistemic)
    for acquisition, expected in (
        (design.Epistemic(), variance),
        (design.UCB(2.0), np.asarray(conditioned.mean) + 2 * np.sqrt(variance)),
    ):
        prepared = acquisition.prepare(fitted, NEW, key=KEY, pending=pending)
        values = np.asarray(prepared(fitted, NEW))
        # At pending rows the variance is rounding error, and this is its root.
        np.testing.assert_allclose(values[[2, 5]], expected[[2, 5]], atol=1e-4)
        others = [0, 1, 3, 4, 6, 7]
        np.testing.assert_allclose(values[others], expected[others], atol=1e-8)


def test_pending_tests_have_the_noise_of_their_rows():
    fitted, pending = posterior(), NEW[[2, 2, 5]]
    prior = fitted.function_moments(jnp.asarray(NEW), jnp.asarray(pending))
    joint = fitted.function_moments(*(2 * [jnp.asarray(pending)])).covariance
    outcome = np.asarray(joint)[0] + np.diag(fitted.predict(pending).aleatoric)
    cross, expected = (np.asarray(a)[0] for a in (prior.covariance, prior.variance))
    expected = expected - np.sum(cross * np.linalg.solve(outcome, cross.T).T, axis=1)
    prepared = design.Epistemic().prepare(fitted, NEW, key=KEY, pending=pending)
    np.testing.assert_allclose(prepared(fitted, NEW), expected, rtol=1e-8)


def test_thompson_draws_have_the_joint_distribution_of_the_function():
    keys = jax.random.split(KEY, 400)
    drawn = [
        design.Thompson().prepare(posterior(), NEW, key=k)(posterior(), NEW)
        for k in keys
    ]
    moments = posterior().function_moments(*(2 * [jnp.asarray(NEW)]))
    mean, covariance = np.asarray(moments.mean[0]), np.asarray(moments.covariance[0])
    sd = np.sqrt(np.diag(covariance))
    error = (np.mean(drawn, axis=0) - mean) / sd * np.sqrt(len(drawn))
    assert np.all(np.abs(error) < 4)
    correlation = (np.cov(np.transpose(drawn)) - covariance) / np.outer(sd, sd)
    assert np.all(np.abs(correlation) < 0.25)


def test_a_thompson_draw_is_one_continuous_function():
    acquisition = design.Thompson().prepare(posterior(), NEW, key=KEY)
    values = acquisition(posterior(), NEW)
    subset = acquisition(posterior(), NEW[3:5])
    np.testing.assert_allclose(subset, values[3:5], rtol=1e-9)
    near = acquisition(posterior(), NEW[3:4] + 1e-6)
    np.testing.assert_allclose(near, values[3:4], atol=1e-4)
