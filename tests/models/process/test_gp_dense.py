"""At equal hyper-parameters, the GP equals dense algebra, tinygp and scikit-learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tinygp
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sk

from battprob import noise
from battprob.kernels import RBF, Linear, Matern12, Matern32, Matern52
from battprob.models import GaussianProcess
from tests.models.gaussian import dense, fixed, standardised

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2)) * [1.0, 5.0] + [0.0, 100.0]
Y = 300 + 40 * np.sin(X[:, 0]) + 10 * RNG.normal(size=20)
NEW = RNG.normal(size=(8, 2)) * [1.0, 5.0] + [0.0, 100.0]
Z, T = standardised(X), standardised(Y)
NEW_Z = (NEW - X.mean(0)) / X.std(0)
LENGTHS, VARIANCE, NOISE = np.array([0.7, 1.9]), 1.3, 0.2
UNIT = Y.std()


def constant(value):
    head = noise.Constant()
    return eqx.tree_at(lambda head: head.log_variance, head, jnp.log(value))


def check(model, gram, variances, **fields):
    posterior = fixed(model, X, Y, **fields)
    evidence, mean, variance = dense(gram, variances, Z, T, NEW_Z)
    pred = posterior.predict(NEW)
    np.testing.assert_allclose(posterior.log_evidence, evidence - 20 * np.log(UNIT))
    np.testing.assert_allclose(pred.mean, Y.mean() + UNIT * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, UNIT**2 * variance, rtol=1e-6)
    return posterior


SHAPES = {
    RBF: lambda r: np.exp(-0.5 * r**2),
    Matern12: lambda r: np.exp(-r),
    Matern32: lambda r: (1 + 3**0.5 * r) * np.exp(-(3**0.5) * r),
    Matern52: lambda r: (1 + 5**0.5 * r + 5 / 3 * r**2) * np.exp(-(5**0.5) * r),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_stationary_kernels(kind):
    def gram(a, b):
        return VARIANCE * SHAPES[kind](cdist(a / LENGTHS, b / LENGTHS))

    model = GaussianProcess(kind(LENGTHS, VARIANCE), constant(NOISE))
    check(model, gram, np.full(20, NOISE))


def test_sum_and_product_of_kernels_on_some_features_and_known_noise():
    kernel = RBF(0.7, VARIANCE, features=[0]) * Matern12(1.9, features=[1])
    kernel += Linear(0.5)

    def gram(a, b):
        first = np.exp(-0.5 * (cdist(a[:, :1], b[:, :1]) / 0.7) ** 2)
        second = np.exp(-cdist(a[:, 1:], b[:, 1:]) / 1.9)
        return VARIANCE * first * second + 0.5 / 2 * a @ b.T

    known = np.linspace(1.0, 100.0, 20)
    model = GaussianProcess(kernel, noise.Known() + constant(NOISE))
    check(model, gram, known / UNIT**2 + NOISE, noise_variance=known)


class BoundLogLinear(noise.LogLinear):
    """Noise whose slopes `bind` does not reset."""

    def bind(self, feature_names):
        return self


def test_log_linear_noise():
    slopes = np.array([0.8, -0.3])
    head = eqx.tree_at(
        lambda head: (head.intercept, head.slopes),
        BoundLogLinear(),
        (jnp.asarray(-1.0), jnp.asarray(slopes)),
    )

    def gram(a, b):
        return VARIANCE * SHAPES[RBF](cdist(a / LENGTHS, b / LENGTHS))

    model = GaussianProcess(RBF(LENGTHS, VARIANCE), head)
    check(model, gram, np.exp(-1.0 + np.clip(Z, -3, 3) @ slopes))


def test_tinygp():
    posterior = fixed(
        GaussianProcess(Matern52(LENGTHS, VARIANCE), constant(NOISE)), X, Y
    )

    @jax.jit
    def peer(z, t, new_z):
        # tinygp's Matérn distance is the sum of absolute differences by default.
        matern = tinygp.kernels.Matern52(distance=tinygp.kernels.distance.L2Distance())
        kernel = VARIANCE * tinygp.transforms.Linear(1 / LENGTHS, matern)
        process = tinygp.GaussianProcess(kernel, z, diag=NOISE)
        evidence, conditioned = process.condition(t, new_z)
        return evidence, conditioned.loc, conditioned.variance

    evidence, mean, variance = peer(*map(jnp.asarray, (Z, T, NEW_Z)))
    pred = posterior.predict(NEW)
    np.testing.assert_allclose(posterior.log_evidence, evidence - 20 * np.log(UNIT))
    np.testing.assert_allclose(pred.mean, Y.mean() + UNIT * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, UNIT**2 * variance, rtol=1e-6)


def test_scikit_learn():
    posterior = fixed(
        GaussianProcess(Matern32(LENGTHS, VARIANCE), constant(NOISE)), X, Y
    )
    kernel = sk.ConstantKernel(VARIANCE) * sk.Matern(LENGTHS, nu=1.5)
    peer = GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None).fit(Z, T)
    mean, deviation = peer.predict(NEW_Z, return_std=True)
    pred = posterior.predict(NEW)
    evidence = peer.log_marginal_likelihood_value_
    np.testing.assert_allclose(posterior.log_evidence, evidence - 20 * np.log(UNIT))
    np.testing.assert_allclose(pred.mean, Y.mean() + UNIT * mean, rtol=1e-7)
    np.testing.assert_allclose(pred.epistemic, (UNIT * deviation) ** 2, rtol=1e-6)
