"""Batch acquisitions equal the sequential ones for one test, and joint draws for more."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, design
from battprob.design import batch_acquisition
from battprob.models import GaussianProcess

KEY = jax.random.key(0)
X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
BATCHES = np.stack([NEW[[1, 3]], NEW[[3, 6]], NEW[[3, 3]]])


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=KEY)


@functools.cache
def prepared(name):
    acquisitions = {
        "nei": design.BatchLogNEI(),
        "ei": design.BatchLogNEI(0.5),
        "ucb": design.BatchUCB(1.5),
        "variance": design.BatchIntegratedVariance(),
    }
    return acquisitions[name].prepare(posterior(), NEW, key=KEY)


each = pytest.mark.parametrize("name", ["nei", "ei", "ucb", "variance"])


@pytest.mark.parametrize(
    ("name", "sequential", "tolerance"),
    [
        ("ei", design.LogEI(0.5), 0.05),
        ("ucb", design.UCB(1.5), 0.02),
        ("variance", design.IntegratedVariance(), 1e-9),
    ],
)
def test_a_batch_of_one_equals_the_sequential_acquisition(name, sequential, tolerance):
    rows = NEW[[1, 2, 6]]
    expected = sequential.prepare(posterior(), NEW, key=KEY)(posterior(), rows)
    values = prepared(name)(posterior(), rows[:, None])
    # At the third row few draws improve, so the Monte Carlo error is large.
    np.testing.assert_allclose(values[:2], expected[:2], atol=tolerance)


def test_improvement_of_a_batch_is_the_mean_over_joint_draws(monkeypatch):
    monkeypatch.setattr(batch_acquisition, "_NUM_DRAWS", 8192)
    rows = BATCHES[0]
    drawn = posterior().sample_functions(
        np.concatenate([rows, X]), key=KEY, num=100_000
    )
    drawn = np.asarray(drawn)
    expected = np.maximum(drawn[:, :2].max(1) - 0.5, 0).mean()
    value = np.exp(prepared("ei")(posterior(), BATCHES)[0])
    np.testing.assert_allclose(value, expected, rtol=0.03)
    noisy = np.maximum(drawn[:, :2].max(1) - drawn[:, 2:].max(1), 0)
    acquisition = design.BatchLogNEI().prepare(posterior(), NEW, key=KEY)
    value = np.exp(acquisition(posterior(), BATCHES)[0])
    np.testing.assert_allclose(value, noisy.mean(), rtol=0.15)


def test_variance_reduction_equals_that_of_conditioning():
    known = posterior()
    known = eqx.tree_at(
        lambda post: post.solution.noise_covariance,
        known,
        jnp.zeros_like(known.solution.noise_covariance),
    )
    conditioned = known.condition(Dataset(BATCHES[0], [0.1, 0.2]))
    expected = known.predict(NEW).epistemic.mean()
    expected = expected - conditioned.predict(NEW).epistemic.mean()
    acquisition = design.BatchIntegratedVariance().prepare(known, NEW, key=KEY)
    np.testing.assert_allclose(acquisition(known, BATCHES)[0], expected, rtol=1e-6)


@each
def test_a_second_test_adds_value_and_a_repetition_adds_less(name):
    one, other, both = (
        prepared(name)(posterior(), NEW[rows][None])[0] for rows in ([3], [6], [3, 6])
    )
    twice = prepared(name)(posterior(), BATCHES[2:])[0]
    assert both >= max(one, other) - 1e-9
    assert twice <= both + 0.02


@each
def test_gradients_are_finite_and_equal_finite_differences(name):
    acquisition = prepared(name)

    @eqx.filter_jit
    def value_and_gradient(x):
        return jax.value_and_grad(lambda x: acquisition(posterior(), x)[0])(x)

    x = jnp.asarray(BATCHES[:1])
    step = 1e-6 * np.random.default_rng(0).normal(size=x.shape)
    up, down = (value_and_gradient(x + sign * step)[0] for sign in (1, -1))
    gradient = value_and_gradient(x)[1]
    np.testing.assert_allclose(jnp.sum(gradient * step), (up - down) / 2, rtol=2e-3)
    assert np.all(np.isfinite(value_and_gradient(jnp.asarray(BATCHES[2:]))[1]))


def test_greedy_batches_treat_earlier_tests_as_pending():
    def best(acquisition):
        return NEW[int(np.argmax(acquisition(posterior(), NEW)))]

    rows = design.greedy(design.Epistemic(), posterior(), NEW, best, key=KEY, num=2)
    first = np.argmax(posterior().predict(NEW).epistemic)
    np.testing.assert_array_equal(rows[0], NEW[first])
    assert rows[1] != rows[0]
    next_row = design.greedy(
        design.Epistemic(), posterior(), NEW, best, key=KEY, num=1, pending=rows[:1]
    )
    np.testing.assert_array_equal(next_row[0], rows[1])


def test_batches_of_the_wrong_shape_are_refused():
    with pytest.raises(
        DataError, match=r"batches must be \[m, q, features\].*\(8, 1\)"
    ):
        prepared("ucb")(posterior(), NEW)
