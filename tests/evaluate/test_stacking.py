"""A stack predicts with the mixture whose weights held-out rows chose."""

import jax
import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold

from battprob import DataError, Dataset
from battprob.evaluate import Stack, stack, stacking_weights
from battprob.inference import MAP, Laplace
from battprob.models import BayesianLinear, GaussianProcess

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 2))
GROUPS = np.repeat(["A", "B", "C", "D"], 6)
Y = 2 * X[:, 0] + np.repeat([1.0, -1, 0.5, 0], 6) + 0.3 * RNG.normal(size=24)
DATA = Dataset(X, Y, groups=GROUPS)
MODELS = {
    "line": BayesianLinear(),
    "batches": BayesianLinear(random_effects=True, inference=Laplace(4)),
}
SPLITS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def stacked():
    return stack(MODELS, DATA, SPLITS, key=jax.random.key(0))


def test_the_mixture_is_that_of_the_models(stacked):
    new, y = X[:5] + 0.1, np.linspace(-1, 1, 5)
    names = ["A", "Z", None, "B", "C"]
    pred = stacked.predict(new, groups=names)
    line, batches = stacked.posteriors.values()
    parts = [line.predict(new), batches.predict(new, groups=names)]
    densities = np.exp([part.log_prob(y) for part in parts])
    expected = np.log(np.asarray(stacked.weights) @ densities)
    np.testing.assert_allclose(pred.log_prob(y), expected)
    means = np.array([part.mean for part in parts])
    np.testing.assert_allclose(pred.mean, np.asarray(stacked.weights) @ means)
    aleatoric = np.asarray(stacked.weights) @ [part.aleatoric for part in parts]
    np.testing.assert_allclose(pred.aleatoric, aleatoric, rtol=1e-6)


def test_weights_are_those_of_held_out_densities(stacked):
    assert float(stacked.weights.sum()) == pytest.approx(1.0)
    # Rows of known batches are held out: knowing the batch pays.
    assert stacked.weights[1] > 0.8
    assert np.asarray(stacking_weights(np.log([[0.2, 0.8]])))[1] > 0.99


def test_a_stack_is_a_model(key):
    models = {"line": BayesianLinear(inference=MAP()), "gp": GaussianProcess()}
    posterior = Stack(models, GroupKFold(2)).fit(DATA, key=key)
    assert not posterior.uses_groups
    assert np.all(np.isfinite(posterior.predict(X).interval(0.9)[0]))
    with pytest.raises(DataError, match="no model of the stack has random effects"):
        posterior.predict(X, groups=GROUPS)


def test_nothing_to_weigh_by_is_told(key):
    censored = Dataset(X, Y, groups=GROUPS, censored=np.ones(24))
    with pytest.raises(DataError, match="no held-out row has an exact label"):
        stack(MODELS, censored, SPLITS, key=key)
