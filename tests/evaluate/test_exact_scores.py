"""Scores agree with scikit-learn or quadrature to 1e-10, with and without slices."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn import metrics as sk

from battprob import ClassPredictive, DataError, Predictive, evaluate
from battprob.evaluate import _chunks
from battprob.evaluate.regression import regression_scores

RNG = np.random.default_rng(0)
NUM = 150
P = np.round(RNG.random(NUM), 2) * 0.98 + 0.01
Y = RNG.random(NUM) < P
WEIGHTS = RNG.random(NUM)
pred = ClassPredictive(P[None])


@pytest.fixture(scope="module")
def mixture():
    """Predictions of five targets with four components (an even number) and three."""
    rng = np.random.default_rng(1)
    return {
        k: Predictive(
            rng.normal(size=(1, k, 5)),
            rng.uniform(0.01, 1.0, (1, k, 5)),
            0.1,
            rng.normal(size=(1, k, 5)),
        )
        for k in (3, 4)
    }


@pytest.mark.parametrize("components", [3, 4])
def test_crps_agrees_with_its_integral(mixture, components):
    pred, y = mixture[components], np.array([-3.0, -0.5, 0.0, 0.7, 4.0])
    got = evaluate.crps(pred, y)
    for row in range(5):
        scale = jnp.sqrt(pred.noise_variance + 0.1)
        mean, std, weight = (
            np.asarray(a)[0, :, row]
            for a in (pred.location, scale, jnp.exp(pred.log_weight))
        )

        def cdf(t, mean=mean, std=std, weight=weight):
            return weight @ stats.norm.cdf(t, mean, std)

        exact = {"epsabs": 1e-12, "epsrel": 1e-12, "limit": 200}
        below = integrate.quad(lambda t: cdf(t) ** 2, -15, y[row], **exact)[0]
        above = integrate.quad(lambda t: (1 - cdf(t)) ** 2, y[row], 15, **exact)[0]
        assert float(got[row]) == pytest.approx(below + above, abs=1e-10)


def test_pinball_agrees_with_scikit_learn_and_with_the_interval_score():
    y = RNG.normal(size=NUM)
    pred = Predictive.gaussian(0.3 * y, 0.5, 0.5)
    for p in (0.05, 0.5, 0.95):
        quantile = 0.3 * y + stats.norm.ppf(p)
        expected = sk.mean_pinball_loss(y, quantile, alpha=p)
        assert float(evaluate.pinball(pred, y, p).mean()) == pytest.approx(
            expected, abs=1e-12
        )
    ends = evaluate.pinball(pred, y, 0.05) + evaluate.pinball(pred, y, 0.95)
    np.testing.assert_allclose(
        evaluate.interval_score(pred, y), 2 / 0.1 * ends, rtol=1e-12
    )


def test_class_scores_agree_with_scikit_learn():
    scores = evaluate.summary(pred, Y)
    positive = P > 0.5
    expected = {
        "log_loss": sk.log_loss(Y, P),
        "brier": sk.brier_score_loss(Y, P),
        "auroc": sk.roc_auc_score(Y, P),
        "auprc": sk.average_precision_score(Y, P),
        "prevalence": Y.mean(),
        "accuracy": sk.accuracy_score(Y, positive),
        "majority_rate": max(Y.mean(), 1 - Y.mean()),
        "precision": sk.precision_score(Y, positive),
        "recall": sk.recall_score(Y, positive),
        "f1": sk.f1_score(Y, positive),
    }
    assert scores.to_dict() == pytest.approx(expected, abs=1e-10)


def test_weighted_curves_agree_with_scikit_learn():
    assert evaluate.roc(pred, Y, WEIGHTS).area == pytest.approx(
        sk.roc_auc_score(Y, P, sample_weight=WEIGHTS), abs=1e-12
    )
    curve = evaluate.precision_recall(pred, Y, WEIGHTS)
    assert curve.average == pytest.approx(
        sk.average_precision_score(Y, P, sample_weight=WEIGHTS), abs=1e-12
    )
    assert curve.prevalence == pytest.approx(WEIGHTS[Y].sum() / WEIGHTS.sum())


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_brier_score_is_the_sum_of_its_three_parts(weights):
    curve = evaluate.reliability(pred, Y, weights)
    parts = curve.miscalibration - curve.discrimination + curve.uncertainty
    expected = sk.brier_score_loss(Y, P, sample_weight=weights)
    assert parts == pytest.approx(expected, abs=1e-12)
    assert curve.miscalibration >= 0
    assert curve.discrimination >= 0
    assert np.all(np.diff(curve.observed) > 0)


@settings(max_examples=20, deadline=None)
@given(power=st.floats(0.2, 5.0), scale=st.floats(0.1, 1.0))
def test_ranking_scores_are_invariant_to_monotone_maps(power, scale):
    mapped = evaluate.summary(ClassPredictive(scale * P[None] ** power), Y)
    before = evaluate.summary(pred, Y)
    for name in ("auroc", "auprc"):
        assert mapped[name] == pytest.approx(before[name], abs=1e-12)
        assert mapped.errors[name] == pytest.approx(before.errors[name], abs=1e-12)


def test_calibration_error_is_the_mean_difference_of_coverage_and_level():
    pit = RNG.random(NUM) ** 1.5
    zero = np.zeros(NUM)
    columns = dict.fromkeys(("target", "mean", "low", "high", "nlpd", "crps"), zero)
    score = regression_scores(columns | {"pit": pit}, 0.9, "")["calibration_error"]
    level = np.arange(1, 100) / 100
    inside = (np.abs(2 * pit - 1)[None] <= level[:, None]).mean(1)
    assert score.value == pytest.approx(np.abs(inside - level).mean(), abs=1e-12)


@pytest.mark.parametrize("rows", [64, 100])
def test_slices_give_the_same_result_as_one_evaluation(monkeypatch, rows):
    """For a number of rows that the slice size divides, and one that it does not."""
    rng = np.random.default_rng(2)
    pred = Predictive(
        rng.normal(size=(2, 2, rows)), 0.3, 0.1, rng.normal(size=(2, 2, rows))
    )
    y = jnp.asarray(rng.normal(size=rows))
    monkeypatch.setattr(_chunks, "_NUMBERS_PER_SLICE", 32 * 4)
    got = _chunks.in_chunks(_both, pred, (y,))
    np.testing.assert_allclose(got[0], pred.log_prob(y), rtol=1e-14)
    np.testing.assert_allclose(got[1], pred.cdf(y), rtol=1e-14)


def _both(pred, y):
    return pred.log_prob(y), pred.cdf(y)


def test_targets_that_are_not_outcomes_raise():
    with pytest.raises(DataError, match=r"outcomes must be 0 or 1 .* index \[2\] is"):
        evaluate.summary(ClassPredictive([[0.1, 0.2, 0.3]]), [0, 1, 2])
    with pytest.raises(DataError, match=r"shape \(3,\); got \(2,\)"):
        evaluate.roc(ClassPredictive([[0.1, 0.2, 0.3]]), [0, 1])


def test_ranking_scores_of_equal_outcomes_are_nan():
    scores = evaluate.summary(ClassPredictive([[0.1, 0.2]]), [0, 0])
    assert np.isnan([scores["auroc"], scores["auprc"], scores["precision"]]).all()


def test_the_standard_error_of_an_infinite_score_is_nan():
    """The percentage error of a target of zero is infinite."""
    pred = Predictive.gaussian(np.ones(3), 1.0)
    scores = evaluate.summary(pred, np.array([0.0, 1.0, 2.0]))
    assert np.isinf(scores["mape"])
    assert np.isnan(scores.errors["mape"])
    assert np.isfinite(scores.errors["mae"])
