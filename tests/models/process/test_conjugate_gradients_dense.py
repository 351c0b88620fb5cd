"""Conjugate gradients give the evidence, gradient and moments of the dense process."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, noise
from battprob.models import ConjugateGradients, GaussianProcess
from battprob.models._replicates import find_sites
from battprob.models._scaling import standardise
from battprob.models.process import conjugate_gradients as iterative_gp
from battprob.models.process import exact as gp
from battprob.models.process._joint_density import log_joint
from battprob.noise.latent import split

RNG = np.random.default_rng(0)


def _pair(num, **settings):
    """An iterative posterior, and the dense one of the same hyper-parameters."""
    x = RNG.uniform(size=(num, 2))
    y = np.sin(5 * x[:, 0]) + 3 * x[:, 1] ** 2 + 0.2 * RNG.normal(size=num)
    data = Dataset(x, y, noise_variance=RNG.uniform(0.01, 0.05, num))
    head = noise.Known() + noise.Constant()
    model = GaussianProcess(noise=head, solver=ConjugateGradients(**settings))
    own = model.fit(data, key=jax.random.key(0))
    rows = standardise(data, own.scaling)
    parameters, *rest = split(own.noise)
    one = jax.tree.map(lambda leaf: leaf[None], (own.kernel, parameters))
    dense_data = (rows, find_sites(rows), eqx.combine(*rest))
    solution = gp._solution(one, dense_data)
    dense = dataclasses.replace(
        own, solution=solution, log_evidences=solution.log_evidences
    )
    return own, dense, (own.kernel, own.noise), dense_data


@pytest.fixture(scope="module")
def pair():
    return _pair(80, num_probes=512, rank=20, tolerance=1e-9, block_rows=32)


def test_evidence_within_its_stated_error(pair):
    own, dense, *_ = pair
    error = float(own.solution.solved.evidence.error)
    assert 0 < error < 0.1
    assert float(own.log_evidence) == pytest.approx(
        float(dense.log_evidence), abs=4 * error
    )


def test_mean_and_variance(pair):
    own, dense, *_ = pair
    x = RNG.uniform(-0.2, 1.2, size=(24, 2))
    ours, exact = own.predict(x), dense.predict(x)
    np.testing.assert_allclose(ours.mean, exact.mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.epistemic, exact.epistemic, rtol=1e-5)
    # How sure the level of the noise is, is told by the preconditioner: of a low rank.
    np.testing.assert_allclose(ours.aleatoric, exact.aleatoric, rtol=0.02)


def test_moments_of_the_function(pair):
    own, dense, *_ = pair
    x, at = jnp.split(jnp.asarray(RNG.uniform(-0.2, 1.2, size=(9, 2))), [5])
    pairs = zip(own.function_moments(x, at), dense.function_moments(x, at), strict=True)
    for mine, true in pairs:
        np.testing.assert_allclose(mine, true, rtol=1e-6, atol=1e-7)


def test_slope_of_a_covariance_of_the_function(pair):
    own, dense, *_ = pair
    x, at = jnp.split(jnp.asarray(RNG.uniform(size=(3, 2))), [1])

    def slope(posterior):
        def covariance(x, at):
            return posterior.function_moments(x, at).covariance[0, 0, 0]

        return jax.jit(jax.grad(covariance, argnums=(0, 1)))(x, at)

    for mine, true in zip(slope(own), slope(dense), strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-4, atol=1e-6)


def test_slope_of_the_evidence(pair):
    own, _, parameters, dense_data = pair
    ours = jax.jit(jax.grad(iterative_gp._log_joint))(parameters, own.solution.data)
    exact = jax.jit(jax.grad(log_joint))(parameters, dense_data)
    for mine, true in zip(jax.tree.leaves(ours), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(mine, true, atol=0.5, rtol=0.02)


def test_a_system_that_is_not_solved_is_told():
    x = np.linspace(0, 1, 60)
    data = Dataset(x, np.sin(6 * x))
    model = GaussianProcess(solver=ConjugateGradients(rank=1, tolerance=1e-15))
    report = model.fit(data, key=jax.random.key(0)).report
    assert not report.converged
    assert "residual" in report.message


@pytest.mark.slow
def test_four_thousand_rows():
    own, dense, *_ = _pair(4000, num_probes=8)
    x = RNG.uniform(size=(64, 2))
    ours, exact = own.predict(x), dense.predict(x)
    np.testing.assert_allclose(ours.mean, exact.mean, rtol=1e-4)
    np.testing.assert_allclose(ours.variance, exact.variance, rtol=1e-4)
    np.testing.assert_allclose(ours.epistemic, exact.epistemic, rtol=1e-4)
