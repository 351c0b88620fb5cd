"""Splits that divide a group warn; the default split does not divide groups."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut

from battprob import DataError, Dataset, LeakageWarning, Predictive, evaluate
from tests.fakes import FakeModel

BATCHES = np.repeat(["jan", "feb", "mar"], 4)
model = FakeModel(
    lambda part, key: lambda x, known: Predictive.gaussian(x[:, 0], 1.0),
)


def _dataset(groups):
    rng = np.random.default_rng(0)
    return Dataset(rng.normal(size=(12, 1)), rng.normal(size=12), groups=groups)


def test_default_split_keeps_groups_whole(key):
    data = _dataset(BATCHES)
    result = evaluate.cross_validate(model, data, key=key)
    assert len(result.folds) == 3
    held_out = [set(BATCHES[fold.indices]) for fold in result.folds]
    assert sorted(map(len, held_out)) == [1, 1, 1]
    assert set.union(*held_out) == set(BATCHES)


def test_a_split_that_divides_groups_warns_and_names_one(key):
    data = _dataset(BATCHES)
    # In each of six folds of two rows the group is on both sides; row 0 is in "jan".
    with pytest.warns(LeakageWarning, match=r"6 of 6 splits .* group 'jan'"):
        evaluate.cross_validate(model, data, splits=KFold(6), key=key)


@pytest.mark.parametrize("splits", [GroupKFold(2), LeaveOneGroupOut(), KFold(3)])
def test_whole_groups_do_not_warn(splits, key):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate.cross_validate(model, _dataset(BATCHES), splits=splits, key=key)


def test_rows_without_groups_do_not_warn(key):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate.cross_validate(model, _dataset(None), splits=KFold(6), key=key)


def test_a_single_group_cannot_be_split_by_default(key):
    with pytest.raises(DataError, match="all rows belong to one group"):
        evaluate.cross_validate(model, _dataset(np.repeat("jan", 12)), key=key)
