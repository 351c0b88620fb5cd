"""The fit finds the mode: gradients are correct, and scikit-learn finds no better one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from battprob import Dataset, noise
from battprob.kernels import RBF, Linear, Matern12, Matern32, Matern52
from battprob.models import GaussianProcess
from battprob.models._replicates import find_distinct
from battprob.models._scaling import prepare
from battprob.models.process._joint_density import log_joint
from tests.models.gaussian import fixed, standardised

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
Y = np.sin(2 * X[:, 0]) + 0.3 * X[:, 1] + 0.1 * RNG.normal(size=20)


@pytest.mark.parametrize(
    "kernel",
    [RBF(), Matern12(), Matern32(), RBF(features=[0]) * Matern52() + Linear()],
    ids=["rbf", "matern12", "matern32", "sum of product"],
)
def test_compiled_gradient_of_the_log_joint_with_equal_rows(kernel):
    # The distance of equal rows is zero or a rounding error, depending on the compiler.
    data = Dataset(X[RNG.integers(0, 8, 20)], Y)
    head = noise.Constant()
    _, rows = prepare(data, head)
    start = (kernel.bind(data.feature_names), head.bind(data.feature_names))
    latent = eqx.filter(head, lambda _: False)
    problem = (rows, find_distinct(rows), latent)
    flat, unravel = ravel_pytree(start)

    @jax.jit
    def value_and_gradient(vector):
        return jax.value_and_grad(lambda v: log_joint(unravel(v), problem))(vector)

    steps = 1e-5 * np.eye(len(flat))
    values = [
        [value_and_gradient(flat + sign * h)[0] for sign in (1, -1)] for h in steps
    ]
    expected = -np.diff(values, axis=1)[:, 0] / 2e-5
    np.testing.assert_allclose(
        value_and_gradient(flat)[1], expected, rtol=1e-5, atol=1e-6
    )


def _curve(num):
    x = np.linspace(0, 1, num)[:, None] * [1.0, 0.0] + RNG.normal(size=(num, 2)) * [
        0,
        1,
    ]
    return x, np.sin(12 * x[:, 0]) + 0.3 * RNG.normal(size=num)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("x", "y"),
    [(X, Y), (X, RNG.normal(size=20)), _curve(20)],
    ids=["smooth", "noise only", "curve"],
)
def test_no_lower_than_scikit_learn(x, y, key):
    posterior = GaussianProcess(Matern52()).fit(Dataset(x, y), key=key)
    kernel = sk.ConstantKernel() * sk.Matern([1.0, 1.0], (1e-3, 1e3), nu=2.5)
    kernel += sk.WhiteKernel(0.1)
    peer = GaussianProcessRegressor(kernel, n_restarts_optimizer=4, random_state=0)
    peer.fit(standardised(x), standardised(y))
    variance, lengths, white = (
        np.exp(peer.kernel_.theta[0]),
        np.exp(peer.kernel_.theta[1:3]),
        peer.kernel_.theta[3],
    )
    head = eqx.tree_at(lambda h: h.log_variance, noise.Constant(), jnp.asarray(white))
    theirs = fixed(GaussianProcess(Matern52(lengths, variance), head), x, y)
    # First, both have the same evidence at the same hyper-parameters.
    evidence = peer.log_marginal_likelihood_value_ - len(y) * np.log(y.std())
    np.testing.assert_allclose(theirs.log_evidence, evidence, rtol=1e-5)
    # scikit-learn maximises the evidence without priors.
    assert _joint(posterior) >= _joint(theirs) - 1e-3


def _joint(posterior):
    kernel, head = jax.tree.map(lambda a: a[0], (posterior.kernel, posterior.noise))
    return posterior.log_evidence + kernel.log_prior() + head.log_prior()
