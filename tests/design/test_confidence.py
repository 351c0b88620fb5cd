"""Bounds, uncertainty, draws, and what tests still running leave of them."""

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


def test_bounds_are_mean_and_deviations():
    pred = posterior().predict(NEW)
    for width, total, variance in (
        (1.5, False, pred.epistemic),
        (-1.0, True, pred.variance),
    ):
        expected = pred.mean + width * np.sqrt(variance)
        values = design.UCB(width, total=total)(posterior(), NEW)
        np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_running_tests_narrow_as_taking_them_in_does():
    """Against the posterior with the same rows, whatever their outcomes."""
    running = NEW[[2, 5]]
    data = posterior().dataset
    known = Dataset(X, data.y, noise_variance=np.full(10, 0.04))
    own = GaussianProcess(noise=noise.Known()).fit(known, key=KEY)
    y = np.asarray(own.predict(running).mean)
    # Noise that is measured is not foreseen: what is running counts as exact.
    after = own.condition(Dataset(running, y, noise_variance=[0.0, 0.0])).predict(NEW)
    for acquisition, expected in (
        (design.Epistemic(), after.epistemic),
        (design.UCB(2.0), after.mean + 2 * np.sqrt(after.epistemic)),
    ):
        prepared = acquisition.prepare(own, NEW, key=KEY, pending=running)
        values = np.asarray(prepared(own, NEW))
        # At the running rows nothing is left but rounding, of which this is the root.
        np.testing.assert_allclose(
            values[[2, 5]], expected[np.array([2, 5])], atol=1e-4
        )
        others = [0, 1, 3, 4, 6, 7]
        np.testing.assert_allclose(
            values[others], expected[np.array(others)], atol=1e-8
        )


def test_running_tests_are_as_noisy_as_they_are():
    own, running = posterior(), NEW[[2, 2, 5]]
    prior = own.function_moments(jnp.asarray(NEW), jnp.asarray(running))
    joint = own.function_moments(*(2 * [jnp.asarray(running)])).covariance[0]
    pred = own.predict(running)
    outcome = joint + np.diag(pred.aleatoric)
    cross = np.asarray(prior.covariance[0])
    expected = np.asarray(prior.variance[0])
    expected = expected - np.sum(cross * np.linalg.solve(outcome, cross.T).T, axis=1)
    prepared = design.Epistemic().prepare(own, NEW, key=KEY, pending=running)
    np.testing.assert_allclose(prepared(own, NEW), expected, rtol=1e-8)


def test_thompson_draws_have_the_joint_law_of_the_function():
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


def test_thompson_is_one_function_also_between_reference_rows():
    acquisition = design.Thompson().prepare(posterior(), NEW, key=KEY)
    both = acquisition(posterior(), NEW)
    some = acquisition(posterior(), NEW[3:5])
    np.testing.assert_allclose(some, both[3:5], rtol=1e-9)
    near = acquisition(posterior(), NEW[3:4] + 1e-6)
    np.testing.assert_allclose(near, both[3:4], atol=1e-4)
