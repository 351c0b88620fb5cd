"""With every row as an inducing point, `InducingPoints` equals `Exact`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, noise
from battprob.design import IntegratedVariance
from battprob.models import GaussianProcess
from battprob.models._scaling import standardise
from battprob.models.process import inducing_points
from battprob.models.process._natural_gradient import (
    initial_posterior,
    optimal_posterior,
)
from battprob.models.process._stochastic_gradient import in_batches
from battprob.models.process._variational_bound import Hyperparameters
from battprob.noise.latent import split
from tests.models.gaussian import fixed

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(24, 2))
Y = np.sin(5 * X[:, 0]) + np.exp(2 * X[:, 1] - 3) * RNG.normal(size=24)
DATA = Dataset(X, Y)
HEADS = {
    "constant": noise.Constant(),
    "log_linear": noise.LogLinear(),
    "latent": noise.LatentGP(),
}
PASSES = {"constant": 1, "log_linear": 1, "latent": 30}


@functools.cache
def _optimum(name):
    """The exact posterior, and the variational one with the same hyper-parameters."""
    exact = fixed(GaussianProcess(noise=HEADS[name]), X, Y)
    kernel, head = jax.tree.map(lambda leaf: leaf[0], (exact.kernel, exact.noise))
    rows = standardise(DATA, exact.scaling)
    hyper = Hyperparameters(kernel, split(head)[0], rows.x[:24])
    batches = in_batches(rows, 8, None, jax.random.key(1))
    start = initial_posterior(hyper, head, batches)
    optimum = optimal_posterior(hyper, head, start, batches, PASSES[name])
    return exact, hyper, head, optimum


@pytest.mark.parametrize("name", HEADS)
def test_bound_is_the_evidence_and_q_is_the_posterior(name):
    exact, hyper, head, optimum = _optimum(name)
    # Both have jitter of 1e-10, in different matrices.
    tolerance = 1e-4 if name == "latent" else 1e-6
    bound = float(optimum.bound)
    assert bound == pytest.approx(float(exact.log_evidences[0]), abs=tolerance * 10)
    root, function, fitted_noise = inducing_points._solved(
        hyper, head, optimum.posterior
    )
    values = np.linalg.solve(root, function.mean)  # of f at the rows
    gram = hyper.kernel.gram(hyper.inducing_points, hyper.inducing_points)
    np.testing.assert_allclose(
        values, gram @ exact.solution.alpha[0][:24], atol=10 * tolerance
    )
    np.testing.assert_allclose(
        fitted_noise.variance(hyper.inducing_points, hyper.inducing_points[:, 0]),
        jax.tree.map(lambda leaf: leaf[0], exact.noise).variance(
            hyper.inducing_points, hyper.inducing_points[:, 0]
        ),
        rtol=1e-2 if name == "latent" else 1e-6,
    )


def test_moments_of_the_function():
    exact, hyper, head, optimum = _optimum("constant")
    solution = inducing_points._solution(hyper, head, optimum, jax.random.key(2))
    sparse = dataclasses.replace(
        exact, solution=solution, log_evidences=solution.log_evidences
    )
    x, points = jnp.split(jnp.asarray(RNG.uniform(-0.2, 1.2, size=(8, 2))), [5])
    pairs = zip(
        sparse.function_moments(x, points),
        exact.function_moments(x, points),
        strict=True,
    )
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    # The acquisition values are the same, except for the uncertainty of the noise.
    actual, expected = (
        IntegratedVariance(points).values(fit, x) for fit in (sparse, exact)
    )
    np.testing.assert_allclose(actual, expected, rtol=0.02)


def test_fewer_inducing_points_give_a_lower_bound():
    exact, hyper, head, optimum = _optimum("log_linear")
    batches = in_batches(standardise(DATA, exact.scaling), 8, None, jax.random.key(1))
    bounds = []
    for num in (6, 12, 24):
        fewer = hyper._replace(inducing_points=hyper.inducing_points[:num])
        start = initial_posterior(fewer, head, batches)
        bounds.append(float(optimal_posterior(fewer, head, start, batches, 1).bound))
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(float(optimum.bound))
    assert bounds[0] < float(exact.log_evidences[0]) - 0.1
