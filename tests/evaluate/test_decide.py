"""Decisions have the lowest cost: thresholds, retests and budgets."""

import numpy as np
import pytest

from battprob import ClassPredictive, DataError, Predictive, evaluate, transforms

COSTS = {"cost_false_negative": 50.0, "cost_false_positive": 1.0}
NUM = 100_000


@pytest.fixture(scope="module")
def cells():
    """Probabilities of failure, most of them small, and outcomes."""
    rng = np.random.default_rng(0)
    truth = rng.beta(0.5, 20.0, NUM)
    return truth, rng.random(NUM) < truth


def _cost(reject, failed):
    return np.mean(np.where(reject, 1.0 * ~failed, 50.0 * failed))


def test_cost_of_the_threshold_is_within_two_per_cent_of_the_minimum(cells):
    """The minimum is over all thresholds, on 1e5 simulated cells."""
    truth, failed = cells
    p = ClassPredictive(truth[None])
    curve = evaluate.cost_curve(p, failed, **COSTS)
    assert curve.bayes_threshold == pytest.approx(1 / 51)
    assert curve.bayes_cost <= 1.02 * curve.cost.min()
    decision = evaluate.decide(p, **COSTS)
    cost = _cost(np.asarray(decision.action) == 1, failed)
    assert cost == pytest.approx(curve.bayes_cost)
    assert cost == pytest.approx(float(decision.expected_cost.mean()), rel=0.05)
    assert cost < 0.8 * min(_cost(np.full(NUM, flag), failed) for flag in (True, False))


def test_cost_curve_is_the_observed_cost_of_each_threshold(cells):
    truth, failed = (column[:50] for column in cells)
    curve = evaluate.cost_curve(ClassPredictive(truth[None]), failed, **COSTS)
    for threshold, cost in zip(curve.threshold, curve.cost, strict=True):
        assert cost == pytest.approx(_cost(truth > threshold, failed))


def test_retests_reduce_the_cost_if_the_epistemic_variance_is_large():
    rng = np.random.default_rng(1)
    draws = 1 / (1 + np.exp(3 - rng.normal(size=(40, 5000)) * [[2.0]]))
    truth = draws[0]
    failed = rng.random(5000) < truth
    p = ClassPredictive(draws[1:])
    decision = evaluate.decide(p, **COSTS, cost_retest=0.1)
    retest = np.asarray(decision.action) == 2
    assert retest.any()
    reject = np.where(retest, truth > 1 / 51, np.asarray(decision.action) == 1)
    with_retests = _cost(reject, failed) + 0.1 * retest.mean()
    without = _cost(np.asarray(evaluate.decide(p, **COSTS).action) == 1, failed)
    assert with_retests < 0.95 * without


def test_a_cell_with_a_known_probability_is_not_retested():
    p = ClassPredictive([[0.02, 0.0], [0.02, 0.04]])
    decision = evaluate.decide(p, **COSTS, cost_retest=1e-6)
    assert decision.action.tolist() == [1, 2]
    np.testing.assert_allclose(decision.value_of_retest[0], 0.0, atol=1e-12)


def test_a_budget_is_spent_on_the_retests_with_the_largest_value(cells):
    rng = np.random.default_rng(2)
    p = ClassPredictive(rng.beta(0.5, 20.0, (20, 200)))
    price = {"cost_retest": 0.05}
    unlimited = evaluate.decide(p, **COSTS, **price)
    wanted = np.asarray(unlimited.action) == 2
    assert wanted.sum() > 20
    limited = evaluate.decide_within_budget(p, **COSTS, **price, budget=1.0)
    chosen = np.asarray(limited.action) == 2
    assert chosen.sum() == 20
    value = np.asarray(unlimited.value_of_retest)
    assert value[chosen].min() >= value[wanted & ~chosen].max()
    total = unlimited.expected_cost.sum(), limited.expected_cost.sum()
    assert total[0] < total[1] < evaluate.decide(p, **COSTS).expected_cost.sum()
    large = evaluate.decide_within_budget(p, **COSTS, **price, budget=1e6)
    np.testing.assert_array_equal(large.action, unlimited.action)


def test_value_of_a_measurement_by_enumeration():
    """The reference is the cost averaged over outcomes and test results."""
    p, sensitivity, specificity = 0.1, 0.8, 0.7
    joint = np.array([[p * 0.8, p * 0.2], [0.9 * 0.3, 0.9 * 0.7]])  # outcome, result
    cost = np.array([[50.0, 0.0], [0.0, 1.0]])  # outcome, action (pass, reject)
    informed = sum((joint[:, r] @ cost).min() for r in range(2))
    expected = (joint.sum(1) @ cost).min() - informed
    value = evaluate.value_of_measurement(
        ClassPredictive([[p]]),
        **COSTS,
        sensitivity=sensitivity,
        specificity=specificity,
    )
    assert float(value[0]) == pytest.approx(expected)
    useless = evaluate.value_of_measurement(
        ClassPredictive([[p]]), **COSTS, sensitivity=0.5, specificity=0.5
    )
    assert float(useless[0]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("costs", "message"),
    [((-1.0, 1.0), "not be negative"), ((0.0, 0.0), "are both zero")],
)
def test_unusable_costs_raise(costs, message):
    with pytest.raises(DataError, match=message):
        evaluate.decide(
            ClassPredictive([[0.1]]),
            cost_false_negative=costs[0],
            cost_false_positive=costs[1],
        )


@pytest.mark.parametrize("components", [1, 3])
def test_probability_below_has_the_mean_and_variance_of_function_draws(components):
    """The reference is a Monte Carlo average over 20 000 draws of the functions."""
    rng = np.random.default_rng(3)
    shape = (2, components, 4)
    location, noise = rng.normal(6, 0.3, shape), rng.uniform(0.02, 0.1, shape)
    function, weight = rng.uniform(0.02, 0.1, shape), rng.normal(size=shape)
    life = Predictive(location, noise, function, weight, transforms.Log())
    p = evaluate.probability_below(life, 400.0)
    np.testing.assert_allclose(p.mean, life.cdf(400.0), atol=2e-3)
    exact = np.exp(np.asarray(life.log_weight))
    draw = exact.sum(1)
    f = location + np.sqrt(function) * rng.normal(size=(20_000, *shape))
    from scipy.special import ndtr

    inside = (exact * ndtr((np.log(400.0) - f) / np.sqrt(noise))).sum(2) / draw
    second = (draw * (inside**2).mean(0)).sum(0)
    mean = (draw * inside.mean(0)).sum(0)
    np.testing.assert_allclose(p.epistemic, second - mean**2, rtol=0.05, atol=1e-4)
