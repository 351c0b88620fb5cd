"""Limits and costs: log probabilities against SciPy, deep into the tails."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from battprob import ClassPredictive, DataError, Dataset, Predictive, design, transforms
from battprob.design.constrained import log_probability_between, require_log
from battprob.models import GaussianProcess

KEY = jax.random.key(0)
X = np.linspace(0, 1, 10)[:, None]
NEW = np.linspace(0.02, 0.98, 8)[:, None]


@functools.cache
def posterior(slope):
    y = slope * X[:, 0] + 0.1 * np.random.default_rng(0).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=KEY)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 2.0), (30.0, 31.0), (-31.0, -30.0), (-np.inf, -50.0)]
)
def test_probability_between_limits_is_that_of_the_normal_law(low, high):
    pred = Predictive.gaussian([0.5], 0.64, [0.36])
    found = log_probability_between(pred, jnp.asarray(low), jnp.asarray(high))
    a, b = low - 0.5, high - 0.5
    if a > 0:
        a, b = -b, -a
    expected = norm.logcdf(b) + np.log1p(-np.exp(norm.logcdf(a) - norm.logcdf(b)))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_limits_of_a_transformed_target_are_in_its_unit():
    pred = Predictive.gaussian([1.0], 0.3, [0.2], transforms.Log())
    found = log_probability_between(pred, jnp.asarray(2.0), jnp.asarray(5.0))
    expected = np.log(pred.cdf(jnp.asarray(5.0)) - pred.cdf(jnp.asarray(2.0)))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    none = log_probability_between(pred, jnp.asarray(-jnp.inf), jnp.asarray(jnp.inf))
    np.testing.assert_allclose(none, 0.0, atol=1e-12)


def test_a_constraint_adds_the_log_of_its_probability():
    own, limited = posterior(1.0), posterior(2.0)
    acquisition = design.Constrained(design.LogEI(0.5), limited, lower=0.3, upper=1.0)
    pred = limited.predict(NEW)
    chance = np.log(pred.cdf(jnp.full(8, 1.0)) - pred.cdf(jnp.full(8, 0.3)))
    alone = design.LogEI(0.5)(own, NEW)
    np.testing.assert_allclose(acquisition(own, NEW), alone + chance, rtol=1e-6)


def test_of_a_classifier_it_is_the_probability_of_a_yes():
    classes = types.SimpleNamespace(predict=lambda x: ClassPredictive([[0.2], [0.4]]))
    law = types.SimpleNamespace(
        predict=lambda x: Predictive.gaussian([1.0], 0.0, [1.0])
    )
    x = jnp.zeros((1, 1))
    found = design.Constrained(design.LogEI(0.5), classes).values(law, x)
    expected = design.LogEI(0.5).values(law, x) + np.log(0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_best_row_that_is_allowed_is_to_be_improved_on():
    own = posterior(1.0)
    acquisition = design.Constrained(design.LogEI(), posterior(2.0), upper=1.0)
    ready = acquisition.prepare(own, NEW, key=KEY)
    inside = np.asarray(posterior(2.0).predict(X).mean) <= 1.0
    assert 3 < inside.sum() < 8
    best = np.asarray(own.predict(X).mean)[inside].max()
    np.testing.assert_allclose(ready.acquisition.best, best, rtol=1e-9)
    nowhere = design.Constrained(design.LogEI(), posterior(2.0), upper=-5.0)
    assert np.isfinite(nowhere.prepare(own, NEW, key=KEY).acquisition.best)


def test_cost_is_taken_off_and_may_turn_the_choice_around():
    own = posterior(1.0)

    def cost(x):
        return jnp.exp(20 * x[:, 0])

    alone = design.LogEI(0.5)(own, NEW)
    for power in (1.0, 0.5):
        found = design.PerCost(design.LogEI(0.5), cost, power=power)(own, NEW)
        expected = alone - power * 20 * NEW[:, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    dear = design.PerCost(design.LogEI(0.5), cost)(own, NEW)
    assert np.argmax(dear) < np.argmax(alone)


def test_what_is_no_log_cannot_be_weighed():
    with pytest.raises(DataError, match="UCB is not"):
        require_log(design.UCB(), "PerCost")
