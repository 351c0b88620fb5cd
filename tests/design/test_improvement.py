"""Improvements agree with their closed forms and with joint draws."""

import functools
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from battprob import ClassPredictive, DataError, Dataset, Predictive, design
from battprob.design import improvement
from battprob.models import GaussianProcess, GaussianProcessClassifier

X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
ROW = jnp.asarray(np.zeros((1, 1)))


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=jax.random.key(0))


@eqx.filter_jit
def log_improvement(best, pred):
    """Values for a posterior with this prediction at any row, in one program."""
    fitted = types.SimpleNamespace(predict=lambda x: pred)
    return design.LogEI(best).values(fitted, ROW)


def test_expected_improvement_is_the_closed_form():
    pred, best = posterior().predict(NEW), 0.7
    sd = np.sqrt(pred.epistemic)
    z = (np.asarray(pred.mean) - best) / sd
    expected = np.log(sd * (norm.pdf(z) + z * norm.cdf(z)))
    np.testing.assert_allclose(
        design.LogEI(best)(posterior(), NEW), expected, rtol=1e-8
    )
    np.testing.assert_allclose(
        design.LogPI(best)(posterior(), NEW), norm.logcdf(z), rtol=1e-8
    )


def test_improvement_is_averaged_over_posterior_draws():
    pred = Predictive(
        np.array([[[0.0]], [[2.0]]]), 0.5, np.array([[[1.0]], [[0.25]]]), 0.0
    )
    each = [
        log_improvement(1.0, Predictive.gaussian([m], 0.5, [v]))
        for m, v in ((0.0, 1.0), (2.0, 0.25))
    ]
    expected = np.log(np.mean(np.exp(each)))
    value = log_improvement(1.0, pred)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_for_latent_components_the_mean_function_is_improved():
    """The protocol of a new cell is random: a test cannot improve it."""
    pred = Predictive(
        np.array([[[0.0], [4.0]]]),
        0.1,
        np.array([[[1.0], [9.0]]]),
        np.log(np.array([[[0.75], [0.25]]])),
    )
    mean, variance = 1.0, 0.75**2 * 1 + 0.25**2 * 9
    equivalent = Predictive.gaussian([mean], 0.0, [variance])
    values = [log_improvement(2.0, p) for p in (pred, equivalent)]
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_for_a_classifier_the_probability_is_improved():
    value = log_improvement(0.5, ClassPredictive([[0.2], [0.9]]))
    np.testing.assert_allclose(value, np.log(0.5 * 0.4), rtol=1e-6)


def test_the_gradient_remains_a_hundred_deviations_below_the_best():
    """Reference: arithmetic with 60 digits; the improvement itself is below 1e-2000."""

    @jax.jit
    @jax.value_and_grad
    def value_and_slope(mean):
        pred = Predictive.gaussian(mean[None], 0.0, jnp.ones(1))
        return log_improvement(0.0, pred)[0]

    value, slope = value_and_slope(-100.0)
    np.testing.assert_allclose(value, -5010.1295788002498, rtol=1e-14)
    np.testing.assert_allclose(slope, 100.01999400419587, rtol=1e-12)


def test_the_default_incumbent_is_the_best_mean_not_the_best_outcome():
    acquisition = design.LogEI().prepare(posterior(), NEW, key=jax.random.key(0))
    best = np.max(np.asarray(posterior().predict(X).mean))
    np.testing.assert_allclose(acquisition.best, best, rtol=1e-9)
    assert best < np.max(np.asarray(posterior().dataset.y))


def expected_gain(rows, best):
    """Mean gain over `best(draws)` in 100 000 joint draws, and its standard error."""
    drawn = np.asarray(
        posterior().sample_functions(rows, key=jax.random.key(3), num=100_000)
    )
    gain = np.maximum(drawn[:, :8] - best(drawn)[:, None], 0)
    return gain.mean(0), gain.std(0) / np.sqrt(len(gain))


@pytest.mark.parametrize("num_pending", [0, 2])
def test_noisy_improvement_agrees_with_joint_draws(num_pending, monkeypatch):
    monkeypatch.setattr(improvement, "_NUM_FANTASIES", 2048)
    pending = NEW[2 : 2 + num_pending]
    acquisition = design.LogNEI().prepare(
        posterior(), NEW, key=jax.random.key(2), pending=pending
    )
    rows = np.concatenate([NEW, X, pending])
    gain, error = expected_gain(rows, lambda drawn: drawn[:, 8:].max(1))
    values = np.exp(acquisition(posterior(), NEW))
    # Pending rows are among those to improve on: the gain there is zero.
    assert np.all(np.abs(values - gain) < 4 * error + 0.05 * gain + 5e-6)
    assert np.sum(gain > 1e-3) >= 1


def test_of_many_rows_those_that_may_be_best_are_used(monkeypatch):
    monkeypatch.setattr(improvement, "_MOST_DRAWN", 40)
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 1))
    fitted = GaussianProcess().fit(
        Dataset(x, np.sin(6 * x[:, 0]) + 0.2 * rng.normal(size=60)),
        key=jax.random.key(0),
    )
    acquisition = design.LogNEI().prepare(fitted, x, key=jax.random.key(1))
    used = np.asarray(acquisition.fantasies.points.rows)
    assert used.shape == (32, 1)
    drawn = fitted.sample_functions(x, key=jax.random.key(3), num=1000)
    winners = x[np.argmax(drawn, axis=1)]
    assert np.mean(~np.isin(winners, used)) < 0.05


def test_pending_tests_must_be_improved_on_as_well():
    best = 0.7
    acquisition = design.LogEI(best).prepare(
        posterior(), NEW, key=jax.random.key(0), pending=NEW[2:4]
    )
    gain, error = expected_gain(
        NEW, lambda drawn: np.maximum(drawn[:, 2:4].max(1), best)
    )
    values = np.exp(acquisition(posterior(), NEW))
    assert np.all(np.abs(values - gain) < 4 * error + 0.03 * gain + 1e-6)
    without_pending = np.exp(design.LogEI(best)(posterior(), NEW))
    assert np.all(values < without_pending)


def test_errors_say_what_is_missing():
    with pytest.raises(DataError, match="prepare"):
        design.LogNEI()(posterior(), NEW)
    with pytest.raises(DataError, match="rows"):
        design.LogEI(0.0)(posterior(), NEW[None])
    with pytest.raises(DataError, match="finite in row 1, column 0"):
        design.LogEI(0.0)(posterior(), [0.0, np.nan])
    y = X[:, 0] > 0.5
    classes = GaussianProcessClassifier().fit(Dataset(X, y), key=jax.random.key(0))
    with pytest.raises(DataError, match="joint moments"):
        design.LogNEI().prepare(classes, NEW, key=jax.random.key(0))
