"""`summary` agrees with scikit-learn on the errors of the mean."""

import numpy as np
import pytest
from sklearn import metrics as sk

from battprob import Predictive, evaluate, transforms


@pytest.fixture(params=[None, transforms.Log()], ids=["identity", "log"])
def scored(request):
    rng = np.random.default_rng(0)
    location = rng.normal(6.0, 0.5, 30)
    pred = Predictive.gaussian(location, 0.02, 0.03, request.param)
    return pred, np.asarray(pred.mean) * rng.lognormal(0.0, 0.2, 30)


def test_summary_matches_scikit_learn(scored):
    pred, y = scored
    scores = evaluate.summary(pred, y)
    mean = np.asarray(pred.mean)
    assert scores["mae"] == pytest.approx(sk.mean_absolute_error(y, mean))
    assert scores["rmse"] == pytest.approx(sk.root_mean_squared_error(y, mean))
    assert scores["r2"] == pytest.approx(sk.r2_score(y, mean))
    per_cent = 100 * sk.mean_absolute_percentage_error(y, mean)
    assert scores["mape"] == pytest.approx(per_cent)


def test_row_functions_average_to_the_summary(scored):
    pred, y = scored
    scores = evaluate.summary(pred, y, level=0.8)
    rows = {
        "mae": evaluate.absolute_error(pred, y),
        "rmse": evaluate.squared_error(pred, y),
        "mape": evaluate.percentage_error(pred, y),
        "nlpd": evaluate.nlpd(pred, y),
        "crps": evaluate.crps(pred, y),
        "interval_score": evaluate.interval_score(pred, y, level=0.8),
        "coverage": evaluate.covered(pred, y, level=0.8),
        "sharpness": evaluate.interval_width(pred, level=0.8),
    }
    assert {row.shape for row in rows.values()} == {(30,)}
    averages = {name: float(row.mean()) for name, row in rows.items()}
    averages["rmse"] **= 0.5
    expected = {name: scores[name] for name in rows}
    assert averages == pytest.approx(expected)


def test_r2_is_nan_when_the_targets_do_not_vary():
    pred = Predictive.gaussian(np.array([1.0, 2.0]), 1.0)
    assert np.isnan(evaluate.summary(pred, np.array([3.0, 3.0]))["r2"])


def test_table_names_the_unit_and_the_level():
    pred = Predictive.gaussian(np.array([400.0, 600.0]), 900.0)
    scores = evaluate.summary(pred, np.array([410.0, 630.0]), level=0.5, unit="cycles")
    lines = {line.split()[0]: line.split() for line in str(scores).splitlines()}
    assert lines["mae"] == ["mae", "20", "±", "10", "cycles"]
    assert lines["nlpd"][4:] == ["nats"]
    assert lines["coverage"] == ["coverage", "0.5", "±", "0.5", "nominal", "0.5"]
    assert list(scores.to_dict()) == list(lines)
    assert scores.to_dict()["mae"] == scores["mae"]
