"""`StateSpace` gives the moments, evidence, gradient and draws of `Exact`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, noise
from battprob.kernels import RBF, Matern12, Matern32, Matern52
from battprob.models import GaussianProcess, StateSpace
from battprob.models.process import state_space
from battprob.models.process._joint_density import log_joint
from tests.fixed import Fixed

KERNELS = {"matern12": Matern12, "matern32": Matern32, "matern52": Matern52}
NEW = np.array([-3.0, 0.1, 2.0, 2.0, 7.3, 30.0])


def uneven(num=36):
    """Unsorted positions with replicates and gaps, targets, and measured variances."""
    rng = np.random.default_rng(0)
    position = np.concatenate([rng.uniform(0, 5, num - 6), [2.0] * 3, [20, 20.5, 25]])
    y = 300 + 40 * np.sin(position) + 4 * rng.standard_normal(num)
    return position, y, rng.uniform(4.0, 25.0, num)


def data(known=None):
    position, y, _ = uneven()
    return Dataset(position, y, noise_variance=known, feature_names=["cycle"])


def state_space_posterior(dense, *, parallel):
    """The posterior of `StateSpace` with the hyper-parameters of the posterior of `Exact`."""
    kernel = jax.tree.map(lambda leaf: leaf[0], dense.kernel)
    rows = state_space._in_order(dense.scaling.rows(dense.dataset.padded()), kernel)
    draws = (dense.kernel, dense.noise)
    solution = state_space._solution(draws, rows, parallel)
    return dataclasses.replace(
        dense, solution=solution, log_evidences=solution.log_evidences
    )


def require_same(fitted, posterior):
    one, two = fitted.predict(NEW), posterior.predict(NEW)
    for name in ("mean", "epistemic", "aleatoric"):
        a, b = getattr(one, name), getattr(two, name)
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8 * float(np.max(b)))
    np.testing.assert_allclose(fitted.log_evidence, posterior.log_evidence, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "parallel"),
    [("matern12", False), ("matern32", True), ("matern52", False)],
)
def test_moments_and_evidence_at_given_parameters(name, parallel):
    dense = dense_posterior(name)
    require_same(state_space_posterior(dense, parallel=parallel), dense)


@pytest.mark.parametrize(
    ("name", "parallel"), [("matern32", True), ("matern52", False)]
)
def test_moments_of_the_function(name, parallel):
    dense = dense_posterior(name)
    sequence = state_space_posterior(dense, parallel=parallel)
    x, points = jnp.asarray(NEW[:, None]), jnp.array([[0.1], [2.0], [6.0]])
    one, two = (fit.function_moments(x, points) for fit in (sequence, dense))
    size = float(np.max(two.variance))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8 * size)


@functools.cache
def dense_posterior(name):
    model = GaussianProcess(KERNELS[name](), inference=Fixed())
    return model.fit(data(), key=jax.random.key(0))


@pytest.mark.parametrize("parallel", [False, True])
def test_gradient_of_the_log_joint_equals_that_of_exact(parallel):
    dense = dense_posterior("matern32")
    parameters = jax.tree.map(lambda leaf: leaf[0] + 0.3, (dense.kernel, dense.noise))
    rows = dense.scaling.rows(dense.dataset.padded())
    ordered = state_space._in_order(rows, parameters[0])
    density = state_space._log_joints[parallel]
    one = jax.jit(jax.value_and_grad(density))(parameters, ordered)
    latent = jax.tree.map(lambda _: None, parameters[1])
    two = jax.jit(jax.value_and_grad(log_joint))(
        parameters, (rows, dense.solution.distinct, latent)
    )
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


def test_a_fit_finds_the_mode_of_exact(key):
    known = uneven()[2]
    head = noise.Known() + noise.Constant()
    fits = [
        GaussianProcess(Matern52(), head, solver=solver).fit(data(known), key=key)
        for solver in (None, StateSpace())
    ]
    dense, sequence = (fit.predict(NEW, noise_variance=np.full(6, 9.0)) for fit in fits)
    np.testing.assert_allclose(sequence.mean, dense.mean, rtol=1e-3)
    np.testing.assert_allclose(sequence.variance, dense.variance, rtol=0.02)


def test_joint_draws_have_the_covariance_of_exact(key):
    dense = dense_posterior("matern52")
    sequence = state_space_posterior(dense, parallel=False)
    x = np.array([2.0, 2.05, 7.3, 8.0])
    one, two = (
        np.cov(fit.sample_functions(x, key=key, num=4000).T)
        for fit in (dense, sequence)
    )
    scale = np.sqrt(np.diag(two))
    np.testing.assert_allclose(
        one / np.outer(scale, scale), two / np.outer(scale, scale), atol=0.1
    )


def test_unsupported_models_are_refused(key):
    two = Dataset(np.ones((4, 2)) * np.arange(4.0)[:, None], np.arange(4.0))
    solver = StateSpace()
    with pytest.raises(DataError, match=r"RBF use solver=Exact\(\)"):
        GaussianProcess(RBF(), solver=solver).fit(data(), key=key)
    with pytest.raises(DataError, match="name the feature"):
        GaussianProcess(solver=solver).fit(two, key=key)
    latent = GaussianProcess(noise=noise.LatentGP(), solver=solver)
    with pytest.raises(DataError, match="LatentGP"):
        latent.fit(data(), key=key)
