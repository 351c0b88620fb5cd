"""A stack predicts with a mixture whose weights maximise the density of held-out rows."""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.model_selection import GroupKFold, KFold

import battprob
from battprob import ClassPredictive, DataError, Dataset, LeakageWarning, Predictive
from battprob.evaluate import Stack, cross_validate, stack, stacking_weights
from battprob.inference import MAP, Laplace
from battprob.models import BayesianLinear
from tests.fakes import FakeModel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 2))
GROUPS = np.repeat(["A", "B", "C", "D"], 6)
Y = 2 * X[:, 0] + np.repeat([1.0, -1, 0.5, 0], 6) + 0.3 * RNG.normal(size=24)
DATA = Dataset(X, Y, groups=GROUPS)
MODELS = {
    "linear": BayesianLinear(),
    "batches": BayesianLinear(random_effects=True, inference=Laplace(4)),
}
SPLITS = KFold(3, shuffle=True, random_state=0)
GROUPS_NEW = ["A", "Z", None, "B", "C"]


@pytest.fixture(scope="module")
def stacked():
    with pytest.warns(LeakageWarning, match="rows of one group on both sides"):
        return stack(MODELS, DATA, splits=SPLITS, key=jax.random.key(0))


def test_predictions_are_the_mixture_of_the_models(stacked):
    new, y = X[:5] + 0.1, np.linspace(-1, 1, 5)
    pred = stacked.predict(new, groups=GROUPS_NEW)
    linear, batches = stacked.posteriors.values()
    parts = [linear.predict(new), batches.predict(new, groups=GROUPS_NEW)]
    weights = np.asarray(stacked.weights)
    densities = np.exp([part.log_prob(y) for part in parts])
    np.testing.assert_allclose(pred.log_prob(y), np.log(weights @ densities))
    np.testing.assert_allclose(pred.mean, weights @ [part.mean for part in parts])
    aleatoric = weights @ [part.aleatoric for part in parts]
    np.testing.assert_allclose(pred.aleatoric, aleatoric, rtol=1e-6)


def test_weights_favour_the_model_that_uses_known_batches(stacked):
    assert float(stacked.weights.sum()) == pytest.approx(1.0)
    # The splits hold out rows of known batches, so random effects improve the predictions.
    assert stacked.weights[1] > 0.8


def test_weights_are_those_of_the_cross_validated_densities(key):
    """The reference evaluates the normal densities of the held-out rows with NumPy."""
    models = {"zero": _constant(0.0), "one": _constant(1.0)}
    stacked = stack(models, DATA, splits=GroupKFold(2), key=key)
    densities = [-0.5 * (np.log(2 * np.pi) + (Y - mean) ** 2) for mean in (0.0, 1.0)]
    expected = stacking_weights(np.stack(densities, axis=1))
    np.testing.assert_allclose(stacked.weights, expected, rtol=1e-6)
    assert 0.05 < expected[0] < 0.95


def _constant(mean):
    return FakeModel(
        lambda part, key: (
            lambda x, known: Predictive.gaussian(np.full(len(x), mean), 1.0)
        )
    )


def test_functions_of_the_models_are_drawn_with_their_weights(stacked, key):
    new = X[:5]
    draws = stacked.sample_functions(new, key=key, num=4000, groups=GROUPS_NEW)
    pred = stacked.predict(new, groups=GROUPS_NEW)
    assert draws.shape == (4000, 5)
    error = np.asarray(draws.std(0)) / np.sqrt(4000)
    np.testing.assert_array_less(abs(draws.mean(0) - pred.mean), 4 * error + 0.02)


def test_conditioning_adds_rows_to_every_posterior(stacked):
    new = Dataset(X[:1] + 3, [9.0], groups=["A"])
    conditioned = stacked.condition(new)
    assert float(conditioned.predict(X[:1] + 3).epistemic[0]) < float(
        stacked.predict(X[:1] + 3).epistemic[0]
    )
    np.testing.assert_array_equal(conditioned.weights, stacked.weights)


def test_a_saved_stack_predicts_the_same(stacked, tmp_path):
    stacked.save(tmp_path / "stack.npz")
    loaded = battprob.load(tmp_path / "stack.npz")
    expected = stacked.predict(X, groups=GROUPS)
    for name in ("mean", "aleatoric", "epistemic"):
        np.testing.assert_array_equal(
            getattr(loaded.predict(X, groups=GROUPS), name), getattr(expected, name)
        )
    assert list(loaded.posteriors) == ["linear", "batches"]


def test_a_stack_is_a_model(key):
    models = {"map": BayesianLinear(inference=MAP()), "laplace": BayesianLinear()}
    spec = Stack(models, GroupKFold(2))
    posterior = spec.fit(DATA, key=key)
    assert not posterior.uses_groups
    assert np.all(np.isfinite(posterior.predict(X).interval(0.9)[0]))
    with pytest.raises(DataError, match="no model of the stack has random effects"):
        posterior.predict(X, groups=GROUPS)
    assert len(cross_validate(spec, DATA, splits=GroupKFold(2), key=key).folds) == 2


def test_probabilities_of_classifiers_are_averaged(key):
    def constant(p):
        return FakeModel(
            lambda part, key: (
                lambda x, known: ClassPredictive(0 * np.asarray(x)[None, :, 0] + p)
            )
        )

    data = Dataset(X, (Y > 0).astype(float))
    stacked = stack({"a": constant(0.2), "b": constant(0.9)}, data, key=key)
    expected = np.asarray(stacked.weights) @ [0.2, 0.9]
    np.testing.assert_allclose(stacked.predict(X).mean, expected)
    # The optimal mixture has the observed frequency of positives.
    np.testing.assert_allclose(expected, (Y > 0).mean(), atol=1e-3)


def test_censored_rows_do_not_enter_the_weights(key):
    is_censored = np.arange(24) % 3 == 0
    data = Dataset(X, Y, censored=is_censored)
    models = {"zero": _constant(0.0), "one": _constant(1.0)}
    stacked = stack(models, data, key=key)
    y = Y[~is_censored]
    densities = np.stack([-0.5 * (y - mean) ** 2 for mean in (0.0, 1.0)], axis=1)
    densities = densities - logsumexp(densities, axis=1, keepdims=True)
    np.testing.assert_allclose(stacked.weights, stacking_weights(densities), rtol=1e-6)


def test_a_dataset_with_censored_rows_only_raises(key):
    data = Dataset(X, Y, censored=np.ones(24))
    with pytest.raises(DataError, match="all held-out targets are censored"):
        stack({"zero": _constant(0.0)}, data, key=key)
