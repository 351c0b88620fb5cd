"""Improvements against their closed forms, and against draws."""

import functools
import types

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


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    return GaussianProcess().fit(Dataset(X, y), key=jax.random.key(0))


def laws(*preds):
    """Stand-ins for posteriors that predict whatever is asked."""
    return [types.SimpleNamespace(predict=lambda x, p=p: p) for p in preds]


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


def test_draws_that_disagree_are_averaged():
    pred = Predictive(
        jnp.array([[[0.0]], [[2.0]]]), 0.5, jnp.array([[[1.0]], [[0.25]]]), 0.0
    )
    (two,) = laws(pred)
    x = jnp.zeros((1, 1))
    each = [
        design.LogEI(1.0).values(laws(Predictive.gaussian([m], 0.5, [v]))[0], x)
        for m, v in ((0.0, 1.0), (2.0, 0.25))
    ]
    expected = np.log(np.mean(np.exp(each)))
    np.testing.assert_allclose(design.LogEI(1.0).values(two, x), expected, rtol=1e-12)


def test_of_latent_components_the_mean_function_is_improved():
    """Which protocol a new cell is on is chance: nothing to be gained by testing."""
    pred = Predictive(
        jnp.array([[[0.0], [4.0]]]),
        0.1,
        jnp.array([[[1.0], [9.0]]]),
        jnp.log(jnp.array([[[0.75], [0.25]]])),
    )
    mean, variance = 1.0, 0.75**2 * 1 + 0.25**2 * 9
    (own,) = laws(Predictive.gaussian([mean], 0.0, [variance]))
    values = [
        design.LogEI(2.0).values(p, jnp.zeros((1, 1))) for p in (*laws(pred), own)
    ]
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_of_a_classifier_the_probability_is_improved():
    (own,) = laws(ClassPredictive([[0.2], [0.9]]))
    value = design.LogEI(0.5).values(own, jnp.zeros((1, 1)))
    np.testing.assert_allclose(value, np.log(0.5 * 0.4), rtol=1e-6)


def test_a_hundred_deviations_below_the_best_there_is_still_a_slope():
    """Reference: 60-digit arithmetic; the improvement itself is below 1e-2000."""

    def value(mean):
        (own,) = laws(Predictive.gaussian(mean[None], 0.0, jnp.ones(1)))
        return design.LogEI(0.0).values(own, jnp.zeros((1, 1)))[0]

    at = jnp.asarray(-100.0)
    np.testing.assert_allclose(value(at), -5010.1295788002498, rtol=1e-14)
    np.testing.assert_allclose(jax.grad(value)(at), 100.01999400419587, rtol=1e-12)


def test_the_default_incumbent_is_the_best_mean_not_the_luckiest_outcome():
    acquisition = design.LogEI().prepare(posterior(), NEW, key=jax.random.key(0))
    best = np.max(np.asarray(posterior().predict(X).mean))
    np.testing.assert_allclose(acquisition.best, best, rtol=1e-9)
    assert best < np.max(np.asarray(posterior().dataset.y))


def expected_gain(rows, bar):
    """Of 100 000 joint draws at `rows`, over a function of them: mean, and its error."""
    drawn = np.asarray(
        posterior().sample_functions(rows, key=jax.random.key(3), num=100_000)
    )
    gain = np.maximum(drawn[:, :8] - bar(drawn)[:, None], 0)
    return gain.mean(0), gain.std(0) / np.sqrt(len(gain))


@pytest.mark.parametrize("running", [0, 2])
def test_noisy_improvement_is_that_of_joint_draws(running, monkeypatch):
    monkeypatch.setattr(improvement, "_DRAWS", 2048)
    pending = NEW[2 : 2 + running]
    acquisition = design.LogNEI().prepare(
        posterior(), NEW, key=jax.random.key(2), pending=pending
    )
    rows = np.concatenate([NEW, X, pending])
    gain, error = expected_gain(rows, lambda drawn: drawn[:, 8:].max(1))
    found = np.exp(acquisition(posterior(), NEW))
    # Rows that are running lie among those to beat: nothing is left to gain there.
    assert np.all(np.abs(found - gain) < 4 * error + 0.05 * gain + 5e-6)
    assert np.sum(gain > 1e-3) >= 1


@pytest.mark.parametrize("num", [60, 200])
def test_of_many_rows_those_that_may_be_best_are_kept(num):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(num, 1))
    own = GaussianProcess().fit(
        Dataset(x, np.sin(6 * x[:, 0]) + 0.2 * rng.normal(size=num)),
        key=jax.random.key(0),
    )
    acquisition = design.LogNEI().prepare(own, x, key=jax.random.key(1))
    kept = np.asarray(acquisition.given.places.rows)
    assert kept.shape == (32, 1)
    drawn = own.sample_functions(x, key=jax.random.key(3), num=1000)
    winners = x[np.argmax(drawn, axis=1)]
    assert np.mean(~np.isin(winners, kept)) < 0.05


def test_running_tests_are_to_be_improved_on_as_well():
    best = 0.7
    acquisition = design.LogEI(best).prepare(
        posterior(), NEW, key=jax.random.key(0), pending=NEW[2:4]
    )
    gain, error = expected_gain(NEW, lambda own: np.maximum(own[:, 2:4].max(1), best))
    found = np.exp(acquisition(posterior(), NEW))
    assert np.all(np.abs(found - gain) < 4 * error + 0.03 * gain + 1e-6)
    alone = np.exp(design.LogEI(best)(posterior(), NEW))
    assert np.all(found < alone)


def test_what_is_missing_is_said():
    with pytest.raises(DataError, match="prepare"):
        design.LogNEI()(posterior(), NEW)
    with pytest.raises(DataError, match="rows"):
        design.LogEI(0.0)(posterior(), NEW[None])
    with pytest.raises(DataError, match="finite in row 1"):
        design.LogEI(0.0)(posterior(), [0.0, np.nan])
    y = X[:, 0] > 0.5
    classes = GaussianProcessClassifier().fit(Dataset(X, y), key=jax.random.key(0))
    with pytest.raises(DataError, match="joint moments"):
        design.LogNEI().prepare(classes, NEW, key=jax.random.key(0))
