"""A campaign finds the best point; pending, failed and early tests are accounted for."""

import dataclasses

import jax
import numpy as np
import pytest

from battprob import DataError, Predictive, transforms
from battprob.design import Campaign
from tests.design.campaigns import (
    MODEL,
    SPACE,
    campaign_with_results,
    life,
    lives,
    new_campaign,
)


@pytest.fixture(scope="module")
def campaign():
    return campaign_with_results()


def test_initial_tests_are_one_sequence(campaign):
    """Assert that they do not depend on how many are asked for at a time."""
    first = new_campaign()
    together = first.ask(4)
    assert together.mean is None
    one = first.running(first.ask(1))
    assert [one.ask(1).points[0]] == list(together.points[1:2])
    assert len(campaign.results) == 6


def test_the_best_point_is_found_and_recommended(campaign):
    for _ in range(6):
        suggestions = campaign.ask()
        campaign = campaign.tell(suggestions, lives(suggestions.points))
    best = campaign.recommend()
    assert best.points[0]["salt"] == "y"
    assert abs(best.points[0]["rate"] - 4.3) < 0.1
    assert abs(best.mean[0] - 1000) < 5
    advice = campaign.advice(30.0)
    assert advice.probability > 0.9
    assert 0 <= advice.expected_gain < 30


def test_minimisation_mirrors_maximisation():
    """Assert that the negated target leads to the same suggestions."""
    maximising, minimising = campaign_with_results(), new_campaign(maximise=False)
    first = minimising.ask(6)
    minimising = minimising.tell(first, -lives(first.points))
    a, b = maximising.ask(), minimising.ask()
    assert a.points == b.points
    np.testing.assert_allclose(a.mean, -b.mean, rtol=1e-9)
    np.testing.assert_allclose(a.epistemic, b.epistemic, rtol=1e-6)


def test_suggestions_have_predictions(campaign):
    suggestions = campaign.ask()
    pred = campaign.predict(suggestions.points)
    np.testing.assert_allclose(suggestions.mean, pred.mean)
    np.testing.assert_allclose(suggestions.aleatoric, pred.aleatoric)
    np.testing.assert_allclose(suggestions.epistemic, pred.epistemic)
    assert np.isfinite(suggestions.value).all()
    assert str(suggestions).split()[:4] == ["test", "rate", "salt", "mean"]
    assert str(campaign.recommend()).split()[0] == "rate"
    record = campaign.running(suggestions).open_tests[0]
    assert record.epistemic_sd == pytest.approx(float(pred.epistemic[0]) ** 0.5)


def test_ask_is_deterministic(campaign):
    one, other = campaign.ask(2), campaign.ask(2)
    assert one.points == other.points
    assert one.ids == other.ids == (7, 8)
    np.testing.assert_array_equal(one.value, other.value)


def test_pending_tests_are_taken_into_account(campaign):
    """Assert that tests of a batch, and tests suggested meanwhile, differ."""
    batch = campaign.ask(2)
    assert batch.points[0] != batch.points[1]
    later = campaign.running(batch).ask(1)
    assert later.ids == (9,)
    assert later.points[0] not in batch.points


def test_results_may_arrive_one_by_one(campaign):
    batch = campaign.ask(2)
    running = campaign.running(batch)
    running = running.tell(batch.take(1), [life(batch.points[1])])
    assert [trial.id for trial in running.open_tests] == [7]
    running = running.tell([7], [life(batch.points[0])])
    assert len(running.results) == 8
    points = [{"rate": 2.0, "salt": "x"}]
    assert len(running.tell(points, [700.0]).results) == 9


def test_failed_tests_are_not_suggested_again(campaign):
    suggestions = campaign.ask()
    failed = campaign.fail(suggestions, "leak")
    assert failed.history.trials[7].failed == "leak"
    assert failed.open_tests == []
    assert len(failed.results) == len(campaign.results)
    moved = abs(failed.ask().points[0]["rate"] - suggestions.points[0]["rate"])
    assert moved > 1e-3


def test_an_early_prediction_is_replaced_by_the_result(campaign):
    suggestions = campaign.ask()
    early = Predictive.gaussian(np.array([960.0]), 50.0**2)
    predicted = campaign.tell_early(suggestions, early)
    data = predicted.dataset
    # While the bias is unknown, its prior variance is added: the variance doubles.
    assert (float(data.y[-1]), float(data.noise_variance[-1])) == (960.0, 2 * 2500.0)
    assert [trial.id for trial in predicted.open_tests] == [7]
    final = predicted.tell(suggestions, [990.0]).dataset
    assert (float(final.y[-1]), float(final.noise_variance[-1])) == (990.0, 0.0)
    assert final.num_rows == data.num_rows


def test_early_predictions_complete_the_initial_tests():
    suggestions = new_campaign().ask(6)
    early = Predictive.gaussian(lives(suggestions.points), np.full(6, 900.0))
    campaign = new_campaign().tell_early(suggestions, early)
    assert np.isfinite(campaign.ask().value).all()
    five = campaign.fail([1], "lost contact")
    assert five.ask().value is None


def test_bias_of_early_predictions_is_estimated():
    """Assert that tests with both give the bias that corrects the other tests."""
    campaign, rng = new_campaign(), np.random.default_rng(0)
    suggestions = campaign.ask(40)
    y = lives(suggestions.points)
    early = y + 60 + 10 * rng.normal(size=40)
    campaign = campaign.tell_early(
        suggestions, Predictive.gaussian(early, np.full(40, 100.0))
    )
    assert campaign.early_bias == (0.0, 0.0, 0)
    campaign = campaign.tell(suggestions.take(slice(30)), y[:30])
    bias = campaign.early_bias
    assert bias.num_tests == 30
    assert abs(bias.mean - 60) < 3 * bias.variance**0.5
    assert bias.variance == pytest.approx(100 / 31, rel=1e-3)
    data = campaign.dataset
    np.testing.assert_allclose(data.y[30:], early[30:] - bias.mean)
    np.testing.assert_allclose(data.noise_variance[30:], 100 + bias.variance)


def test_early_predictions_must_have_the_transform_of_the_campaign():
    """Assert that lognormal predictions enter a campaign of log lives exactly."""
    campaign = new_campaign(transform=transforms.Log())
    suggestions = campaign.ask(1)
    pred = Predictive.gaussian(np.array([6.9]), 0.01, 0.03, transforms.Log())
    trial = campaign.tell_early(suggestions, pred).history.trials[1]
    assert (trial.early, trial.early_variance) == pytest.approx((6.9, 0.04))
    with pytest.raises(DataError, match=r"has the transform Log.*have Identity"):
        campaign.tell_early(suggestions, Predictive.gaussian(np.array([990.0]), 9.0))


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (
            lambda c, s: c.tell(s, [float("nan")]),
            "y of test 7 must be finite; got nan",
        ),
        (lambda c, s: c.tell(s, [1.0, 2.0]), "one number for each of 1 tests"),
        (lambda c, s: c.tell(s, [1.0], unit="h"), "in cycles; got h"),
        (
            lambda c, s: c.tell(s, [1.0], noise_variance=[-1.0]),
            "noise_variance of test 7",
        ),
        (lambda c, s: c.tell([1], [1.0]), "test 1 already has a result"),
        (lambda c, s: c.tell([99], [1.0]), "no test 99"),
        (
            lambda c, s: c.tell([{"rate": 9.0, "salt": "x"}], [1.0]),
            "rate must lie between 1 and 8 1/h; got 9",
        ),
    ],
)
def test_invalid_results_change_nothing(tell, message, campaign):
    suggestions, before = campaign.ask(), campaign.history.events
    with pytest.raises(DataError, match=message):
        tell(campaign, suggestions)
    assert campaign.history.events is before
    assert len(campaign.tell(suggestions, [1.0]).results) == 7


def test_a_point_other_than_the_suggested_one_is_refused(campaign):
    suggestions = campaign.ask()
    running = campaign.running(suggestions)
    other = dataclasses.replace(suggestions, points=({"rate": 4.0, "salt": "x"},))
    with pytest.raises(DataError, match="test 7 was suggested at"):
        running.tell(other, [1.0])


def test_a_known_variance_that_the_model_does_not_use_is_refused():
    campaign = Campaign.start(SPACE, key=jax.random.key(0))
    with pytest.raises(DataError, match="does not use known variances"):
        campaign.tell(campaign.ask(), [1.0], noise_variance=[1.0])
    assert MODEL.noise.uses_known()
