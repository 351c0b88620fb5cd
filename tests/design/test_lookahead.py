"""Look-ahead agrees with conditioning on the test, Monte Carlo, and quadrature."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from battprob import Dataset, design
from battprob.design import lookahead
from battprob.design.lookahead import log_gain_of_largest
from battprob.models import GaussianProcess

GAIN = jax.jit(log_gain_of_largest)
X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
KEY = jax.random.key(0)


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return with_known_noise(GaussianProcess().fit(Dataset(X, y), key=KEY))


def with_known_noise(fitted):
    # Conditioning uses the noise variance at its mode, look-ahead its expected value.
    # They agree where the noise variance is known.
    known = jnp.zeros_like(fitted.solution.noise_covariance)
    return eqx.tree_at(lambda fitted: fitted.solution.noise_covariance, fitted, known)


def test_variance_reduction_equals_that_of_conditioning():
    fitted = posterior()
    acquisition = design.IntegratedVariance(NEW).prepare(fitted, NEW, key=KEY)
    before = fitted.predict(NEW).epistemic.mean()
    for row in (NEW[1], NEW[4], X[0]):
        after = (
            fitted.condition(Dataset(row[None], [0.3])).predict(NEW).epistemic.mean()
        )
        value = acquisition(fitted, row[None])[0]
        np.testing.assert_allclose(value, before - after, rtol=1e-6)


def test_pending_tests_count_as_complete():
    fitted, pending = posterior(), NEW[2:4]
    acquisition = design.IntegratedVariance().prepare(
        fitted, NEW, key=KEY, pending=pending
    )
    after = with_known_noise(fitted.condition(Dataset(pending, [0.1, 0.2])))
    expected = design.IntegratedVariance(NEW)(after, NEW)
    np.testing.assert_allclose(acquisition(fitted, NEW), expected, rtol=1e-6)


def lines(kind):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 9))
    if kind == "parallel":
        b = np.round(b)
    if kind == "equal":
        a, b = a[[0, 1, 2, 3, 4, 0, 1, 2, 3]], b[[0, 1, 2, 3, 4, 0, 1, 2, 3]]
    if kind == "one point":
        b = np.arange(9.0) - 4
        a = -0.7 * b
    return a, b


@pytest.mark.parametrize("kind", ["general", "parallel", "equal", "one point"])
def test_gain_of_the_largest_line_is_the_integral(kind):
    a, b = lines(kind)
    z = np.linspace(-12, 12, 400_001)
    largest = np.max(a[:, None] + b[:, None] * z, axis=0)
    expected = np.trapezoid((largest - a.max()) * norm.pdf(z), z)
    gain = np.exp(GAIN(a, b))
    np.testing.assert_allclose(gain, expected, rtol=1e-7)


def test_a_tiny_gain_is_accurate():
    """Two lines that cross at 30 standard deviations: the gain is b E(Z - 30)+."""
    gain = GAIN(np.array([0.0, -60.0]), np.array([0.0, 2.0]))
    expected = np.log(2) + norm.logpdf(30) + np.log(1 / 30**2 - 3 / 30**4 + 15 / 30**6)
    np.testing.assert_allclose(gain, expected, rtol=1e-6)


def test_knowledge_gradient_is_the_mean_gain_over_outcomes():
    """Reference: outcomes are drawn, and the posterior mean is updated for each."""
    fitted = posterior()
    acquisition = design.KnowledgeGradient().prepare(fitted, NEW, key=KEY)
    rows = np.asarray(acquisition.points.rows)
    assert len(rows) == 18
    x = NEW[[3]]
    all_rows = jnp.asarray(np.concatenate([rows, x]))
    moments = fitted.function_moments(all_rows, jnp.asarray(x))
    variance = float(moments.variance[0, -1] + fitted.predict(x).aleatoric[0])
    normals = np.random.default_rng(0).normal(size=(400_000, 1))
    mean, slope = np.asarray(moments.mean[0]), np.asarray(moments.covariance[0, :, 0])
    gain = np.max(mean + normals * slope / np.sqrt(variance), axis=1) - mean.max()
    error = gain.std() / np.sqrt(len(gain))
    assert abs(np.exp(acquisition(fitted, x)[0]) - gain.mean()) < 4 * error


def test_knowledge_gradient_is_averaged_over_outcomes_of_pending_tests(monkeypatch):
    monkeypatch.setattr(lookahead, "_NUM_FANTASIES", 1024)
    fitted, pending, x = posterior(), NEW[[2]], NEW[[3]]
    acquisition = design.KnowledgeGradient().prepare(
        fitted, NEW, key=KEY, pending=pending
    )
    rows = np.asarray(acquisition.points.rows)
    all_rows = jnp.asarray(np.concatenate([rows, x, pending]))
    moments = fitted.function_moments(all_rows, all_rows)
    mean, joint = np.asarray(moments.mean[0]), np.asarray(moments.covariance[0])
    noise = np.asarray(fitted.predict(np.concatenate([x, pending])).aleatoric)
    rng = np.random.default_rng(0)
    gains = []
    outcome = joint[-1, -1] + noise[1]
    conditional = joint - np.outer(joint[:, -1], joint[-1]) / outcome
    slope = conditional[:, -2] / np.sqrt(conditional[-2, -2] + noise[0])
    for z in rng.normal(size=2000):
        updated = mean + joint[:, -1] / np.sqrt(outcome) * z
        best = updated[:-1] + rng.normal(size=(500, 1)) * slope[:-1]
        gains.append(best.max(1).mean() - updated[:-1].max())
    error = np.std(gains) / np.sqrt(len(gains))
    value = np.exp(acquisition(fitted, x)[0])
    assert abs(value - np.mean(gains)) < 4 * error + 0.01 * value
