"""Posterior views have the interface of posteriors, and conditioning is exact."""

import functools
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, design, noise
from battprob.design._posterior_view import AbstractPosteriorView
from battprob.design.risk import UtilityPosterior
from battprob.inference import Laplace
from battprob.models import GaussianProcess
from battprob.models.base import AbstractGaussianPosterior

KEY = jax.random.key(0)
X = np.random.default_rng(0).uniform(size=(10, 1))
NEW = np.linspace(0, 1, 8)[:, None]
PENDING = NEW[[2, 5]]


@functools.cache
def posterior():
    y = np.sin(6 * X[:, 0]) + 0.2 * np.random.default_rng(1).normal(size=10)
    model = GaussianProcess(noise=noise.LogLinear(), inference=Laplace(num_draws=4))
    return model.fit(Dataset(X, y), key=KEY)


@eqx.filter_jit
def moments_of(view, x, reference):
    """Moments in one program; operation by operation there are thirty."""
    return view.function_moments(x, reference)


@eqx.filter_jit
def prediction_of(view, x):
    return view.predict(x)


@eqx.filter_jit
def marginal_moments(view, x):
    return design.function_marginals(view, x).moments()


def views():
    fantasies = design.draw_fantasies(posterior(), PENDING, key=KEY, num=4)
    return {
        "conditioned": design.condition_on(posterior(), fantasies),
        "utility": UtilityPosterior(posterior(), 1.0),
        "conditioned utility": design.condition_on(
            UtilityPosterior(posterior(), 1.0),
            design.draw_fantasies(
                UtilityPosterior(posterior(), 1.0), PENDING, key=KEY, num=2
            ),
        ),
    }


def test_views_have_the_methods_of_gaussian_posteriors():
    """Assert the same names and parameters; views do not take noise and groups."""
    names = [name for name in vars(AbstractPosteriorView) if not name.startswith("_")]
    assert len(names) == 6
    for name in names:
        method = getattr(AbstractPosteriorView, name)
        if isinstance(method, property):
            continue
        other = inspect.signature(getattr(AbstractGaussianPosterior, name)).parameters
        parameters = list(inspect.signature(method).parameters)
        assert parameters == list(other)[: len(parameters)], name


@pytest.mark.parametrize("name", ["conditioned", "utility", "conditioned utility"])
def test_predictions_agree_with_moments_of_the_draws(name):
    """Assert that `function_draws` maps draws of predictions to draws of functions."""
    view, x = views()[name], jnp.asarray(NEW)
    pred, moments = prediction_of(view, x), moments_of(view, x, x[:0])
    draws = np.asarray(view.function_draws)
    assert len(draws) == len(pred.location)
    location = np.asarray(pred.location[:, 0])
    np.testing.assert_allclose(location, np.asarray(moments.mean)[draws], rtol=1e-9)
    variance = np.asarray(pred.function_variance[:, 0])
    np.testing.assert_allclose(
        variance, np.asarray(moments.variance)[draws], rtol=1e-9, atol=1e-15
    )


def test_conditioning_twice_equals_conditioning_once():
    once = design.condition_on(posterior(), design.mean_fantasies(posterior(), PENDING))
    first = design.condition_on(
        posterior(), design.mean_fantasies(posterior(), PENDING[:1])
    )
    twice = design.condition_on(first, design.mean_fantasies(first, PENDING[1:]))
    x = jnp.asarray(NEW)
    a, b = (moments_of(view, x, x) for view in (once, twice))
    np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9)
    np.testing.assert_allclose(a.variance, b.variance, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-6, atol=1e-10)


def test_mean_fantasies_leave_the_mean():
    fantasies = design.mean_fantasies(posterior(), PENDING)
    x = jnp.asarray(NEW)
    before = moments_of(posterior(), x, x[:0]).mean
    after = moments_of(design.condition_on(posterior(), fantasies), x, x[:0]).mean
    np.testing.assert_allclose(after, before, rtol=1e-12)


def test_draws_of_fantasies_have_the_posterior_moments():
    """Assert that the mixture over all draws is the posterior itself."""
    fantasies = design.draw_fantasies(posterior(), PENDING, key=KEY, num=512)
    x = jnp.asarray(NEW)
    mixture = marginal_moments(design.condition_on(posterior(), fantasies), x)
    expected = marginal_moments(posterior(), x)
    np.testing.assert_allclose(mixture[0], expected[0], atol=2e-3)
    np.testing.assert_allclose(mixture[1], expected[1], rtol=2e-2)


@pytest.mark.parametrize("pending", [None, np.zeros((0, 1))])
def test_without_pending_tests_there_are_no_fantasies(pending):
    assert design.draw_fantasies(posterior(), pending, key=KEY, num=4) is None
    assert design.mean_fantasies(posterior(), pending) is None
    assert design.condition_on(posterior(), None) is posterior()


def test_any_number_of_fantasies_can_be_drawn():
    fantasies = design.draw_fantasies(posterior(), PENDING, key=KEY, num=3)
    assert fantasies.alpha.shape[1] == 3
