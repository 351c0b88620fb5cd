"""Whole batches: of one test they are the exact acquisition, of more they are draws."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, design
from battprob.design import batch_acquisition as joint
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
    kinds = {
        "nei": design.JointLogNEI(),
        "ei": design.JointLogNEI(0.5),
        "ucb": design.JointUCB(1.5),
        "variance": design.JointIntegratedVariance(),
    }
    return kinds[name].prepare(posterior(), NEW, key=KEY)


each = pytest.mark.parametrize("name", ["nei", "ei", "ucb", "variance"])


@pytest.mark.parametrize(
    ("name", "alone", "tolerance"),
    [
        ("ei", design.LogEI(0.5), 0.05),
        ("ucb", design.UCB(1.5), 0.02),
        ("variance", design.IntegratedVariance(), 1e-9),
    ],
)
def test_a_batch_of_one_is_a_single_test(name, alone, tolerance):
    rows = NEW[[1, 2, 6]]
    expected = alone.prepare(posterior(), NEW, key=KEY)(posterior(), rows)
    found = prepared(name)(posterior(), rows[:, None])
    # Of what hardly ever improves, few draws do.
    np.testing.assert_allclose(found[:2], expected[:2], atol=tolerance)


def test_the_best_of_a_batch_is_that_of_joint_draws(monkeypatch):
    monkeypatch.setattr(joint, "_DRAWS", 8192)
    rows = BATCHES[0]
    drawn = posterior().sample_functions(
        np.concatenate([rows, X]), key=KEY, num=100_000
    )
    drawn = np.asarray(drawn)
    gain = np.maximum(drawn[:, :2].max(1) - 0.5, 0).mean()
    found = np.exp(prepared("ei")(posterior(), BATCHES)[0])
    np.testing.assert_allclose(found, gain, rtol=0.03)
    noisy = np.maximum(drawn[:, :2].max(1) - drawn[:, 2:].max(1), 0)
    acquisition = design.JointLogNEI().prepare(posterior(), NEW, key=KEY)
    found = np.exp(acquisition(posterior(), BATCHES)[0])
    np.testing.assert_allclose(found, noisy.mean(), rtol=0.15)


def test_variance_taken_off_by_a_batch_is_what_taking_it_in_takes_off():
    own = posterior()
    own = eqx.tree_at(
        lambda own: own.noise_covariance, own, jnp.zeros_like(own.noise_covariance)
    )
    after = own.condition(Dataset(BATCHES[0], [0.1, 0.2])).predict(NEW).epistemic
    expected = own.predict(NEW).epistemic.mean() - after.mean()
    acquisition = design.JointIntegratedVariance().prepare(own, NEW, key=KEY)
    np.testing.assert_allclose(acquisition(own, BATCHES)[0], expected, rtol=1e-6)


@each
def test_a_second_test_adds_and_the_same_one_again_adds_less(name):
    own = posterior()
    one, other, both = (
        prepared(name)(own, NEW[rows][None])[0] for rows in ([3], [6], [3, 6])
    )
    twice = prepared(name)(own, BATCHES[2:])[0]
    assert both >= max(one, other) - 1e-9
    assert twice <= both + 0.02


@each
def test_slopes_are_finite_and_right(name):
    own, acquisition = posterior(), prepared(name)

    @eqx.filter_jit
    def value_and_slope(x):
        return jax.value_and_grad(lambda x: acquisition(own, x)[0])(x)

    x = jnp.asarray(BATCHES[:1])
    step = 1e-6 * np.random.default_rng(0).normal(size=x.shape)
    up, down = (value_and_slope(x + sign * step)[0] for sign in (1, -1))
    slope = value_and_slope(x)[1]
    np.testing.assert_allclose(jnp.sum(slope * step), (up - down) / 2, rtol=2e-3)
    assert np.all(np.isfinite(value_and_slope(jnp.asarray(BATCHES[2:]))[1]))


def test_greedy_batches_spread_as_joint_ones_do():
    own = posterior()

    def best(acquisition):
        return NEW[int(np.argmax(acquisition(own, NEW)))]

    rows = design.greedy(design.Epistemic(), own, NEW, best, key=KEY, num=2)
    first = np.argmax(own.predict(NEW).epistemic)
    np.testing.assert_array_equal(rows[0], NEW[first])
    assert rows[1] != rows[0]
    running = design.greedy(
        design.Epistemic(), own, NEW, best, key=KEY, num=1, pending=rows[:1]
    )
    np.testing.assert_array_equal(running[0], rows[1])


def test_batches_of_the_wrong_shape_are_refused():
    with pytest.raises(DataError, match="batches"):
        prepared("ucb")(posterior(), NEW)
