"""`ConjugateGradients` gives the evidence, gradient and moments of `Exact`."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, noise
from battprob.models import ConjugateGradients, GaussianProcess
from battprob.models._replicates import find_distinct
from battprob.models._scaling import standardise
from battprob.models.process import conjugate_gradients, exact
from battprob.models.process._joint_density import log_joint
from battprob.noise.latent import split

RNG = np.random.default_rng(0)


def _pair(num, **settings):
    """Posteriors of both solvers with the same hyper-parameters, these, and their data."""
    x = RNG.uniform(size=(num, 2))
    y = np.sin(5 * x[:, 0]) + 3 * x[:, 1] ** 2 + 0.2 * RNG.normal(size=num)
    data = Dataset(x, y, noise_variance=RNG.uniform(0.01, 0.05, num))
    head = noise.Known() + noise.Constant()
    model = GaussianProcess(noise=head, solver=ConjugateGradients(**settings))
    iterative = model.fit(data, key=jax.random.key(0))
    rows = standardise(data, iterative.scaling)
    parameters, *rest = split(iterative.noise)
    one = jax.tree.map(lambda leaf: leaf[None], (iterative.kernel, parameters))
    dense_data = (rows, find_distinct(rows), eqx.combine(*rest))
    solution = exact._solution(one, dense_data)
    dense = dataclasses.replace(
        iterative, solution=solution, log_evidences=solution.log_evidences
    )
    return iterative, dense, (iterative.kernel, iterative.noise), dense_data


@pytest.fixture(scope="module")
def pair():
    return _pair(80, num_probes=512, rank=20, tolerance=1e-9, block_rows=32)


def test_evidence_is_within_its_standard_error(pair):
    iterative, dense, *_ = pair
    error = float(iterative.solution.solved.evidence.error)
    assert 0 < error < 0.1
    assert float(iterative.log_evidence) == pytest.approx(
        float(dense.log_evidence), abs=4 * error
    )


def test_mean_and_variance(pair):
    iterative, dense, *_ = pair
    x = RNG.uniform(-0.2, 1.2, size=(24, 2))
    actual, expected = iterative.predict(x), dense.predict(x)
    np.testing.assert_allclose(actual.mean, expected.mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(actual.epistemic, expected.epistemic, rtol=1e-5)
    # The information about the noise comes from the preconditioner, which has low rank.
    np.testing.assert_allclose(actual.aleatoric, expected.aleatoric, rtol=0.02)


def test_moments_of_the_function(pair):
    iterative, dense, *_ = pair
    x, points = jnp.split(jnp.asarray(RNG.uniform(-0.2, 1.2, size=(9, 2))), [5])
    pairs = zip(
        iterative.function_moments(x, points),
        dense.function_moments(x, points),
        strict=True,
    )
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_gradient_of_a_covariance_of_the_function(pair):
    iterative, dense, *_ = pair
    x, points = jnp.split(jnp.asarray(RNG.uniform(size=(3, 2))), [1])

    def gradient(posterior):
        def covariance(x, points):
            return posterior.function_moments(x, points).covariance[0, 0, 0]

        return jax.jit(jax.grad(covariance, argnums=(0, 1)))(x, points)

    for actual, expected in zip(gradient(iterative), gradient(dense), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def test_gradient_of_the_evidence(pair):
    iterative, _, parameters, dense_data = pair
    actual_gradient = jax.jit(jax.grad(conjugate_gradients._log_joint))(
        parameters, iterative.solution.data
    )
    exact_gradient = jax.jit(jax.grad(log_joint))(parameters, dense_data)
    pairs = zip(*map(jax.tree.leaves, (actual_gradient, exact_gradient)), strict=True)
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, atol=0.5, rtol=0.02)


def test_an_unsolved_system_is_reported():
    x = np.linspace(0, 1, 60)
    data = Dataset(x, np.sin(6 * x))
    model = GaussianProcess(solver=ConjugateGradients(rank=1, tolerance=1e-15))
    report = model.fit(data, key=jax.random.key(0)).report
    assert not report.converged
    assert "residual" in report.message


@pytest.mark.slow
def test_four_thousand_rows():
    iterative, dense, *_ = _pair(4000, num_probes=8)
    x = RNG.uniform(size=(64, 2))
    actual, expected = iterative.predict(x), dense.predict(x)
    np.testing.assert_allclose(actual.mean, expected.mean, rtol=1e-4)
    np.testing.assert_allclose(actual.variance, expected.variance, rtol=1e-4)
    np.testing.assert_allclose(actual.epistemic, expected.epistemic, rtol=1e-4)
