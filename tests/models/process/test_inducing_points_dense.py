"""With every row an inducing input, the sparse process is the exact one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, noise
from battprob.design import IntegratedVariance
from battprob.models import GaussianProcess, InducingPoints
from battprob.models._scaling import standardise
from battprob.models.process import inducing_points as sparse_gp
from battprob.models.process._natural_gradient import first_beliefs, settle
from battprob.models.process._stochastic_gradient import in_batches
from battprob.models.process._variational_bound import Hyper
from battprob.noise.latent import split

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


def _settled(name):
    """The exact posterior, and the sparse one's beliefs at the same hyper-parameters."""
    exact = GaussianProcess(noise=HEADS[name]).fit(DATA, key=jax.random.key(0))
    kernel, head = jax.tree.map(lambda leaf: leaf[0], (exact.kernel, exact.noise))
    rows = standardise(DATA, exact.scaling)
    hyper = Hyper(kernel, split(head)[0], rows.x[:24])
    batches = in_batches(rows, 8, None, jax.random.key(1))
    beliefs = first_beliefs(hyper, head, batches)
    return exact, hyper, head, settle(hyper, head, beliefs, batches, PASSES[name])


@pytest.mark.parametrize("name", HEADS)
def test_the_bound_is_the_evidence_and_beliefs_are_the_posterior(name):
    exact, hyper, head, settled = _settled(name)
    # Jitter of 1e-10 stands in both, at different places.
    tolerance = 1e-4 if name == "latent" else 1e-6
    own = float(settled.bound)
    assert own == pytest.approx(float(exact.log_evidences[0]), abs=tolerance * 10)
    root, function, noisy = sparse_gp._solved(hyper, head, settled.beliefs)
    values = np.linalg.solve(root, function.mean)  # of f at the rows
    gram = hyper.kernel.gram(hyper.inducing, hyper.inducing)
    np.testing.assert_allclose(
        values, gram @ exact.solution.alpha[0][:24], atol=10 * tolerance
    )
    np.testing.assert_allclose(
        noisy.variance(hyper.inducing, hyper.inducing[:, 0]),
        jax.tree.map(lambda leaf: leaf[0], exact.noise).variance(
            hyper.inducing, hyper.inducing[:, 0]
        ),
        rtol=1e-2 if name == "latent" else 1e-6,
    )


def test_moments_of_the_function():
    exact, hyper, head, settled = _settled("constant")
    solution = sparse_gp._solution(hyper, head, settled, jax.random.key(2))
    own = dataclasses.replace(
        exact, solution=solution, log_evidences=solution.log_evidences
    )
    x, at = jnp.split(jnp.asarray(RNG.uniform(-0.2, 1.2, size=(8, 2))), [5])
    pairs = zip(own.function_moments(x, at), exact.function_moments(x, at), strict=True)
    for mine, true in pairs:
        np.testing.assert_allclose(mine, true, rtol=1e-5, atol=1e-6)
    # What a test would teach is the same; the level of the noise is known a bit otherwise.
    mine, true = (IntegratedVariance(at).values(fit, x) for fit in (own, exact))
    np.testing.assert_allclose(mine, true, rtol=0.02)


def test_fewer_inducing_inputs_bound_the_evidence_from_below():
    exact, hyper, head, settled = _settled("log_linear")
    batches = in_batches(standardise(DATA, exact.scaling), 8, None, jax.random.key(1))
    bounds = []
    for num in (6, 12, 24):
        fewer = hyper._replace(inducing=hyper.inducing[:num])
        beliefs = first_beliefs(fewer, head, batches)
        bounds.append(float(settle(fewer, head, beliefs, batches, 1).bound))
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(float(settled.bound))
    assert bounds[0] < float(exact.log_evidences[0]) - 0.1


def test_fixed_numbers_stay_as_they_are():
    """Assert that stochastic gradients do not move the prior of the noise model."""
    head = noise.Constant(prior_mean=-4.0, prior_std=0.5)
    model = GaussianProcess(noise=head, solver=InducingPoints(8, num_steps=50))
    fitted = model.fit(DATA, key=jax.random.key(0)).noise
    assert (float(fitted.prior_mean), float(fitted.prior_std)) == (-4.0, 0.5)
    assert float(fitted.log_variance) != -4.0
