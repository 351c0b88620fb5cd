"""Standard errors agree with a bootstrap over groups and with finite differences."""

import numpy as np
import pytest
from sklearn import metrics as sk

from battprob import ClassPredictive, DataError, Predictive, evaluate
from battprob.evaluate.classification import class_scores
from battprob.evaluate.regression import regression_scores

NUM, GROUPS = 240, 40


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def grouped(rng):
    """Predictions correlated with the target, with errors correlated within groups."""
    groups = rng.integers(0, GROUPS, NUM)
    y = 1 + rng.normal(size=GROUPS)[groups] + 0.5 * rng.normal(size=NUM)
    mean = 0.5 + 0.4 * y + 0.5 * rng.normal(size=NUM)
    return Predictive.gaussian(mean, 0.5), y, groups


def _bootstrap(groups, rng, statistic, num=1500):
    """Standard deviation of a statistic over bootstrap samples of whole groups."""
    rows = [np.flatnonzero(groups == g) for g in range(GROUPS)]
    draws = rng.integers(0, GROUPS, (num, GROUPS))
    return np.std([statistic(np.concatenate([rows[g] for g in d])) for d in draws])


REGRESSION = ["mae", "rmse", "r2", "trimmed_mae", "median_ae", "coverage", "nlpd"]


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_errors_agree_with_the_bootstrap(grouped, rng, name):
    pred, y, groups = grouped
    table = evaluate.summary(pred, y, groups)
    mean = np.asarray(pred.mean)
    columns = {
        "target": y,
        "mean": mean,
        "nlpd": np.asarray(evaluate.nlpd(pred, y)),
        "crps": y,
        "pit": np.asarray(evaluate.pit(pred, y)),
        "low": mean - 1.645 * 0.5**0.5,
        "high": mean + 1.645 * 0.5**0.5,
    }

    def statistic(rows):
        part = {key: column[rows] for key, column in columns.items()}
        return regression_scores(part, 0.9, "")[name].value

    # The linearisation is less accurate for a ratio or a median of few groups.
    tolerance = {"median_ae": 0.3, "r2": 0.2}.get(name, 0.12)
    expected = _bootstrap(groups, rng, statistic)
    assert table.errors[name] == pytest.approx(expected, rel=tolerance)


CLASSES = ["log_loss", "auroc", "auprc", "precision", "f1"]


@pytest.mark.parametrize("name", CLASSES)
def test_class_errors_agree_with_the_bootstrap(rng, name):
    groups = rng.integers(0, GROUPS, NUM)
    p = 1 / (1 + np.exp(-rng.normal(size=GROUPS)[groups] - rng.normal(size=NUM)))
    p = np.round(p, 1) * 0.98 + 0.01  # with ties
    y = rng.random(NUM) < p
    table = evaluate.summary(ClassPredictive(p[None]), y, groups)
    columns = {
        "target": y,
        "probability": p,
        "log_loss": -np.log(np.where(y, p, 1 - p)),
    }

    def statistic(rows):
        part = {key: column[rows] for key, column in columns.items()}
        return class_scores(part)[name].value

    assert table.errors[name] == pytest.approx(
        _bootstrap(groups, rng, statistic), rel=0.12
    )


@pytest.mark.parametrize(
    ("name", "score"),
    [("auroc", sk.roc_auc_score), ("auprc", sk.average_precision_score)],
)
def test_influence_is_the_derivative_with_respect_to_the_weight(rng, name, score):
    """The reference is finite differences of scikit-learn's weighted scores."""
    p, y = np.round(rng.random(30), 1), rng.random(30) < 0.4
    columns = {"target": y, "probability": p, "log_loss": p}
    result = class_scores(columns)[name]
    step = 1e-6 * np.eye(30)
    slopes = [
        score(y, p, sample_weight=1 + s) - score(y, p, sample_weight=1 - s)
        for s in step
    ]
    np.testing.assert_allclose(
        result.influence, 30 * np.array(slopes) / 2e-6, atol=1e-6
    )
    assert result.value == pytest.approx(score(y, p), abs=1e-12)


def test_the_error_of_a_mean_without_groups_is_the_textbook_formula(grouped):
    pred, y, _ = grouped
    error = np.abs(y - np.asarray(pred.mean))
    expected = error.std(ddof=1) / np.sqrt(NUM)
    assert evaluate.summary(pred, y).errors["mae"] == pytest.approx(expected)


def test_correlated_errors_within_groups_increase_the_standard_error(grouped):
    pred, y, groups = grouped
    by_row = evaluate.summary(pred, y).errors["mae"]
    assert evaluate.summary(pred, y, groups).errors["mae"] > 1.3 * by_row


def test_the_standard_error_of_one_group_is_nan(grouped):
    pred, y, _ = grouped
    table = evaluate.summary(pred, y, np.zeros(NUM))
    assert all(np.isnan(error) for error in table.errors.values())
    assert "± ?" in repr(table)


def test_groups_of_another_length_raise(grouped):
    pred, y, _ = grouped
    with pytest.raises(DataError, match="one name for each of the 240 targets"):
        evaluate.summary(pred, y, np.zeros(3))
