"""`compare` pairs rows and sums over groups: it detects true differences only."""

import numpy as np
import pytest
from scipy import stats

from battprob import DataError, Predictive, evaluate

NUM = 60


def _scores(y, mean, groups=None):
    return evaluate.summary(Predictive.gaussian(mean, 1.0), y, groups)


def test_without_groups_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    y = rng.normal(size=NUM)
    first, second = rng.normal(size=(2, NUM)) * [[0.3], [0.4]] + y
    result = evaluate.compare(_scores(y, first), _scores(y, second))
    expected = stats.ttest_rel(np.abs(y - first), np.abs(y - second))
    assert result.p_values["mae"] == pytest.approx(expected.pvalue)
    assert result.differences["mae"] / result.errors["mae"] == pytest.approx(
        expected.statistic
    )


def test_pairing_detects_a_difference_smaller_than_the_separate_errors():
    rng = np.random.default_rng(1)
    y = 3 * rng.normal(size=NUM)
    better, worse = _scores(y, 0.05 * y), _scores(y, 0.0 * y)
    result = evaluate.compare(better, worse)
    assert abs(result.differences["mae"]) < better.errors["mae"]
    assert result.p_values["mae"] < 1e-6
    line = next(line for line in repr(result).splitlines() if line.startswith("mae"))
    assert line.endswith("yes")


def test_random_offsets_of_batches_are_not_a_difference_of_models():
    """The test over groups has its nominal size; the test over rows rejects too often."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), 10)
    by_group, by_row = [], []
    for _ in range(60):
        y = rng.normal(size=NUM)
        shift = rng.normal(size=(2, 6))[:, groups]
        first, second = y + shift + 0.1 * rng.normal(size=(2, NUM))
        for codes, rejected in ((groups, by_group), (None, by_row)):
            pair = _scores(y, first, codes), _scores(y, second, codes)
            rejected.append(evaluate.compare(*pair).p_values["mae"] < 0.05)
    assert np.mean(by_row) > 0.3
    assert np.mean(by_group) < 0.15


def test_a_model_does_not_differ_from_itself():
    y = 1 + np.arange(8.0)
    same = _scores(y, y + 1)
    result = evaluate.compare(same, same)
    assert set(result.differences.values()) <= {0.0}
    assert min(result.p_values.values()) == 1.0


def test_scores_of_different_targets_raise():
    y = 1 + np.arange(8.0)
    with pytest.raises(DataError, match="same targets in the same order"):
        evaluate.compare(_scores(y, y), _scores(y[::-1], y))
    with pytest.raises(DataError, match="same targets in the same order"):
        evaluate.compare(_scores(y, y), _scores(y, y, np.arange(8) // 2))
