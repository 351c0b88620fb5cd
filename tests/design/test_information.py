"""Information in nats agrees with closed forms and numerical quadrature."""

import types

import equinox as eqx
import jax
import numpy as np
from scipy.stats import norm

from battprob import ClassPredictive, Dataset, Predictive, design
from battprob.models import GaussianProcess

X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
KEY = jax.random.key(0)
Y = np.linspace(-40, 40, 200_001)
ROW = np.zeros((1, 1))


@eqx.filter_jit
def values(acquisition, pred):
    """Values for a posterior with this prediction at any row, in one program."""
    return acquisition.values(types.SimpleNamespace(predict=lambda x: pred), ROW)


def entropy(location, variance, weight):
    density = sum(
        w * norm.pdf(Y, m, np.sqrt(v))
        for m, v, w in zip(location, variance, weight, strict=True)
    )
    return np.trapezoid(-density * np.log(np.where(density > 0, density, 1)), Y)


def test_for_one_gaussian_it_is_the_log_of_a_variance_ratio():
    value = values(design.InformationGain(), Predictive.gaussian([3.0], 0.5, [2]))
    np.testing.assert_allclose(value, 0.5 * np.log(1 + 2 / 0.5), rtol=1e-10)


def test_a_test_distinguishes_posterior_draws():
    location, noise = np.array([0.0, 1.5, 4.0]), np.array([1.0, 0.3, 2.0])
    weight = np.array([0.5, 0.3, 0.2])
    pred = Predictive(
        *(a[:, None, None] for a in (location, noise, 0 * noise, np.log(weight)))
    )
    conditional = 0.5 * np.log(2 * np.pi * np.e * noise) @ weight
    expected = entropy(location, noise, weight) - conditional
    value = values(design.InformationGain(), pred)
    np.testing.assert_allclose(value, expected, rtol=3e-3)


def test_for_a_classifier_it_is_the_mutual_information():
    pred = ClassPredictive([[0.1], [0.8]])
    value = values(design.InformationGain(), pred)
    np.testing.assert_allclose(value, pred.mutual_information, rtol=1e-12)


def two_protocols(gap, variance):
    """Predictions of two protocols whose means differ by `gap`."""
    location = np.array([0.0, gap])[None, :, None]
    weight = np.log(np.array([0.6, 0.4]))[None, :, None]
    return Predictive(location, 0.6 * variance, 0.4 * variance, weight)


def test_information_about_the_protocol():
    weight = np.array([0.6, 0.4])
    expected = entropy([0.0, 2.0], [1.0, 1.0], weight) - 0.5 * np.log(2 * np.pi * np.e)
    value = values(design.ComponentInformation(), two_protocols(2.0, 1.0))
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    distinct = values(design.ComponentInformation(), two_protocols(30.0, 1.0))
    np.testing.assert_allclose(distinct, -np.log(weight) @ weight, rtol=1e-9)
    equal = values(design.ComponentInformation(), two_protocols(0.0, 1.0))
    np.testing.assert_allclose(equal, 0.0, atol=1e-12)


def test_differences_between_draws_give_no_information_about_the_protocol():
    pred = Predictive(np.array([0.0, 5.0])[:, None, None], 1.0, 0.1, 0.0)
    value = values(design.ComponentInformation(), pred)
    np.testing.assert_allclose(value, 0.0, atol=1e-12)


def exact_information(mean, variance, noise, largest):
    """I(y; f <= f*) from numerical entropies of y, averaged over values of f*."""
    total = variance + noise
    y = np.linspace(mean - 12 * np.sqrt(total), mean + 12 * np.sqrt(total), 40_001)
    information = []
    for bound in largest:
        f_mean = mean + variance / total * (y - mean)
        f_sd = np.sqrt(variance * noise / total)
        density = norm.pdf(y, mean, np.sqrt(total)) * norm.cdf((bound - f_mean) / f_sd)
        density /= norm.cdf((bound - mean) / np.sqrt(variance))
        safe = np.where(density > 0, density, 1)
        conditional = np.trapezoid(-density * np.log(safe), y)
        information.append(0.5 * np.log(2 * np.pi * np.e * total) - conditional)
    return np.mean(information)


def test_information_about_the_maximum_is_slightly_below_the_exact_one():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    fitted = GaussianProcess().fit(Dataset(X, y), key=KEY)
    acquisition = design.MaxValueEntropy().prepare(fitted, NEW, key=KEY)
    largest = np.asarray(acquisition.largest[0])
    drawn = fitted.sample_functions(np.concatenate([X, NEW]), key=KEY, num=20_000)
    error = largest.mean() - np.max(drawn, axis=1).mean()
    assert abs(error) < 0.2 * largest.std()
    pred = fitted.predict(NEW)
    exact = [
        exact_information(*row, largest)
        for row in zip(
            *map(np.asarray, (pred.mean, pred.epistemic, pred.aleatoric)), strict=True
        )
    ]
    found = np.asarray(acquisition(fitted, NEW))
    assert np.all(found <= np.asarray(exact) + 1e-9)
    assert np.all(found >= 0.9 * np.asarray(exact) - 1e-4)
