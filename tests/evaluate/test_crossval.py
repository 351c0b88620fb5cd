"""`cross_validate` predicts each row by a model fitted without it, and scores it."""

import jax
import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.model_selection import KFold, LeaveOneOut, ShuffleSplit

from battprob import DataError, Dataset, Predictive, evaluate, transforms
from tests.fakes import FakeModel

NUM = 13


def _mean_of_training(dataset, key):
    """Predicts the mean and variance of the training targets for every row."""
    y = np.asarray(dataset.y)
    return lambda x, known: Predictive.gaussian(np.full(len(x), y.mean()), y.var())


model = FakeModel(_mean_of_training)


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    y = rng.normal(800.0, 200.0, NUM)
    return Dataset(rng.normal(size=(NUM, 2)), y, target_unit="cycles")


def test_each_row_is_predicted_by_a_model_fitted_without_it(dataset, key):
    splits = KFold(4)
    result = evaluate.cross_validate(model, dataset, splits=splits, key=key)
    y = np.asarray(dataset.y)
    for fold, (train, test) in zip(result.folds, splits.split(y), strict=True):
        np.testing.assert_array_equal(fold.indices, test)
        np.testing.assert_allclose(fold.predictive.mean, y[train].mean())
        np.testing.assert_allclose(fold.predictive.aleatoric, y[train].var())


def test_pooled_and_fold_scores_match_scikit_learn(dataset, key):
    result = evaluate.cross_validate(model, dataset, splits=KFold(4), key=key)
    y, mean = np.asarray(result.y), np.asarray(result.predictive.mean)
    np.testing.assert_allclose(y, np.asarray(dataset.y)[result.indices])
    assert result.scores["r2"] == pytest.approx(sk.r2_score(y, mean))
    assert result.scores["rmse"] == pytest.approx(sk.root_mean_squared_error(y, mean))
    whole = evaluate.summary(result.predictive, result.y, unit="cycles")
    assert result.scores.to_dict() == pytest.approx(whole.to_dict())
    for fold, scores in zip(result.folds, result.fold_scores, strict=True):
        expected = evaluate.summary(fold.predictive, dataset.y[fold.indices])
        assert scores.to_dict() == pytest.approx(expected.to_dict())


def test_folds_with_different_numbers_of_draws_are_pooled(dataset, key):
    def learn(part, key):
        draws = part.num_rows  # 9 or 10 training rows
        return lambda x, known: Predictive(
            np.full((draws, 1, len(x)), 800.0), 4e4, 0.0, 0.0
        )

    result = evaluate.cross_validate(
        FakeModel(learn), dataset, splits=KFold(4), key=key
    )
    y = np.asarray(dataset.y)
    assert result.scores["mae"] == pytest.approx(np.abs(y - 800.0).mean())


def test_default_split_holds_out_every_row_once_and_depends_on_the_key(dataset, key):
    first, same, other = (
        evaluate.cross_validate(model, dataset, key=k)
        for k in (key, key, jax.random.key(1))
    )
    assert len(first.folds) == 5
    assert sorted(first.indices) == list(range(NUM))
    np.testing.assert_array_equal(first.indices, same.indices)
    assert not np.array_equal(first.indices, other.indices)


def test_every_fold_is_fitted_with_a_different_key(dataset, key):
    keys = []

    def learn(part, key):
        keys.append(tuple(jax.random.key_data(key).tolist()))
        return _mean_of_training(part, key)

    evaluate.cross_validate(FakeModel(learn), dataset, splits=LeaveOneOut(), key=key)
    assert len(keys) == NUM
    assert len({*keys, tuple(jax.random.key_data(key).tolist())}) == NUM + 1


def test_noise_variances_of_held_out_rows_are_passed_to_predict(key):
    variance = np.arange(1.0, NUM + 1)
    data = Dataset(np.ones((NUM, 1)), np.arange(13.0), noise_variance=variance)
    noisy = FakeModel(
        lambda part, key: lambda x, known: Predictive.gaussian(6.0, known)
    )
    result = evaluate.cross_validate(noisy, data, splits=KFold(3), key=key)
    np.testing.assert_allclose(result.predictive.aleatoric, variance[result.indices])


def test_rows_held_out_twice_count_twice(dataset, key):
    splits = ShuffleSplit(3, test_size=4, random_state=0)
    result = evaluate.cross_validate(model, dataset, splits=splits, key=key)
    assert result.predictive.shape == result.y.shape == (12,)


def test_censored_rows_are_predicted_but_not_scored_and_the_table_counts_them(key):
    y = np.arange(100.0, 1300.0, 100.0)
    stopped = np.arange(12) % 6 == 5
    data = Dataset(np.ones((12, 1)), y, censored=stopped, transform=transforms.Log())
    result = evaluate.cross_validate(model, data, splits=KFold(3), key=key)
    exact = ~stopped[result.indices]
    error = np.abs(np.asarray(result.y - result.predictive.mean))
    assert result.scores["mae"] == pytest.approx(error[exact].mean())
    assert "2 censored rows were predicted but not scored" in result.table()


def test_table_has_one_line_per_fold_and_one_for_all_rows(dataset, key):
    result = evaluate.cross_validate(model, dataset, splits=KFold(4), key=key)
    lines = result.table().splitlines()
    assert lines[0].split()[:4] == ["fold", "rows", "mae", "rmse"]
    assert lines[1].split()[:2] == ["cycles", "cycles"]
    assert [line.split()[:2] for line in lines[2:]] == [
        ["0", "4"],
        ["1", "3"],
        ["2", "3"],
        ["3", "3"],
        ["all", "13"],
        ["±", f"{result.scores.errors['mae']:.2g}"],
    ]
    assert float(lines[-2].split()[2]) == pytest.approx(result.scores["mae"], rel=1e-3)


def test_the_error_of_a_failed_fit_names_the_fold(dataset, key):
    def learn(part, key):
        if float(part.y[0]) != float(dataset.y[0]):
            raise RuntimeError("no convergence")
        return _mean_of_training(part, key)

    with pytest.raises(RuntimeError, match="no convergence") as caught:
        evaluate.cross_validate(FakeModel(learn), dataset, splits=KFold(4), key=key)
    assert caught.value.__notes__ == ["while fitting fold 0 of 4 (from 0)"]


def test_a_padded_dataset_raises(dataset, key):
    with pytest.raises(DataError, match="cannot split a padded dataset"):
        evaluate.cross_validate(model, dataset.padded(), key=key)


def test_no_progress_bar_is_printed_outside_a_terminal(dataset, key, capsys):
    evaluate.cross_validate(model, dataset, splits=KFold(4), key=key)
    assert capsys.readouterr() == ("", "")


def test_groups_that_the_model_does_not_use_only_determine_the_splits(dataset, key):
    groups = np.arange(NUM) // 3
    seen = []

    def learn(part, key):
        seen.append(part.groups)
        return _mean_of_training(part, key)

    data = Dataset(dataset.x, dataset.y, groups=groups)
    for spec in (
        FakeModel(learn),
        evaluate.BestOf({"fake": FakeModel(learn)}),
        evaluate.Stack({"fake": FakeModel(learn)}),
    ):
        result = evaluate.cross_validate(spec, data, key=key)
        assert all(
            not set(groups[fold.indices])
            & set(groups[np.setdiff1d(np.arange(NUM), fold.indices)])
            for fold in result.folds
        )
    assert seen
    assert all(part is None for part in seen)
