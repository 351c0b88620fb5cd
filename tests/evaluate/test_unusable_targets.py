"""Every metric raises for targets that cannot be scored instead of skipping them."""

import numpy as np
import pytest

from battprob import DataError, Predictive, evaluate, transforms

METRICS = [
    evaluate.absolute_error,
    evaluate.squared_error,
    evaluate.percentage_error,
    evaluate.nlpd,
    evaluate.crps,
    evaluate.interval_score,
    evaluate.covered,
    evaluate.pit,
    evaluate.summary,
]
pred = Predictive.gaussian(np.zeros(3), 1.0)


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_targets_of_another_shape_raise(metric):
    with pytest.raises(DataError, match=r"shape \(3,\); got \(3, 1\)"):
        metric(pred, np.zeros((3, 1)))


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_the_error_of_a_missing_target_names_its_index(metric):
    with pytest.raises(
        DataError, match=r"index \[1\] and 0 more: .* Remove such targets"
    ):
        metric(pred, np.array([0.0, np.nan, 1.0]))


def test_a_life_of_zero_is_outside_the_domain_of_log():
    lives = Predictive.gaussian(np.zeros(3), 1.0, 0.0, transforms.Log())
    with pytest.raises(DataError, match=r"index \[0\] and 1 more: .* domain of Log"):
        evaluate.nlpd(lives, np.array([0.0, 1.0, -2.0]))


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0])
def test_a_level_that_is_not_a_probability_raises(level):
    with pytest.raises(ValueError, match=r"0.9 for 90 %; got"):
        evaluate.interval_width(pred, level=level)


def test_scores_have_the_shape_of_a_predictive_with_two_axes():
    spectrum = Predictive.gaussian(np.zeros((4, 2)), 1.0)
    assert evaluate.crps(spectrum, np.ones((4, 2))).shape == (4, 2)
