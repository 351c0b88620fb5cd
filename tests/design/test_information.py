"""Nats against closed forms and brute-force quadrature."""

import types

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import norm

from battprob import ClassPredictive, Dataset, Predictive, design
from battprob.models import GaussianProcess

X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
KEY = jax.random.key(0)
Y = np.linspace(-40, 40, 200_001)
ROW = jnp.zeros((1, 1))


def of(pred):
    return types.SimpleNamespace(predict=lambda x: pred)


def entropy(location, variance, weight):
    density = sum(
        w * norm.pdf(Y, m, np.sqrt(v))
        for m, v, w in zip(location, variance, weight, strict=True)
    )
    return np.trapezoid(-density * np.log(np.where(density > 0, density, 1)), Y)


def test_of_one_gaussian_it_is_the_log_of_a_ratio_of_variances():
    value = design.InformationGain().values(
        of(Predictive.gaussian([3.0], 0.5, [2])), ROW
    )
    np.testing.assert_allclose(value, 0.5 * np.log(1 + 2 / 0.5), rtol=1e-10)


def test_draws_that_disagree_are_told_apart():
    location, noise = np.array([0.0, 1.5, 4.0]), np.array([1.0, 0.3, 2.0])
    weight = np.array([0.5, 0.3, 0.2])
    pred = Predictive(
        *(jnp.asarray(a)[:, None, None] for a in (location, noise, 0 * noise)),
        jnp.log(weight)[:, None, None],
    )
    known = 0.5 * np.log(2 * np.pi * np.e * noise) @ weight
    expected = entropy(location, noise, weight) - known
    value = design.InformationGain().values(of(pred), ROW)
    np.testing.assert_allclose(value, expected, rtol=3e-3)


def test_of_a_classifier_it_is_mutual_information():
    pred = ClassPredictive([[0.1], [0.8]])
    value = design.InformationGain().values(of(pred), ROW)
    np.testing.assert_allclose(value, pred.mutual_information, rtol=1e-12)


def protocols(gap, spread):
    location = jnp.array([0.0, gap])[None, :, None]
    weight = jnp.log(jnp.array([0.6, 0.4]))[None, :, None]
    return of(Predictive(location, 0.6 * spread, 0.4 * spread, weight))


def test_the_test_that_tells_protocols_apart():
    weight = np.array([0.6, 0.4])
    expected = entropy([0.0, 2.0], [1.0, 1.0], weight) - 0.5 * np.log(2 * np.pi * np.e)
    value = design.ComponentInformation().values(protocols(2.0, 1.0), ROW)
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    far = design.ComponentInformation().values(protocols(30.0, 1.0), ROW)
    np.testing.assert_allclose(far, -np.log(weight) @ weight, rtol=1e-9)
    alike = design.ComponentInformation().values(protocols(0.0, 1.0), ROW)
    np.testing.assert_allclose(alike, 0.0, atol=1e-12)


def test_disagreement_of_draws_tells_nothing_of_the_protocol():
    pred = Predictive(jnp.array([0.0, 5.0])[:, None, None], 1.0, 0.1, 0.0)
    value = design.ComponentInformation().values(of(pred), ROW)
    np.testing.assert_allclose(value, 0.0, atol=1e-12)


def exact_information(mean, variance, noise, largest):
    """I(y; f*) where f is at most f*: entropies of y, numerically."""
    total = variance + noise
    y = np.linspace(mean - 12 * np.sqrt(total), mean + 12 * np.sqrt(total), 40_001)
    told = []
    for bound in largest:
        f_mean = mean + variance / total * (y - mean)
        f_sd = np.sqrt(variance * noise / total)
        density = norm.pdf(y, mean, np.sqrt(total)) * norm.cdf((bound - f_mean) / f_sd)
        density /= norm.cdf((bound - mean) / np.sqrt(variance))
        safe = np.where(density > 0, density, 1)
        left = np.trapezoid(-density * np.log(safe), y)
        told.append(0.5 * np.log(2 * np.pi * np.e * total) - left)
    return np.mean(told)


def test_information_about_the_largest_value_is_just_below_the_exact_one():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    own = GaussianProcess().fit(Dataset(X, y), key=KEY)
    acquisition = design.MaxValueEntropy().prepare(own, NEW, key=KEY)
    largest = np.asarray(acquisition.largest[0])
    drawn = own.sample_functions(np.concatenate([X, NEW]), key=KEY, num=20_000)
    error = largest.mean() - np.max(drawn, axis=1).mean()
    assert abs(error) < 0.2 * largest.std()
    pred = own.predict(NEW)
    exact = [
        exact_information(*row, largest)
        for row in zip(
            *map(np.asarray, (pred.mean, pred.epistemic, pred.aleatoric)), strict=True
        )
    ]
    values = np.asarray(acquisition(own, NEW))
    assert np.all(values <= np.asarray(exact) + 1e-9)
    assert np.all(values >= 0.9 * np.asarray(exact) - 1e-4)
