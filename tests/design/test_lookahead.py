"""Look-ahead against the refit it stands for, Monte Carlo, and quadrature."""

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

X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
KEY = jax.random.key(0)


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return of_known_noise(GaussianProcess().fit(Dataset(X, y), key=KEY))


def of_known_noise(own):
    # Conditioning takes the noise at its mode, look-ahead as it is expected to be: the
    # same where its level is known.
    known = jnp.zeros_like(own.noise_covariance)
    return eqx.tree_at(lambda own: own.noise_covariance, own, known)


def test_variance_taken_off_is_what_a_test_takes_off():
    own = posterior()
    acquisition = design.IntegratedVariance(NEW).prepare(own, NEW, key=KEY)
    before = own.predict(NEW).epistemic.mean()
    for row in (NEW[1], NEW[4], X[0]):
        after = own.condition(Dataset(row[None], [0.3])).predict(NEW).epistemic.mean()
        found = acquisition(own, row[None])[0]
        np.testing.assert_allclose(found, before - after, rtol=1e-6)


def test_tests_still_running_count_as_done():
    own, running = posterior(), NEW[2:4]
    acquisition = design.IntegratedVariance().prepare(
        own, NEW, key=KEY, pending=running
    )
    after = of_known_noise(own.condition(Dataset(running, [0.1, 0.2])))
    expected = design.IntegratedVariance(NEW)(after, NEW)
    np.testing.assert_allclose(acquisition(own, NEW), expected, rtol=1e-6)


def lines(kind):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 9))
    if kind == "parallel":
        b = np.round(b)
    if kind == "twins":
        a, b = np.tile(a[:5], 2), np.tile(b[:5], 2)
    if kind == "one point":
        b = np.arange(9.0) - 4
        a = -0.7 * b
    return a, b


@pytest.mark.parametrize("kind", ["general", "parallel", "twins", "one point"])
def test_gain_of_the_largest_line_is_the_integral(kind):
    a, b = lines(kind)
    z = np.linspace(-12, 12, 400_001)
    largest = np.max(a[:, None] + b[:, None] * z, axis=0)
    expected = np.trapezoid((largest - a.max()) * norm.pdf(z), z)
    # The mean of the line that is best now is a itself, up to what quadrature cuts off.
    found = np.exp(log_gain_of_largest(jnp.asarray(a), jnp.asarray(b)))
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_gain_that_is_next_to_nothing_keeps_its_digits():
    """Two lines that cross 30 deviations out: the gain is b E(Z - 30)+."""
    found = log_gain_of_largest(jnp.array([0.0, -60.0]), jnp.array([0.0, 2.0]))
    expected = np.log(2) + norm.logpdf(30) + np.log(1 / 30**2 - 3 / 30**4 + 15 / 30**6)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_knowledge_gradient_is_the_mean_of_the_best_after_a_test():
    """Outcomes drawn, the posterior moved by each; noise as it is expected to be."""
    own = posterior()
    acquisition = design.KnowledgeGradient().prepare(own, NEW, key=KEY)
    rows = np.asarray(acquisition.places.rows)
    assert len(rows) == 18
    x = NEW[[3]]
    everywhere = jnp.asarray(np.concatenate([rows, x]))
    moments = own.function_moments(everywhere, jnp.asarray(x))
    spread = float(moments.variance[0, -1] + own.predict(x).aleatoric[0])
    drawn = np.random.default_rng(0).normal(size=(400_000, 1))
    mean, slope = np.asarray(moments.mean[0]), np.asarray(moments.covariance[0, :, 0])
    gain = np.max(mean + drawn * slope / np.sqrt(spread), axis=1) - mean.max()
    error = gain.std() / np.sqrt(len(gain))
    assert abs(np.exp(acquisition(own, x)[0]) - gain.mean()) < 4 * error


def test_running_tests_are_averaged_over_what_they_may_say(monkeypatch):
    monkeypatch.setattr(lookahead, "_DRAWS", 1024)
    own, running, x = posterior(), NEW[[2]], NEW[[3]]
    acquisition = design.KnowledgeGradient().prepare(own, NEW, key=KEY, pending=running)
    rows = np.asarray(acquisition.places.own.rows)
    everywhere = jnp.asarray(np.concatenate([rows, x, running]))
    moments = own.function_moments(everywhere, everywhere)
    mean, joint = np.asarray(moments.mean[0]), np.asarray(moments.covariance[0])
    level = np.asarray(own.predict(np.concatenate([x, running])).aleatoric)
    rng = np.random.default_rng(0)
    gains = []
    outcome = joint[-1, -1] + level[1]
    left = joint - np.outer(joint[:, -1], joint[-1]) / outcome
    slope = left[:, -2] / np.sqrt(left[-2, -2] + level[0])
    for z in rng.normal(size=2000):
        moved = mean + joint[:, -1] / np.sqrt(outcome) * z
        best = moved[:-1] + rng.normal(size=(500, 1)) * slope[:-1]
        gains.append(best.max(1).mean() - moved[:-1].max())
    error = np.std(gains) / np.sqrt(len(gains))
    found = np.exp(acquisition(own, x)[0])
    assert abs(found - np.mean(gains)) < 4 * error + 0.01 * found
