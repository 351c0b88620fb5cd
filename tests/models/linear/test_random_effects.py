"""Random effects agree with dense algebra; new groups have the variance between groups."""

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
MEDIAN_SD = 1.5 * norm.ppf(0.75)  # of the half-normal prior: the initial value
CODES = np.unique(GROUPS, return_inverse=True)[1]


@pytest.fixture(scope="module")
def posterior():
    model = BayesianLinear(random_effects=["x1"])
    return fixed(model, X, Y, groups=GROUPS)


def test_evidence_and_predictions_agree_with_dense_algebra(posterior):
    z, t = standardised(X), standardised(Y)
    new = (NEW - X.mean(0)) / X.std(0)
    codes = np.array([0, -1, 2])

    def gram(a, b, groups_a, groups_b):
        same = (groups_a[:, None] == groups_b[None]) & (groups_a[:, None] >= 0)
        effects = same * MEDIAN_SD**2 * (1 + np.outer(a[:, 1], b[:, 1]))
        return 1 + a @ b.T / 2 + effects

    covariance = gram(z, z, CODES, CODES) + np.exp(-2.0) * np.eye(20)
    evidence = multivariate_normal(np.zeros(20), covariance).logpdf(t)
    standardised_evidence = posterior.log_evidence + 20 * np.log(Y.std())
    np.testing.assert_allclose(standardised_evidence, evidence, rtol=1e-9)
    gain = np.linalg.solve(covariance, gram(z, new, CODES, codes)).T
    mean = gain @ t
    # The effect of a new group is not part of the function: its variance is `between`.
    effects = MEDIAN_SD**2 * (1 + new[:, 1] ** 2)
    prior = 1 + (new**2).sum(1) / 2 + (codes >= 0) * effects
    variance = prior - np.sum(gain * gram(z, new, CODES, codes).T, axis=1)
    pred = posterior.predict(NEW, groups=MEMBER)
    scale = Y.std()
    np.testing.assert_allclose(pred.mean, Y.mean() + scale * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, scale**2 * variance, rtol=1e-7)
    between = (codes < 0) * effects
    np.testing.assert_allclose(pred.between, scale**2 * between, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(pred.within, scale**2 * np.exp(-2.0), rtol=1e-7)


def test_rows_without_a_group_are_of_a_new_group(posterior):
    without, new = posterior.predict(NEW), posterior.predict(NEW, groups=["?"] * 3)
    np.testing.assert_array_equal(without.location, new.location)
    mixed = posterior.predict(NEW, groups=["A", None, float("nan")])
    np.testing.assert_allclose(mixed.between[1:], without.between[1:])
    assert mixed.between[0] < 1e-12 * without.between[0]


def test_the_density_of_a_new_group_is_smooth():
    """Assert that the quadrature nodes of the effect are not modes of the density."""
    pred = (
        BayesianLinear(random_effects=True, inference=Laplace())
        .fit(Dataset(X, Y, groups=GROUPS), key=jax.random.key(0))
        .predict(NEW[:1])
    )
    grid = np.linspace(*pred.interval(0.98), 200)[:, 0]
    slope = np.diff(np.asarray(pred.log_prob(grid[:, None]))[:, 0])
    assert np.sum(np.diff(np.sign(slope)) != 0) == 1  # one mode


def test_functions_are_those_of_known_groups_or_of_an_average_group(posterior, key):
    draws = posterior.sample_functions(NEW, key=key, num=4000, groups=MEMBER)
    pred = posterior.predict(NEW, groups=MEMBER)
    error = (draws.mean(0) - pred.mean) / np.sqrt(pred.epistemic / 4000)
    assert np.all(np.abs(error) < 5)
    np.testing.assert_allclose(draws.var(0), pred.epistemic, rtol=0.12)


def test_held_out_rows_keep_their_group(key):
    data = Dataset(X, Y, groups=GROUPS)
    held_out = np.arange(1, 20, 7)  # the other rows have the bucket of all rows

    class OneSplit:
        def split(self, x, y, groups):
            return [(np.setdiff1d(np.arange(20), held_out), held_out)]

    model = BayesianLinear(random_effects=True, inference=Laplace())
    with pytest.warns(UserWarning, match="one group on both sides"):
        result = cross_validate(model, data, splits=OneSplit(), key=key)
    assert float(result.scores["rmse"]) < 1.0  # the offsets alone have 1.4
    assert np.all(result.predictive.between < 1e-9)


def test_missing_or_unused_groups_are_refused(posterior, key):
    with pytest.raises(DataError, match=r"random_effects need Dataset\(groups=...\)"):
        BayesianLinear(random_effects=True).fit(Dataset(X, Y), key=key)
    with pytest.raises(DataError, match=r"fit .*random_effects=True"):
        fixed(GaussianProcess(), X, Y).predict(NEW, groups=MEMBER)
    with pytest.raises(DataError, match="one name for each of 3 rows"):
        posterior.predict(NEW, groups=["A"])
    model = BayesianLinear(random_effects=["speed"])
    with pytest.raises(DataError, match="no feature 'speed'"):
        model.fit(Dataset(X, Y, groups=GROUPS), key=key)
