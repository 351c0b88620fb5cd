"""Model selection, stacking weights and reports from predictions of held-out rows."""

import json

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import optimize
from sklearn.model_selection import KFold

from battprob import (
    ClassPredictive,
    DataError,
    Dataset,
    LeakageWarning,
    Predictive,
    evaluate,
    plots,
)
from battprob.plots import comparison
from tests.fakes import FakeModel

NUM = 24
GROUPS = np.repeat(np.arange(6), 4)


def _constant(mean, variance):
    return FakeModel(
        lambda part, key: (
            lambda x, known: Predictive.gaussian(np.full(len(x), mean), variance)
        )
    )


GOOD, BAD = _constant(0.0, 1.0), _constant(2.0, 1.0)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    return Dataset(rng.normal(size=(NUM, 1)), rng.normal(size=NUM), groups=GROUPS)


@pytest.fixture(scope="module")
def report(dataset):
    models = {"bad": BAD, "good": GOOD}
    return evaluate.report(models, dataset, key=jax.random.key(0), progress=False)


def test_report_ranks_models_and_states_the_number_of_groups(report):
    assert report.best == "good"
    assert report.weights["good"] > 0.8
    rows = report.rows()
    assert rows[0] == ["model", *report.shown, "stacking"]
    scores = report.results["good"].scores
    assert rows[3][1] == f"{scores['rmse']:.4g} ± {scores.errors['rmse']:.2g}"
    assert report.notes[0] == "24 held-out targets in 6 groups."
    assert "from only 6 groups are themselves uncertain" in report.notes[1]
    assert "of good is better than that of bad" in report.notes[2]


def test_report_is_written_as_html_png_and_json(report, tmp_path):
    page = plots.write_report(report, tmp_path / "new")
    assert page.read_text().count("<tr>") == 3
    assert (tmp_path / "new" / "report.png").stat().st_size > 1000
    content = json.loads((tmp_path / "new" / "report.json").read_text())
    assert content["best"] == "good"
    model = content["models"]["good"]
    assert model["scores"]["crps"] == report.results["good"].scores["crps"]
    assert model["predictions"]["row"] == list(range(NUM))


def test_report_of_a_classifier_states_the_majority_rate(dataset):
    y = np.asarray(dataset.y) > 0.5
    data = Dataset(dataset.x, y.astype(float))
    constant = FakeModel(
        lambda part, key: lambda x, known: ClassPredictive(0 * x[None, :, 0] + 0.3)
    )
    report = evaluate.report(
        {"constant": constant}, data, splits=KFold(3), key=jax.random.key(0)
    )
    rate = f"{max(y.mean(), 1 - y.mean()):.1%}"
    notes = report.notes
    assert any("more frequent outcome" in note and rate in note for note in notes)
    assert report.results["constant"].scores["accuracy"] == pytest.approx(1 - y.mean())
    assert any("not significantly better than that: constant" in n for n in notes)


def test_figure_of_a_classifier_report_shows_curves_of_the_best_model(tmp_path):
    x = np.linspace(-1, 1, NUM)
    data = Dataset(x, x > 0.1)
    models = {
        name: FakeModel(
            lambda part, key, slope=slope: (
                lambda new, known: ClassPredictive(
                    0.5 + slope * np.clip(np.asarray(new)[None, :, 0], -1, 1)
                )
            )
        )
        for name, slope in (("right", 0.45), ("wrong", -0.45))
    }
    report = evaluate.report(
        models, data, splits=KFold(3), key=jax.random.key(0), progress=False
    )
    assert any("than that: wrong." in note for note in report.notes)
    figure = comparison._figure(report)
    labels = [ax.get_ylabel() for ax in figure.get_axes()]
    assert "observed frequency" in labels
    assert "true positive rate" in labels
    assert "precision" in labels
    assert any(sub.get_suptitle() == "right, held-out rows" for sub in figure.subfigs)
    figure.savefig(tmp_path / "report.png")
    plt.close(figure)


def test_stacking_weights_maximise_the_density_of_the_mixture():
    """The reference is a general optimiser of the same concave function."""
    density = np.exp(np.random.default_rng(1).normal(size=(40, 3)))

    def loss(weight):
        return -np.log(density @ weight).sum()

    best = optimize.minimize(
        loss,
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        tol=1e-12,
    )
    weight = np.asarray(evaluate.stacking_weights(np.log(density)))
    assert weight.sum() == pytest.approx(1.0)
    assert loss(weight) <= best.fun + 1e-6


def test_a_target_with_zero_density_under_all_models_is_named():
    with pytest.raises(DataError, match="target 1 has zero density"):
        evaluate.stacking_weights(np.array([[0.0, 0.0], [-np.inf, -np.inf]]))


def test_best_of_fits_the_model_with_the_highest_density(dataset, key):
    best = evaluate.BestOf({"bad": BAD, "good": GOOD})
    posterior = best.fit(dataset, key=key)
    np.testing.assert_array_equal(posterior.predict(dataset.x).mean, 0.0)
    nested = evaluate.cross_validate(best, dataset, key=key)
    plain = evaluate.cross_validate(GOOD, dataset, key=key)
    assert nested.scores["nlpd"] == pytest.approx(plain.scores["nlpd"])


def _batch_means(part, key):
    """Predicts the mean of the training rows of the same batch (the feature)."""
    x, y = np.asarray(part.x[:, 0]), np.asarray(part.y)

    def predict(new, known):
        new = np.asarray(new[:, 0])
        mean = [y[x == batch].mean() if (x == batch).any() else 0.0 for batch in new]
        return Predictive.gaussian(np.array(mean), 1.0)

    return predict


def test_leakage_is_detected_and_warned_about(key):
    rng = np.random.default_rng(2)
    y = 3 * rng.normal(size=6)[GROUPS] + 0.3 * rng.normal(size=NUM)
    data = Dataset(1.0 * GROUPS[:, None], y, groups=GROUPS)
    with pytest.warns(LeakageWarning, match="Use the grouped scores"):
        result = evaluate.leakage(FakeModel(_batch_means), data, key=key)
    assert result.random.scores["rmse"] < 0.5 * result.grouped.scores["rmse"]


@pytest.mark.filterwarnings("error")
def test_a_model_without_leakage_does_not_warn(dataset, key):
    result = evaluate.leakage(GOOD, dataset, key=key)
    assert result.comparison.differences["crps"] == pytest.approx(0.0)


def test_stratified_folds_contain_equal_parts_of_every_stratum():
    y = np.random.default_rng(3).normal(size=40)
    strata = np.argsort(np.argsort(y)) // 10
    for _, test in evaluate.StratifiedByTarget(5, 4).split(y, y):
        np.testing.assert_array_equal(np.bincount(strata[test], minlength=4), 2)
    groups = np.arange(40) // 2
    for train, test in evaluate.StratifiedByTarget(5, 4).split(y, y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_time_ordered_folds_train_on_earlier_rows_only():
    time = np.random.default_rng(4).permutation(20)
    for train, test in evaluate.TimeOrdered(time, 4).split(np.ones((20, 1))):
        assert time[train].max() < time[test].min()
    with pytest.raises(DataError, match="one entry for each of 3 rows"):
        list(evaluate.TimeOrdered(time).split(np.ones((3, 1))))
