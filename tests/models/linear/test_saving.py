"""Posteriors of linear models are loaded from their files without loss."""

import dataclasses

import jax
import numpy as np
import pytest

import battprob
from battprob import Dataset, noise, priors
from battprob.inference import Laplace
from battprob.models import BayesianLinear, BayesianLogistic
from tests.fixed import Fixed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
Y = X[:, 0] + 0.3 * RNG.normal(size=20)
GROUPS = np.repeat(["a", "b"], 10)
PRIORS = {
    "Ridge": priors.Ridge(),
    "ARD": priors.ARD(),
    "Lasso": priors.Lasso(),
    "ElasticNet": priors.ElasticNet(),
    "GroupLasso": priors.GroupLasso({"both": ["x0", "x1"]}),
    "Horseshoe": priors.Horseshoe(),
}
CASES = {
    "random effects": ({"random_effects": ["x1"]}, {"groups": GROUPS}),
    "censored": ({}, {"censored": Y > 0.5}),
    "student": ({"noise": noise.StudentT()}, {}),
}


def _assert_same(posterior, path):
    """Assert that the file of a posterior gives the same posterior, which is returned."""
    posterior.save(path)
    loaded = battprob.load(path)
    assert jax.tree.structure(loaded) == jax.tree.structure(posterior)
    for ours, theirs in zip(
        jax.tree.leaves(posterior), jax.tree.leaves(loaded), strict=True
    ):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    expected, pred = posterior.predict(X), loaded.predict(X)
    np.testing.assert_array_equal(pred.mean, expected.mean)
    np.testing.assert_array_equal(pred.epistemic, expected.epistemic)
    return loaded


@pytest.mark.parametrize("name", PRIORS)
def test_regression_with_every_prior(name, tmp_path, key):
    model = BayesianLinear(prior=PRIORS[name], inference=Fixed())
    _assert_same(model.fit(Dataset(X, Y), key=key), tmp_path / "posterior")


@pytest.mark.parametrize("name", CASES)
def test_regression_with_every_kind_of_row(name, tmp_path, key):
    settings, fields = CASES[name]
    model = dataclasses.replace(BayesianLinear(**settings), inference=Fixed())
    _assert_same(model.fit(Dataset(X, Y, **fields), key=key), tmp_path / "posterior")


def test_logistic_regression_with_groups(tmp_path, key):
    model = BayesianLogistic(random_effects=True, inference=Laplace())
    posterior = model.fit(Dataset(X, Y > 0, groups=GROUPS), key=key)
    loaded = _assert_same(posterior, tmp_path / "posterior")
    new = Dataset(X[:2], Y[:2] > 0, groups=GROUPS[:2])
    expected = posterior.condition(new).predict(X, groups=GROUPS)
    pred = loaded.condition(new).predict(X, groups=GROUPS)
    np.testing.assert_array_equal(pred.mean, expected.mean)
