"""Conformal intervals hold on new rows and new groups, where the model's own do not."""

import jax
import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut

from battprob import DataError, Dataset, Predictive, evaluate, transforms
from tests.fakes import FakeModel

GROUPS = 20
SIZES = np.r_[[200] * 2, [4] * 18]  # two large batches and eighteen small ones


def _said(num):
    """A model that knows nothing of batches and is overconfident."""
    return Predictive.gaussian(np.zeros(num), 0.25)


def _coverage_of_new_groups(seed, groups):
    """Share of rows of new batches inside intervals calibrated on 20 batches, and width."""
    rng = np.random.default_rng(seed)
    y = np.repeat(2 * rng.normal(size=GROUPS), SIZES) + 0.3 * rng.normal(
        size=SIZES.sum()
    )
    found = evaluate.ConformalInterval(0.9, groups).fit(_said(len(y)), y)
    low, high = (float(end[0]) for end in found.interval(_said(1)))
    new = 2 * rng.normal(size=2000) + 0.3 * rng.normal(size=2000)
    return np.mean((low <= new) & (new <= high)), high - low


def test_grouped_holds_on_new_groups_where_split_conformal_fails():
    batch = np.repeat(np.arange(GROUPS), SIZES)
    grouped = np.array([_coverage_of_new_groups(seed, batch) for seed in range(150)])
    split = np.array([_coverage_of_new_groups(seed, None) for seed in range(150)])
    assert grouped[:, 0].mean() >= 0.88
    assert split[:, 0].mean() < 0.8
    # The price: 2 * 1.645 * 2.02 = 6.65 would do, were the distribution known.
    assert 6.65 < grouped[:, 1].mean() < 10


def test_rows_are_covered_as_often_as_the_theory_says():
    """Assert coverage k / (n + 1) of the k-th of n scores, n = 30."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        y = rng.standard_t(3, 31) + 2
        found = evaluate.ConformalInterval(0.9).fit(_said(30), y[:30])
        low, high = found.interval(_said(1))
        inside.append(float(low[0]) <= y[30] <= float(high[0]))
    assert np.mean(inside) == pytest.approx(28 / 31, abs=0.045)


def test_the_stretch_does_not_depend_on_the_scale():
    """Assert that a log target and its logarithm give the same intervals."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=30)
    life = Predictive.gaussian(np.zeros(30), 0.25, 0.0, transforms.Log())
    on_log = evaluate.ConformalInterval(0.9).fit(_said(30), z)
    on_life = evaluate.ConformalInterval(0.9).fit(life, np.exp(z))
    assert on_life.stretch == pytest.approx(on_log.stretch)
    high = on_life.interval(life)[1]
    np.testing.assert_allclose(high, np.exp(on_log.interval(_said(30))[1]))


@pytest.mark.parametrize(
    ("num", "groups", "message"),
    [
        (8, None, "level 0.9 needs 9 calibration rows or more, and there are 8"),
        (40, np.arange(40) // 8, "9 calibration groups or more, .* 5: .*up to 0.83"),
    ],
)
def test_too_few_for_the_level_is_refused(num, groups, message):
    with pytest.raises(DataError, match=message):
        evaluate.ConformalInterval(0.9, groups).fit(_said(num), np.arange(num) / 9.0)


def test_nine_are_enough_for_nine_tenths():
    found = evaluate.ConformalInterval(0.9).fit(_said(9), np.arange(9.0))
    assert found.effective_size == 9
    assert float(found.interval(_said(1))[1][0]) == pytest.approx(8.0)


def test_mondrian_holds_in_each_class():
    rng = np.random.default_rng(0)
    classes = np.repeat(["calm", "wild"], 400)
    y = rng.normal(size=800) * np.where(classes == "calm", 0.2, 3.0)
    found = evaluate.MondrianInterval(0.9, classes).fit(_said(800), y)
    low, high = found.interval(_said(800), classes)
    new = rng.permutation(y[:400]), rng.permutation(y[400:])
    for rows, values in zip((slice(400), slice(400, None)), new, strict=True):
        inside = (low[rows] <= values) & (values <= high[rows])
        assert inside.mean() == pytest.approx(0.9, abs=0.01)
    with pytest.raises(DataError, match="class 'odd' has no calibration rows"):
        found.interval(_said(1), ["odd"])
    with pytest.raises(DataError, match="needs 9") as caught:
        evaluate.MondrianInterval(0.9, np.repeat(["a", "b"], [795, 5])).fit(
            _said(800), y
        )
    assert caught.value.__notes__ == ["in class 'b'"]


def _mean_of_training(dataset, key):
    mean = np.asarray(dataset.y).mean()
    return lambda x, known: Predictive.gaussian(np.full(len(x), mean), 1.0)


def test_jackknife_plus_is_its_definition(key):
    """Assert equality with equation 1.6 of Barber et al. for means of the others."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=19)
    data = Dataset(np.ones((19, 1)), y)
    found = evaluate.cross_conformal(
        FakeModel(_mean_of_training), data, LeaveOneOut(), level=0.8, key=key
    )
    low, high = found.interval(np.ones((2, 1)))
    others = (y.sum() - y) / 18
    residual = np.abs(y - others)
    assert found.effective_size == 19
    np.testing.assert_allclose(low, np.sort(others - residual)[3])  # 0.2 * 20 = 4th
    np.testing.assert_allclose(high, np.sort(others + residual)[15])


def test_cross_conformal_counts_groups(key):
    data = Dataset(np.ones((20, 1)), np.arange(20.0), groups=np.arange(20) // 4)
    found = evaluate.cross_conformal(
        FakeModel(_mean_of_training), data, level=0.8, key=key
    )
    assert found.effective_size == 5
    with pytest.raises(DataError, match="9 calibration groups or more"):
        evaluate.cross_conformal(
            FakeModel(_mean_of_training), data, level=0.9, key=jax.random.key(1)
        )
