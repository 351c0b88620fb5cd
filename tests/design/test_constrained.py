"""Constraints and costs: log probabilities agree with SciPy, far into the tails."""

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


LOG_PROBABILITY = jax.jit(log_probability_between)


@functools.cache
def posterior(slope):
    y = slope * X[:, 0] + 0.1 * np.random.default_rng(0).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=KEY)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 2.0), (30.0, 31.0), (-31.0, -30.0), (-np.inf, -50.0)]
)
def test_probability_between_limits_agrees_with_scipy(low, high):
    pred = Predictive.gaussian([0.5], 0.64, [0.36])
    value = LOG_PROBABILITY(pred, low, high)
    a, b = low - 0.5, high - 0.5
    if a > 0:
        a, b = -b, -a
    expected = norm.logcdf(b) + np.log1p(-np.exp(norm.logcdf(a) - norm.logcdf(b)))
    np.testing.assert_allclose(value, expected, rtol=1e-10)


def test_limits_of_a_transformed_target_are_in_its_unit():
    pred = Predictive.gaussian([1.0], 0.3, [0.2], transforms.Log())
    value = LOG_PROBABILITY(pred, 2.0, 5.0)
    expected = np.log(pred.cdf(jnp.asarray(5.0)) - pred.cdf(jnp.asarray(2.0)))
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    one = LOG_PROBABILITY(pred, -np.inf, np.inf)
    np.testing.assert_allclose(one, 0.0, atol=1e-12)


def test_a_constraint_adds_its_log_probability():
    fitted, limited = posterior(1.0), posterior(2.0)
    acquisition = design.Constrained(design.LogEI(0.5), limited, lower=0.3, upper=1.0)
    pred = limited.predict(NEW)
    high, low = (np.asarray(pred.cdf(np.full(8, end))) for end in (1.0, 0.3))
    probability = high - low
    expected = np.asarray(design.LogEI(0.5)(fitted, NEW)) + np.log(probability)
    np.testing.assert_allclose(acquisition(fitted, NEW), expected, rtol=1e-6)


def test_a_classifier_adds_the_log_probability_of_class_1():
    classes = types.SimpleNamespace(predict=lambda x: ClassPredictive([[0.2], [0.4]]))
    target = types.SimpleNamespace(
        predict=lambda x: Predictive.gaussian([1.0], 0.0, [1.0])
    )
    x = jnp.zeros((1, 1))
    constrained = design.Constrained(design.LogEI(0.5), classes)
    value = jax.jit(lambda x: constrained.values(target, x))(x)
    free = jax.jit(lambda x: design.LogEI(0.5).values(target, x))(x)
    expected = np.asarray(free) + np.log(0.3)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_the_incumbent_is_the_best_feasible_row():
    fitted = posterior(1.0)
    acquisition = design.Constrained(design.LogEI(), posterior(2.0), upper=1.0)
    ready = acquisition.prepare(fitted, NEW, key=KEY)
    feasible = np.asarray(posterior(2.0).predict(X).mean) <= 1.0
    assert 3 < feasible.sum() < 8
    best = np.asarray(fitted.predict(X).mean)[feasible].max()
    np.testing.assert_allclose(ready.acquisition.best, best, rtol=1e-9)
    infeasible = design.Constrained(design.LogEI(), posterior(2.0), upper=-5.0)
    assert np.isfinite(infeasible.prepare(fitted, NEW, key=KEY).acquisition.best)


def test_cost_is_subtracted_and_may_change_the_choice():
    fitted = posterior(1.0)

    def cost(x):
        return jnp.exp(20 * x[:, 0])

    free = np.asarray(design.LogEI(0.5)(fitted, NEW))
    for power in (1.0, 0.5):
        values = design.PerCost(design.LogEI(0.5), cost, power=power)(fitted, NEW)
        expected = free - power * 20 * NEW[:, 0]
        np.testing.assert_allclose(values, expected, rtol=1e-9)
    values = design.PerCost(design.LogEI(0.5), cost)(fitted, NEW)
    assert np.argmax(values) < np.argmax(free)


def test_an_acquisition_that_is_not_a_logarithm_is_refused():
    with pytest.raises(DataError, match=r"PerCost needs .* a logarithm .*; UCB is not"):
        require_log(design.UCB(), "PerCost")
