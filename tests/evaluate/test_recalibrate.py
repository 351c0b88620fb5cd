"""Recalibration corrects over- and underconfidence, and reports its effective size."""

import numpy as np
import pytest
from scipy import stats

from battprob import ClassPredictive, DataError, Predictive, evaluate, transforms

NUM = 400


@pytest.fixture(scope="module")
def overconfident():
    """Mixtures of two components, and targets with twice the standard deviation."""
    rng = np.random.default_rng(0)
    location = np.stack([np.zeros(NUM), np.ones(NUM)])[None]
    pred = Predictive(location, 0.2, 0.3, 0.0, transforms.Log())
    z = 0.5 + 2 * np.sqrt(0.75) * rng.normal(size=NUM)
    return pred, np.exp(z)


def test_scaled_variance_makes_the_mean_squared_standardised_error_one(overconfident):
    pred, y = overconfident
    scaling = evaluate.VarianceScaling().fit(pred, y)
    scaled = scaling(pred)
    log_scale = Predictive(
        scaled.location, scaled.noise_variance, scaled.function_variance, 0.0
    )
    square = (np.log(y) - log_scale.mean) ** 2 / log_scale.variance
    assert float(square.mean()) == pytest.approx(1.0)
    assert scaling.factor == pytest.approx(4.0, rel=0.15)
    assert scaling.effective_size == NUM
    np.testing.assert_allclose(log_scale.aleatoric, scaling.factor * 0.6)
    np.testing.assert_allclose(log_scale.epistemic, scaling.factor * 0.15)


def test_all_groups_have_the_same_weight(overconfident):
    pred, y = overconfident
    groups = np.repeat(np.arange(6), [395, 1, 1, 1, 1, 1])
    scaling = evaluate.VarianceScaling().fit(pred, y, groups=groups)
    square = (np.log(y) - 0.5) ** 2 / 0.75
    expected = (square[:395].mean() + square[395:].sum()) / 6
    assert scaling.factor == pytest.approx(expected)
    assert scaling.effective_size == 6


def test_recalibrated_quantiles_cover_new_rows(overconfident):
    pred, y = overconfident
    half = NUM // 2
    before = evaluate.summary(pred, y)["coverage"]
    recalibrated = evaluate.QuantileRecalibration().fit(
        pred.take(slice(half)), y[:half]
    )
    low, high = recalibrated.interval(pred.take(slice(half, None)), 0.8)
    inside = (low <= y[half:]) & (y[half:] <= high)
    assert before < 0.7
    assert stats.binomtest(int(inside.sum()), half, 0.8).pvalue > 0.01


def test_recalibrated_cdf_and_quantile_are_inverse(overconfident):
    pred, y = overconfident
    recalibrated = evaluate.QuantileRecalibration().fit(pred, y)
    for p in (0.02, 0.5, 0.9):
        quantile = recalibrated.quantile(pred, p)
        np.testing.assert_allclose(recalibrated.cdf(pred, quantile), p, rtol=1e-6)
    assert np.all(np.diff(recalibrated.observed) > 0)


def test_isotonic_probabilities_are_the_observed_frequencies():
    rng = np.random.default_rng(0)
    truth = rng.random(2000)
    y = rng.random(2000) < truth
    p = ClassPredictive(np.stack([truth**3, truth**3]))
    recalibrated = evaluate.IsotonicRecalibration().fit(p, y)
    before = evaluate.reliability(p, y)
    after = evaluate.reliability(recalibrated(p), y)
    assert after.miscalibration < 1e-12
    assert before.miscalibration > 0.02
    assert after.discrimination == pytest.approx(before.discrimination)
    assert recalibrated.effective_size == 2000


@pytest.mark.parametrize(
    "recalibration", [evaluate.VarianceScaling, evaluate.QuantileRecalibration]
)
def test_too_few_groups_raise(recalibration, overconfident):
    pred, y = overconfident
    with pytest.raises(DataError, match="5 or more independent groups; got 4"):
        recalibration().fit(pred, y, groups=np.arange(NUM) // 100)


def test_a_prediction_with_zero_variance_raises():
    pred = Predictive.gaussian(np.zeros(6), 0.0)
    with pytest.raises(DataError, match=r"index \[0\] has zero variance"):
        evaluate.VarianceScaling().fit(pred, np.ones(6))
