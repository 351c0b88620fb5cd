"""Logistic regression agrees with quadrature, also with groups and after `condition`."""

import functools

import jax
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

import battprob as bp
from battprob import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=30)
X = (X - X.mean()) / X.std()
Y = (RNG.uniform(size=30) < expit(1.5 * X - 1)).astype(float)
BATCH = np.repeat(["a", "b", "c"], 10)
NUTS = bp.inference.NUTS(num_samples=2000)
NEW = np.array([-2.0, 0.0, 1.0])


@functools.cache
def fitted():
    model = bp.models.BayesianLogistic(inference=NUTS)
    return model.fit(bp.Dataset(X, Y), key=jax.random.key(0))


@functools.cache
def in_groups():
    chance = expit(X + np.repeat([-3, 0, 3], 10))
    y = np.random.default_rng(1).uniform(size=30) < chance
    model = bp.models.BayesianLogistic(random_effects=True, inference=NUTS)
    return model.fit(bp.Dataset(X, y, groups=BATCH), key=jax.random.key(0))


def quadrature(x, y):
    """Mean and variance of p at NEW: a sum over weight, intercept and prior scale."""
    weight, intercept = np.linspace(-8, 8, 161), np.linspace(-12, 12, 161)
    z_tau = np.linspace(-5, 5, 81)
    w, b, z = np.meshgrid(weight, intercept, z_tau, indexing="ij")
    log_density = norm.logpdf(w, 0, 2 * np.exp(0.75 * z)) + norm.logpdf(b, 0, 5)
    log_density = log_density + norm.logpdf(z)
    for feature, outcome in zip(x, y, strict=True):
        log_odds = b[..., 0] + w[..., 0] * feature
        log_density += (outcome * log_odds - np.logaddexp(0, log_odds))[..., None]
    mass = np.exp(log_density - log_density.max()).sum(2)
    p = expit(b[..., 0] + w[..., 0] * NEW[:, None, None])
    mean = (p * mass).sum((1, 2)) / mass.sum()
    return mean, (p**2 * mass).sum((1, 2)) / mass.sum() - mean**2


def test_probabilities_agree_with_quadrature():
    pred = fitted().predict(NEW)
    mean, variance = quadrature(X, Y)
    np.testing.assert_allclose(pred.mean, mean, atol=0.01)
    np.testing.assert_allclose(pred.epistemic, variance, rtol=0.15, atol=1e-4)
    np.testing.assert_allclose(pred.aleatoric + pred.epistemic, pred.variance)


def test_conditioned_probabilities_agree_with_quadrature_over_all_rows():
    new = bp.Dataset([0.5, -0.5, 1.0], [0, 1, 1])
    pred = fitted().condition(new).predict(NEW)
    mean, _ = quadrature([*X, 0.5, -0.5, 1.0], [*Y, 0, 1, 1])
    np.testing.assert_allclose(pred.mean, mean, atol=0.02)


def test_repeated_rows_reduce_the_epistemic_variance():
    once = fitted().predict(X)
    twice = fitted().condition(bp.Dataset(X, Y)).predict(X)
    assert np.mean(twice.epistemic) < 0.75 * np.mean(once.epistemic)
    assert np.mean(twice.mutual_information) < 0.75 * np.mean(once.mutual_information)
    assert np.mean(twice.aleatoric) > 0.75 * np.mean(once.aleatoric)


def test_conditioning_that_leaves_few_effective_draws_is_refused():
    with pytest.raises(DataError, match=r"draws remain effective .*fit to all rows"):
        fitted().condition(bp.Dataset(np.linspace(-2, 2, 30), X < 0))


def test_known_groups_have_their_effects_and_a_new_group_averages_over_them():
    zeros = np.zeros(4)
    pred = in_groups().predict(zeros, groups=["a", "b", "c", "new"])
    assert pred.mean[0] < 0.3
    assert pred.mean[2] > 0.7
    draws = in_groups().sample_functions(zeros[:1], key=jax.random.key(0), num=4000)
    effects = in_groups().parameters.effects
    sd = np.asarray(jax.vmap(lambda each: each.sd())(effects))[:, 0]
    sd = np.random.default_rng(0).choice(sd, 4000)
    offset = 2 * sd * np.random.default_rng(1).normal(size=4000)
    expected = expit(np.asarray(draws)[:, 0] + offset).mean()
    np.testing.assert_allclose(pred.mean[3], expected, atol=0.03)


def test_conditioning_on_a_new_group_is_refused():
    new = bp.Dataset([0.0, 0.0], [1.0, 1.0], groups=["a", "new"])
    with pytest.raises(DataError, match=r"row 1 is of group 'new', .*fit to all rows"):
        in_groups().condition(new)


def test_targets_that_are_not_outcomes_are_refused():
    with pytest.raises(DataError, match="life < 550"):
        bp.models.BayesianLogistic().fit(bp.Dataset(X, 500 + X), key=jax.random.key(0))
