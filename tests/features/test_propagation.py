"""Propagated variances agree between first order, sampling and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, Predictive
from battprob.features import FeatureTable
from battprob.features.propagation import (
    derive,
    first_order,
    fit_first_order,
    monte_carlo,
    predict_first_order,
    predict_monte_carlo,
)
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known

X = np.array([[1.0, 2.0, -1.0], [3.0, 0.5, 2.0]])
VARIANCE = np.array([[0.01, 0.04, 0.02], [0.0, 0.03, 0.01]])


def affine(x):
    return jnp.stack([2 * x[0] - x[1] + 3, x[2], x[0] * 0 + 7])


def curved(x):
    return jnp.stack([jnp.exp(0.3 * x[0]) * x[1], jnp.sin(x[2])])


def test_affine_functions_are_exact():
    value, variance = first_order(affine, X, VARIANCE)
    np.testing.assert_allclose(value[0], [3.0, -1.0, 7.0])
    np.testing.assert_allclose(variance[0], [0.08, 0.02, 0.0], rtol=1e-12)


def test_first_order_agrees_with_sampling_for_small_errors(key):
    exact = first_order(curved, X, VARIANCE / 16)
    sampled = monte_carlo(curved, X, VARIANCE / 16, key=key, num=20_000)
    np.testing.assert_allclose(sampled.variance, exact.variance, rtol=0.05)
    np.testing.assert_allclose(sampled.value, exact.value, atol=0.01)


def test_an_unknown_variance_affects_only_dependent_results():
    unknown = VARIANCE.copy()
    unknown[0, 1] = np.nan
    variance = first_order(affine, X, unknown).variance
    assert np.isnan(variance[0, 0])
    np.testing.assert_allclose(variance[0, 1:], [0.02, 0.0])


def test_derived_columns_keep_rows_and_groups():
    table = FeatureTable(
        X,
        names=["a", "b", "c"],
        units=["V", "A", ""],
        rows=["u", "v"],
        variance=VARIANCE,
        groups=["1", "2"],
    )
    made = derive(table, curved, names=["p", "q"], units=["W", ""])
    assert (made.names, made.units, made.rows, made.groups) == (
        ("p", "q"),
        ("W", ""),
        ("u", "v"),
        ("1", "2"),
    )
    slope = np.cos(-1.0)
    np.testing.assert_allclose(made.variance[0, 1], slope**2 * 0.02, rtol=1e-12)


def test_feature_noise_of_a_linear_prediction_is_aleatoric(key):
    weights = np.array([1.0, -2.0, 0.5])

    def predict(x):
        return Predictive.gaussian(x @ weights, 0.1, 0.2)

    expected = 0.1 + VARIANCE @ weights**2
    linear = predict_first_order(predict, X, VARIANCE)
    np.testing.assert_allclose(linear.aleatoric, expected, rtol=1e-12)
    np.testing.assert_allclose(linear.epistemic, 0.2, rtol=1e-12)
    sampled = predict_monte_carlo(predict, X, VARIANCE, key=key, num=20_000)
    np.testing.assert_allclose(sampled.aleatoric, expected, rtol=0.05)
    np.testing.assert_allclose(sampled.epistemic, 0.2, rtol=1e-12)


def test_both_methods_agree_for_a_fitted_process(key):
    x = np.linspace(-2, 2, 24)[:, None]
    posterior = GaussianProcess().fit(Dataset(x, np.sin(2 * x[:, 0])), key=key)
    new, variance = np.array([[0.1], [0.7], [1.2]]), 0.0025
    exact = predict_first_order(posterior.predict, new, variance)
    sampled = predict_monte_carlo(posterior.predict, new, variance, key=key, num=2000)
    plain = posterior.predict(new)
    added = np.asarray(exact.aleatoric - plain.aleatoric)
    step = 1e-4
    rise = posterior.predict(new + step).mean - posterior.predict(new - step).mean
    slope = np.asarray(rise) / (2 * step)
    np.testing.assert_allclose(added, slope**2 * variance, rtol=0.1, atol=1e-4)
    np.testing.assert_allclose(sampled.aleatoric, exact.aleatoric, rtol=0.15, atol=1e-4)


@pytest.mark.parametrize("method", ["first order", "sampling"])
def test_exact_features_do_not_change_the_prediction(method, key):
    def predict(x):
        return Predictive.gaussian(jnp.sin(x[:, 0]), 0.1, 0.2)

    if method == "first order":
        pred = predict_first_order(predict, X, 0.0)
    else:
        pred = predict_monte_carlo(predict, X, 0.0, key=key, num=8)
    np.testing.assert_allclose(pred.mean, np.sin(X[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(pred.variance, 0.3, rtol=1e-12)


def test_gradients_are_finite_at_exact_features():
    def total(variance):
        return monte_carlo(
            curved, X, variance, key=jax.random.key(1), num=4
        ).value.sum()

    assert np.isfinite(jax.grad(total)(np.zeros_like(X))).all()


def test_correlated_errors_are_propagated_with_their_covariance():
    weights = np.array([1.0, -2.0, 0.5])

    def predict(x):
        return Predictive.gaussian(x @ weights, 0.1, 0.2)

    root = np.random.default_rng(0).normal(size=(2, 3, 3))
    covariance = root @ np.swapaxes(root, 1, 2)
    pred = predict_first_order(predict, X, covariance)
    expected = 0.1 + np.einsum("d,mde,e->m", weights, covariance, weights)
    np.testing.assert_allclose(pred.aleatoric, expected, rtol=1e-12)
    plain = predict_first_order(predict, X, VARIANCE)
    same = predict_first_order(predict, X, VARIANCE[:, None] * np.eye(3)[None])
    np.testing.assert_allclose(same.aleatoric, plain.aleatoric, rtol=1e-12)


def test_rows_with_noisy_features_have_less_weight(key):
    """The feature of half of the rows has a large known error."""
    rng = np.random.default_rng(1)
    exact = rng.normal(size=80)
    variance = np.where(np.arange(80) < 40, 4.0, 1e-6)[:, None]
    measured = exact[:, None] + np.sqrt(variance) * rng.normal(size=(80, 1))
    data = Dataset(measured, 3 * exact + 0.1 * rng.normal(size=80))
    model = BayesianLinear(Constant() + Known())
    with_errors = fit_first_order(model, data, variance, key=key)
    without_errors = fit_first_order(model, data, 0.0, key=key)
    slope = with_errors.coefficients.mean[1]
    attenuated = without_errors.coefficients.mean[1]
    # Errors of a feature bias its slope towards zero.
    assert attenuated < 1.5
    assert abs(slope - 3) < abs(attenuated - 3) - 0.3
    with pytest.raises(DataError, match=r"is NaN \(unknown\): leave this"):
        fit_first_order(model, data, np.nan, key=key)
    with pytest.raises(
        DataError, match=r"noise_variance of the dataset: add noise\.Known"
    ):
        fit_first_order(BayesianLinear(), data, variance, key=key)
