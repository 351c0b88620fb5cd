"""The Gaussian process classifier equals scikit-learn's; gradients; conditioning."""

import functools

import equinox as eqx
import jax
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

import battprob as bp
from battprob import DataError
from battprob.models.process import classifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
X = (X - X.mean(0)) / X.std(0)
P = 1 / (1 + np.exp(-3 * np.sin(2 * X[:, 0]) - X[:, 1]))
Y = (RNG.uniform(size=40) < P).astype(float)
NEW = RNG.normal(size=(30, 2))


@functools.cache
def fitted():
    model = bp.models.GaussianProcessClassifier(bp.kernels.Matern52())
    return model.fit(bp.Dataset(X, Y), key=jax.random.key(0))


@functools.cache
def reference():
    """scikit-learn's classifier with the hyper-parameters of `fitted`."""
    kernel = jax.tree.map(lambda leaf: np.asarray(leaf)[0], fitted().kernel)
    smooth = Matern(np.exp(kernel.log_lengthscale), nu=2.5)
    variance = ConstantKernel(25 * np.exp(kernel.log_variance))
    kernel = ConstantKernel(25.0) + variance * smooth
    return GaussianProcessClassifier(kernel, optimizer=None).fit(X, Y)


def test_evidence_equals_scikit_learn():
    expected = reference().log_marginal_likelihood_value_
    np.testing.assert_allclose(fitted().log_evidence, expected, rtol=1e-6)


def test_probabilities_equal_scikit_learn():
    # scikit-learn approximates the sigmoid by five error functions: hence 1e-3.
    expected = reference().predict_proba(NEW)[:, 1]
    np.testing.assert_allclose(fitted().predict(NEW).mean, expected, atol=1e-3)


def test_draws_of_the_log_odds_average_to_the_probability():
    draws = fitted().sample_functions(NEW, key=jax.random.key(1), num=4000)
    p = 1 / (1 + np.exp(-np.asarray(draws)))
    pred = fitted().predict(NEW)
    np.testing.assert_allclose(p.mean(0), pred.mean, atol=0.02)
    np.testing.assert_allclose(p.var(0), pred.epistemic, atol=0.02)


def test_gradient_of_the_log_joint_equals_finite_differences():
    posterior = fitted()
    kernel = jax.tree.map(lambda leaf: leaf[0] + 0.3, posterior.kernel)
    value = eqx.filter_jit(classifier._log_joint)
    gradient = eqx.filter_jit(jax.grad(classifier._log_joint))(kernel, posterior.rows)

    def with_log_variance(change):
        return eqx.tree_at(
            lambda kernel: kernel.log_variance, kernel, replace_fn=change
        )

    above = value(with_log_variance(lambda leaf: leaf + 1e-4), posterior.rows)
    below = value(with_log_variance(lambda leaf: leaf - 1e-4), posterior.rows)
    np.testing.assert_allclose(gradient.log_variance, (above - below) / 2e-4, rtol=1e-4)


def test_conditioning_equals_fitting_all_rows_at_equal_hyper_parameters():
    half = eqx.tree_at(
        lambda posterior: posterior.dataset, fitted(), bp.Dataset(X[:25], Y[:25])
    )
    conditioned = half.condition(bp.Dataset(X[25:], Y[25:]))
    np.testing.assert_allclose(
        conditioned.predict(NEW).mean, fitted().predict(NEW).mean
    )


def test_repeated_rows_reduce_the_epistemic_variance():
    once = fitted().predict(X)
    twice = fitted().condition(bp.Dataset(X, Y)).predict(X)
    assert np.mean(twice.epistemic) < 0.75 * np.mean(once.epistemic)
    assert np.mean(twice.mutual_information) < 0.75 * np.mean(once.mutual_information)
    assert np.mean(twice.aleatoric) > 0.75 * np.mean(once.aleatoric)


def test_targets_must_be_0_or_1():
    with pytest.raises(DataError, match=r"0 or 1; row 3 of 'target' is 2"):
        bp.models.GaussianProcessClassifier().fit(
            bp.Dataset(X[:4], [0, 1, 0, 2]), key=jax.random.key(0)
        )
