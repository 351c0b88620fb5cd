"""Conformal intervals cover new rows and new groups where the model's intervals do not."""

import jax
import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut

from battprob import DataError, Dataset, Predictive, evaluate, transforms
from tests.fakes import FakeModel

GROUPS = 20
SIZES = np.r_[[200] * 2, [4] * 18]  # two large batches and eighteen small ones


def _predicted(num):
    """Overconfident predictions that do not depend on the batch."""
    return Predictive.gaussian(np.zeros(num), 0.25)


def _coverage_of_new_groups(seed, groups):
    """Coverage of new batches by intervals calibrated on 20 batches, and their width."""
    rng = np.random.default_rng(seed)
    y = np.repeat(2 * rng.normal(size=GROUPS), SIZES) + 0.3 * rng.normal(
        size=SIZES.sum()
    )
    calibrated = evaluate.ConformalInterval(0.9).fit(
        _predicted(len(y)), y, groups=groups
    )
    low, high = (float(end[0]) for end in calibrated.interval(_predicted(1)))
    new = 2 * rng.normal(size=2000) + 0.3 * rng.normal(size=2000)
    return np.mean((low <= new) & (new <= high)), high - low


def test_intervals_calibrated_with_groups_cover_new_groups():
    batch = np.repeat(np.arange(GROUPS), SIZES)
    grouped = np.array([_coverage_of_new_groups(seed, batch) for seed in range(150)])
    split = np.array([_coverage_of_new_groups(seed, None) for seed in range(150)])
    assert grouped[:, 0].mean() >= 0.88
    assert split[:, 0].mean() < 0.8
    # If the distribution were known, the width would be 2 * 1.645 * 2.02 = 6.65.
    assert 6.65 < grouped[:, 1].mean() < 10


def test_coverage_of_exchangeable_rows_is_that_of_the_theory():
    """The coverage of the k-th of n scores is k / (n + 1), here with n = 30."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        y = rng.standard_t(3, 31) + 2
        calibrated = evaluate.ConformalInterval(0.9).fit(_predicted(30), y[:30])
        low, high = calibrated.interval(_predicted(1))
        inside.append(float(low[0]) <= y[30] <= float(high[0]))
    assert np.mean(inside) == pytest.approx(28 / 31, abs=0.045)


def test_the_factor_is_computed_on_the_scale_of_the_model():
    """A target with a log transform and its logarithm have the same intervals."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=30)
    life = Predictive.gaussian(np.zeros(30), 0.25, 0.0, transforms.Log())
    on_log = evaluate.ConformalInterval(0.9).fit(_predicted(30), z)
    on_life = evaluate.ConformalInterval(0.9).fit(life, np.exp(z))
    assert on_life.factor == pytest.approx(on_log.factor)
    high = on_life.interval(life)[1]
    np.testing.assert_allclose(high, np.exp(on_log.interval(_predicted(30))[1]))


@pytest.mark.parametrize(
    ("num", "groups", "message"),
    [
        (8, None, "level 0.9 needs 9 or more calibration rows; got 8, "),
        (40, np.arange(40) // 8, "9 or more calibration groups; got 5, .*up to 0.83"),
    ],
)
def test_too_few_rows_for_the_level_raise(num, groups, message):
    with pytest.raises(DataError, match=message):
        evaluate.ConformalInterval(0.9).fit(
            _predicted(num), np.arange(num) / 9.0, groups=groups
        )


def test_nine_rows_are_enough_for_level_0_9():
    calibrated = evaluate.ConformalInterval(0.9).fit(_predicted(9), np.arange(9.0))
    assert calibrated.effective_size == 9
    assert float(calibrated.interval(_predicted(1))[1][0]) == pytest.approx(8.0)


def test_mondrian_intervals_cover_each_class():
    rng = np.random.default_rng(0)
    classes = np.repeat(["low", "high"], 400)
    y = rng.normal(size=800) * np.where(classes == "low", 0.2, 3.0)
    calibrated = evaluate.MondrianInterval(0.9).fit(_predicted(800), y, classes=classes)
    low, high = calibrated.interval(_predicted(800), classes)
    new = rng.permutation(y[:400]), rng.permutation(y[400:])
    for rows, values in zip((slice(400), slice(400, None)), new, strict=True):
        inside = (low[rows] <= values) & (values <= high[rows])
        assert inside.mean() == pytest.approx(0.9, abs=0.01)
    with pytest.raises(DataError, match="class 'other' has no calibration rows"):
        calibrated.interval(_predicted(1), ["other"])
    with pytest.raises(DataError, match="needs 9") as caught:
        evaluate.MondrianInterval(0.9).fit(
            _predicted(800), y, classes=np.repeat(["a", "b"], [795, 5])
        )
    assert caught.value.__notes__ == ["in class 'b'"]


def _mean_of_training(dataset, key):
    mean = np.asarray(dataset.y).mean()
    return lambda x, known: Predictive.gaussian(np.full(len(x), mean), 1.0)


def test_jackknife_plus_agrees_with_its_definition(key):
    """Equation 1.6 of Barber et al. for predictions by the mean of the other rows."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=19)
    data = Dataset(np.ones((19, 1)), y)
    calibrated = evaluate.cross_conformal(
        FakeModel(_mean_of_training), data, splits=LeaveOneOut(), level=0.8, key=key
    )
    low, high = calibrated.interval(np.ones((2, 1)))
    others = (y.sum() - y) / 18
    residual = np.abs(y - others)
    assert calibrated.effective_size == 19
    np.testing.assert_allclose(low, np.sort(others - residual)[3])  # 0.2 * 20 = 4th
    np.testing.assert_allclose(high, np.sort(others + residual)[15])


def test_the_effective_size_of_cross_conformal_intervals_is_the_number_of_groups(key):
    data = Dataset(np.ones((20, 1)), np.arange(20.0), groups=np.arange(20) // 4)
    calibrated = evaluate.cross_conformal(
        FakeModel(_mean_of_training), data, level=0.8, key=key
    )
    assert calibrated.effective_size == 5
    with pytest.raises(DataError, match="9 or more calibration groups"):
        evaluate.cross_conformal(
            FakeModel(_mean_of_training), data, level=0.9, key=jax.random.key(1)
        )
