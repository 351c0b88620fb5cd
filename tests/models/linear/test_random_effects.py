"""Groups have effects of their own, and a new group is answered for with their spread."""

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from battprob import DataError, Dataset
from battprob.evaluate import cross_validate
from battprob.inference import Laplace
from battprob.models import BayesianLinear, GaussianProcess
from tests.models.gaussian import fixed, standardised

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
GROUPS = np.repeat(["B", "A", "C", "D"], 5)
OFFSET = np.repeat([2.0, -2.0, 0.5, 0.0], 5)
Y = X[:, 0] + OFFSET + 0.3 * RNG.normal(size=20)
NEW, MEMBER = RNG.normal(size=(3, 2)), ["A", "new", "C"]
MIDDLE = 1.5 * norm.ppf(0.75)  # median of the half-normal law: where coordinates start
CODES = np.unique(GROUPS, return_inverse=True)[1]


@pytest.fixture(scope="module")
def posterior():
    model = BayesianLinear(random_effects=["x1"])
    return fixed(model, X, Y, groups=GROUPS)


def test_evidence_and_predictions_are_those_of_the_dense_covariance(posterior):
    z, t = standardised(X), standardised(Y)
    new = (NEW - X.mean(0)) / X.std(0)
    codes = np.array([0, -1, 2])

    def gram(a, b, own, other):
        same = (own[:, None] == other[None]) & (own[:, None] >= 0)
        return 1 + a @ b.T / 2 + same * MIDDLE**2 * (1 + np.outer(a[:, 1], b[:, 1]))

    covariance = gram(z, z, CODES, CODES) + np.exp(-2.0) * np.eye(20)
    evidence = multivariate_normal(np.zeros(20), covariance).logpdf(t)
    found = posterior.log_evidence + 20 * np.log(Y.std())
    np.testing.assert_allclose(found, evidence, rtol=1e-9)
    gain = np.linalg.solve(covariance, gram(z, new, CODES, codes)).T
    mean = gain @ t
    # Of a new group itself nothing is known: its own part is no function uncertainty.
    prior = 1 + (new**2).sum(1) / 2 + (codes >= 0) * MIDDLE**2 * (1 + new[:, 1] ** 2)
    variance = prior - np.sum(gain * gram(z, new, CODES, codes).T, axis=1)
    pred = posterior.predict(NEW, groups=MEMBER)
    unit = Y.std()
    np.testing.assert_allclose(pred.mean, Y.mean() + unit * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, unit**2 * variance, rtol=1e-7)
    between = (codes < 0) * MIDDLE**2 * (1 + new[:, 1] ** 2)
    np.testing.assert_allclose(pred.between, unit**2 * between, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(pred.within, unit**2 * np.exp(-2.0), rtol=1e-7)


def test_no_name_is_a_new_group(posterior):
    unnamed, strange = posterior.predict(NEW), posterior.predict(NEW, groups=["?"] * 3)
    np.testing.assert_array_equal(unnamed.location, strange.location)
    mixed = posterior.predict(NEW, groups=["A", None, float("nan")])
    np.testing.assert_allclose(mixed.between[1:], unnamed.between[1:])
    assert mixed.between[0] < 1e-12 * unnamed.between[0]


def test_the_density_of_a_new_group_is_smooth():
    """Nodes of the group's offset must not show as peaks where the noise is small."""
    pred = (
        BayesianLinear(random_effects=True, inference=Laplace())
        .fit(Dataset(X, Y, groups=GROUPS), key=jax.random.key(0))
        .predict(NEW[:1])
    )
    grid = np.linspace(*pred.interval(0.98), 200)[:, 0]
    slope = np.diff(np.asarray(pred.log_prob(grid[:, None]))[:, 0])
    assert np.sum(np.diff(np.sign(slope)) != 0) == 1  # one mode


def test_functions_are_of_known_groups_or_of_an_average_one(posterior, key):
    draws = posterior.sample_functions(NEW, key=key, num=4000, groups=MEMBER)
    pred = posterior.predict(NEW, groups=MEMBER)
    error = (draws.mean(0) - pred.mean) / np.sqrt(pred.epistemic / 4000)
    assert np.all(np.abs(error) < 5)
    np.testing.assert_allclose(draws.var(0), pred.epistemic, rtol=0.12)


def test_held_out_rows_keep_their_group(key):
    data = Dataset(X, Y, groups=GROUPS)
    halves = [(np.arange(0, 20, 2), np.arange(1, 20, 2))]

    class Halves:
        def split(self, x, y, groups):
            return halves

    model = BayesianLinear(random_effects=True, inference=Laplace())
    with pytest.warns(UserWarning, match="one group on both sides"):
        result = cross_validate(model, data, Halves(), key=key)
    assert float(result.scores["rmse"]) < 1.0  # the offsets alone have 1.4
    assert np.all(result.predictive.between < 1e-9)


def test_groups_that_are_missing_or_unwanted_are_refused(posterior, key):
    with pytest.raises(DataError, match=r"random_effects need Dataset\(groups=...\)"):
        BayesianLinear(random_effects=True).fit(Dataset(X, Y), key=key)
    with pytest.raises(DataError, match=r"fit .*random_effects=True"):
        fixed(GaussianProcess(), X, Y).predict(NEW, groups=MEMBER)
    with pytest.raises(DataError, match="one name for each of 3 rows"):
        posterior.predict(NEW, groups=["A"])
    model = BayesianLinear(random_effects=["speed"])
    with pytest.raises(DataError, match="no feature 'speed'"):
        model.fit(Dataset(X, Y, groups=GROUPS), key=key)
