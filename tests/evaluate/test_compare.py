"""`compare` pairs rows and keeps groups: it finds real differences and no others."""

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
    found = evaluate.compare(_scores(y, first), _scores(y, second))
    expected = stats.ttest_rel(np.abs(y - first), np.abs(y - second))
    assert found.p_values["mae"] == pytest.approx(expected.pvalue)
    assert found.differences["mae"] / found.errors["mae"] == pytest.approx(
        expected.statistic
    )


def test_pairing_finds_what_two_separate_errors_would_hide():
    rng = np.random.default_rng(1)
    y = 3 * rng.normal(size=NUM)
    better, worse = _scores(y, 0.05 * y), _scores(y, 0.0 * y)
    found = evaluate.compare(better, worse)
    assert abs(found.differences["mae"]) < better.errors["mae"]
    assert found.p_values["mae"] < 1e-6
    line = next(one for one in repr(found).splitlines() if one.startswith("mae"))
    assert line.endswith("yes")


def test_a_difference_of_one_batch_is_no_difference_of_models():
    """Assert that chance by batch is called so 19 times in 20, where rows alone fail."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), 10)
    by_group, by_row = [], []
    for _ in range(60):
        y = rng.normal(size=NUM)
        shift = rng.normal(size=(2, 6))[:, groups]
        first, second = y + shift + 0.1 * rng.normal(size=(2, NUM))
        for codes, found in ((groups, by_group), (None, by_row)):
            pair = _scores(y, first, codes), _scores(y, second, codes)
            found.append(evaluate.compare(*pair).p_values["mae"] < 0.05)
    assert np.mean(by_row) > 0.3
    assert np.mean(by_group) < 0.15


def test_a_model_does_not_differ_from_itself():
    y = 1 + np.arange(8.0)
    same = _scores(y, y + 1)
    found = evaluate.compare(same, same)
    assert set(found.differences.values()) <= {0.0}
    assert min(found.p_values.values()) == 1.0


def test_scores_of_other_targets_are_refused():
    y = 1 + np.arange(8.0)
    with pytest.raises(DataError, match="same targets in the same order"):
        evaluate.compare(_scores(y, y), _scores(y[::-1], y))
    with pytest.raises(DataError, match="same targets in the same order"):
        evaluate.compare(_scores(y, y), _scores(y, y, np.arange(8) // 2))
