"""Random effects in Gaussian processes: closed form, solvers, and the linear model."""

import jax
import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from battprob import DataError, Dataset, noise
from battprob.models import (
    BayesianLinear,
    ConjugateGradients,
    GaussianProcess,
    InducingPoints,
    StateSpace,
)
from tests.models.gaussian import fixed, kernel_gram

RNG = np.random.default_rng(0)
NUM = 24
X = RNG.normal(size=(NUM, 2))
GROUPS = np.repeat(["A", "B", "C"], NUM // 3)
OFFSET = np.array([5.0, -5.0, 0.0])[np.repeat([0, 1, 2], NUM // 3)]
Y = np.sin(2 * X[:, 0]) + OFFSET + 0.1 * RNG.normal(size=NUM)
DATA = Dataset(X, Y, groups=GROUPS)
NEW = RNG.normal(size=(5, 2))
NAMES = ["A", "B", "C", "new", None]


def _sd(coordinate=0.0):
    return -1.5 * ndtri(0.5 * ndtr(-coordinate))


@pytest.mark.parametrize("slopes", [(), ("x1",)], ids=["offset", "offset and slope"])
def test_predictions_equal_dense_algebra(slopes):
    """Assert that the process equals dense algebra with a block for each group."""
    model = GaussianProcess(random_effects=slopes or True)
    posterior = fixed(model, X, Y, groups=GROUPS)
    scaling, kernel = posterior.scaling, posterior.kernel.kernel
    kernel = jax.tree.map(lambda leaf: leaf[0], kernel)
    z, new = ((x - X.mean(0)) / X.std(0) for x in (X, NEW))
    target = (Y - float(scaling.y_mean)) / float(scaling.y_scale)

    def gram(a, b, groups_a, groups_b):
        same = np.equal.outer(groups_a, groups_b)
        varying = a[:, 1:] @ b[:, 1:].T if slopes else 0.0
        return np.asarray(kernel_gram(kernel, a, b)) + same * _sd() ** 2 * (1 + varying)

    variance = np.exp(-2.0)  # the default noise at its prior mean
    system = gram(z, z, GROUPS, GROUPS) + variance * np.eye(NUM)
    known = ["A", "B", "C", "A", "B"]
    cross = gram(z, new, GROUPS, known)
    solved = np.linalg.solve(system, cross)
    mean, variance_left = (
        target @ solved,
        np.diag(gram(new, new, known, known) - cross.T @ solved),
    )
    pred = posterior.predict(NEW, groups=known)
    unit = float(scaling.y_scale)
    np.testing.assert_allclose(pred.mean, unit * mean + Y.mean(), rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, unit**2 * variance_left, rtol=1e-6)
    np.testing.assert_allclose(pred.between, 0.0, atol=1e-12)


def test_a_new_group_has_the_variance_between_groups():
    posterior = fixed(GaussianProcess(random_effects=True), X, Y, groups=GROUPS)
    pred = posterior.predict(NEW, groups=[None] * 5)
    expected = float(posterior.scaling.y_scale) ** 2 * _sd() ** 2
    np.testing.assert_allclose(pred.between, expected, rtol=1e-6)
    named = posterior.predict(NEW, groups=["elsewhere"] * 5)
    np.testing.assert_array_equal(named.mean, pred.mean)
    np.testing.assert_array_equal(posterior.predict(NEW).variance, pred.variance)


def test_a_new_group_is_as_uncertain_as_in_the_linear_model():
    """Assert that both models have the same variance between groups."""
    models = BayesianLinear(random_effects=True), GaussianProcess(random_effects=True)
    actual, expected = (
        fixed(model, X, Y, groups=GROUPS).predict(NEW, groups=NAMES) for model in models
    )
    np.testing.assert_allclose(actual.between, expected.between, rtol=1e-6, atol=1e-20)


def test_offsets_are_learned(key):
    """Assert that the fit recovers the noise and the function despite the offsets."""
    posterior = GaussianProcess(random_effects=True).fit(DATA, key=key)
    pred = posterior.predict(NEW, groups=["A", "B", "C", "A", "B"])
    truth = np.sin(2 * NEW[:, 0]) + np.array([5.0, -5.0, 0.0, 5.0, -5.0])
    assert np.all(np.abs(np.asarray(pred.mean) - truth) < 1.5)
    assert np.sqrt(pred.aleatoric).max() < 0.6
    assert 2.0 < np.sqrt(posterior.predict(NEW).between[0]) < 15.0


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        (ConjugateGradients(rank=8, tolerance=1e-10), 1e-4),
        (InducingPoints(NUM, num_steps=50, progress=False), 0.1),
    ],
    ids=["conjugate gradients", "inducing points"],
)
def test_other_solvers_agree(solver, tolerance, key):
    exact = GaussianProcess(random_effects=True).fit(DATA, key=key)
    other = GaussianProcess(random_effects=True, solver=solver).fit(DATA, key=key)
    actual, expected = (fit.predict(NEW, groups=NAMES) for fit in (other, exact))
    size = float(np.std(Y))
    np.testing.assert_allclose(actual.mean, expected.mean, atol=tolerance * size)
    np.testing.assert_allclose(actual.std, expected.std, atol=2 * tolerance * size)


def test_the_state_space_solver_is_refused():
    model = GaussianProcess(random_effects=True, solver=StateSpace())
    data = Dataset(X[:, 0], Y, groups=GROUPS)
    with pytest.raises(DataError, match=r"random_effects: use solver=Exact\(\)"):
        model.fit(data, key=jax.random.key(0))


def test_new_groups_are_added_by_conditioning(key):
    """Assert that old groups keep their indices if a new name sorts before them."""
    posterior = fixed(GaussianProcess(random_effects=True), X, Y, groups=GROUPS)
    more = Dataset(NEW, np.full(5, 9.0), groups=["0 first"] * 5)
    grown = posterior.condition(more)
    assert grown.dataset.group_names == ("A", "B", "C", "0 first")
    pred = grown.predict(NEW, groups=["0 first"] * 5)
    assert np.all(pred.mean > 4.0)
    assert np.all(pred.between < 1e-12)


def test_noise_does_not_depend_on_the_group(key):
    """Assert that a noise model of all features does not use the column of groups."""
    head = noise.LogLinear()
    model = GaussianProcess(noise=head, random_effects=True)
    posterior = fixed(model, X, Y, groups=GROUPS)
    one, other = (posterior.predict(NEW, groups=[name] * 5) for name in "AC")
    np.testing.assert_array_equal(one.aleatoric, other.aleatoric)


def test_joint_draws_share_the_offset(key):
    posterior = fixed(GaussianProcess(random_effects=True), X, Y, groups=GROUPS)
    known = ["A"] * 5
    draws = posterior.sample_functions(NEW, key=key, num=4000, groups=known)
    pred = posterior.predict(NEW, groups=known)
    np.testing.assert_allclose(draws.mean(0), pred.mean, atol=0.2)
    np.testing.assert_allclose(draws.var(0), pred.epistemic, rtol=0.15)


def test_random_effects_need_groups(key):
    with pytest.raises(DataError, match=r"random_effects need Dataset\(groups"):
        GaussianProcess(random_effects=True).fit(DATA.without("groups"), key=key)
