"""Models are chosen, mixed and reported by what they say of held-out rows."""

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


def test_report_ranks_models_and_says_from_how_much(report):
    assert report.best == "good"
    assert report.weights["good"] > 0.8
    rows = report.rows()
    assert rows[0] == ["model", *report.shown, "stacking"]
    scores = report.results["good"].scores
    assert rows[3][1] == f"{scores['rmse']:.4g} ± {scores.errors['rmse']:.2g}"
    assert report.notes[0] == "24 held-out targets in 6 groups."
    assert "from 6 groups are themselves uncertain" in report.notes[1]
    assert "good is better than bad" in report.notes[2]


def test_report_is_written_as_page_picture_and_json(report, tmp_path):
    page = plots.write_report(report, tmp_path / "new")
    assert page.read_text().count("<tr>") == 3
    assert (tmp_path / "new" / "report.png").stat().st_size > 1000
    kept = json.loads((tmp_path / "new" / "report.json").read_text())
    assert kept["best"] == "good"
    model = kept["models"]["good"]
    assert model["scores"]["crps"] == report.results["good"].scores["crps"]
    assert model["predictions"]["row"] == list(range(NUM))


def test_report_of_outcomes_names_the_majority_rate(dataset):
    y = np.asarray(dataset.y) > 0.5
    data = Dataset(dataset.x, y.astype(float))
    says = FakeModel(
        lambda part, key: lambda x, known: ClassPredictive(0 * x[None, :, 0] + 0.3)
    )
    found = evaluate.report({"constant": says}, data, KFold(3), jax.random.key(0))
    share = f"{max(y.mean(), 1 - y.mean()):.1%}"
    assert any("commoner outcome" in note and share in note for note in found.notes)
    assert found.results["constant"].scores["accuracy"] == pytest.approx(1 - y.mean())
    assert any("not shown to be better than that: constant" in n for n in found.notes)


def test_report_of_outcomes_shows_curves_of_the_best(tmp_path):
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
    found = evaluate.report(models, data, KFold(3), jax.random.key(0), progress=False)
    assert any("than that: wrong." in note for note in found.notes)
    figure = comparison._figure(found)
    labels = [ax.get_ylabel() for ax in figure.get_axes()]
    assert "share that came true" in labels
    assert "share of failing cells rejected" in labels
    assert "precision: share of rejected that fail" in labels
    assert any(sub.get_suptitle() == "right, held-out rows" for sub in figure.subfigs)
    figure.savefig(tmp_path / "report.png")
    plt.close(figure)


def test_stacking_weights_are_the_best_mixture():
    """Assert them against a general optimiser of the same concave function."""
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


def test_a_target_that_no_model_foresees_is_named():
    with pytest.raises(DataError, match="target 1 has no density"):
        evaluate.stacking_weights(np.array([[0.0, 0.0], [-np.inf, -np.inf]]))


def test_best_of_is_the_model_that_predicts(dataset, key):
    best = evaluate.BestOf({"bad": BAD, "good": GOOD})
    posterior = best.fit(dataset, key=key)
    np.testing.assert_array_equal(posterior.predict(dataset.x).mean, 0.0)
    nested = evaluate.cross_validate(best, dataset, key=key)
    plain = evaluate.cross_validate(GOOD, dataset, key=key)
    assert nested.scores["nlpd"] == pytest.approx(plain.scores["nlpd"])


def _remembers_groups(part, key):
    """The mean of the training rows of the same batch, whose number is the feature."""
    x, y = np.asarray(part.x[:, 0]), np.asarray(part.y)

    def answer(new, known):
        new = np.asarray(new[:, 0])
        mean = [y[x == one].mean() if (x == one).any() else 0.0 for one in new]
        return Predictive.gaussian(np.array(mean), 1.0)

    return answer


def test_leakage_is_found_and_told(key):
    rng = np.random.default_rng(2)
    y = 3 * rng.normal(size=6)[GROUPS] + 0.3 * rng.normal(size=NUM)
    data = Dataset(1.0 * GROUPS[:, None], y, groups=GROUPS)
    with pytest.warns(LeakageWarning, match="Believe the grouped scores"):
        found = evaluate.leakage(FakeModel(_remembers_groups), data, key=key)
    assert found.random.scores["rmse"] < 0.5 * found.grouped.scores["rmse"]


@pytest.mark.filterwarnings("error")
def test_no_leakage_no_warning(dataset, key):
    found = evaluate.leakage(GOOD, dataset, key=key)
    assert found.comparison.differences["crps"] == pytest.approx(0.0)


def test_stratified_folds_have_their_share_of_every_stratum():
    y = np.random.default_rng(3).normal(size=40)
    strata = np.argsort(np.argsort(y)) // 10
    for _, test in evaluate.StratifiedByTarget(5, 4).split(y, y):
        np.testing.assert_array_equal(np.bincount(strata[test], minlength=4), 2)
    groups = np.arange(40) // 2
    for train, test in evaluate.StratifiedByTarget(5, 4).split(y, y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_time_ordered_folds_learn_from_the_past_alone():
    time = np.random.default_rng(4).permutation(20)
    for train, test in evaluate.TimeOrdered(time, 4).split(np.ones((20, 1))):
        assert time[train].max() < time[test].min()
    with pytest.raises(DataError, match="one entry for each of 3 rows"):
        list(evaluate.TimeOrdered(time).split(np.ones((3, 1))))
