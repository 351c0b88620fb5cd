"""CRPS, NLPD and interval score agree with their definitions and are proper."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from battprob import Predictive, evaluate, transforms

GRID = np.linspace(-9.0, 9.0, 1001)
SCORES = [evaluate.crps, evaluate.nlpd, evaluate.interval_score]
few = settings(max_examples=25, deadline=None)
shifts = st.floats(-2.0, 2.0)
scales = st.floats(0.4, 2.5)


def _gaussian(mean, scale):
    return Predictive.gaussian(np.full_like(GRID, mean), scale**2)


def _mixture(transform=None):
    """Predictions of three targets, each with two draws of two components."""
    rng = np.random.default_rng(1)
    location = rng.normal(0.0, 0.5, (2, 2, 3))
    noise, function = rng.uniform(0.05, 0.2, (2, 2, 2, 3))
    return Predictive(location, noise, function, rng.normal(size=(2, 2, 3)), transform)


def _references(pred, row, y):
    """CRPS by quadrature, density and distribution function from SciPy."""
    fields = (
        pred.location,
        pred.noise_variance + pred.function_variance,
        pred.log_weight,
    )
    location, variance, log_weight = (np.asarray(a[:, :, row]).ravel() for a in fields)
    scale, weight = np.sqrt(variance), np.exp(log_weight)
    if isinstance(pred.transform, transforms.Log):
        components = stats.lognorm(scale, scale=np.exp(location))
    else:
        components = stats.norm(location, scale)

    def distribution(t):
        return weight @ components.cdf(t)

    below = integrate.quad(lambda t: distribution(t) ** 2, -20.0, y, limit=200)[0]
    above = integrate.quad(lambda t: (1 - distribution(t)) ** 2, y, 60.0, limit=200)[0]
    return {
        evaluate.crps: below + above,
        evaluate.nlpd: -np.log(weight @ components.pdf(y)),
        evaluate.pit: distribution(y),
    }


@pytest.mark.parametrize("transform", [None, transforms.Log()], ids=["identity", "log"])
def test_scores_of_a_mixture_match_quadrature(transform):
    pred = _mixture(transform)
    y = np.array([0.3, 0.9, 2.0])
    references = [_references(pred, row, target) for row, target in enumerate(y)]
    for metric in (evaluate.crps, evaluate.nlpd, evaluate.pit):
        expected = [reference[metric] for reference in references]
        np.testing.assert_allclose(metric(pred, y), expected, rtol=1e-6)


def test_interval_score_of_a_gaussian_below_inside_and_above():
    pred = Predictive.gaussian(np.zeros(3), 4.0)
    edge = 2 * stats.norm.ppf(0.9)
    score = evaluate.interval_score(
        pred, np.array([-edge - 1, 0.5, edge + 2]), level=0.8
    )
    expected = 2 * edge + np.array([10.0, 0.0, 20.0])
    np.testing.assert_allclose(score, expected, rtol=1e-6)


@pytest.mark.parametrize("score", SCORES, ids=lambda f: f.__name__)
@few
@given(shift=shifts, scale=scales)
def test_the_true_distribution_has_the_best_expected_score(score, shift, scale):
    truth = stats.norm.pdf(GRID)
    best = integrate.trapezoid(truth * score(_gaussian(0.0, 1.0), GRID), GRID)
    other = integrate.trapezoid(truth * score(_gaussian(shift, scale), GRID), GRID)
    # The tolerance is the error of the grid at the kinks of the interval score.
    assert best <= other + 1e-3


@few
@given(shift=shifts, scale=scales)
def test_crps_and_interval_score_have_the_unit_of_y(shift, scale):
    y = GRID
    before = Predictive.gaussian(0.1 * y, 1.5)
    after = Predictive.gaussian(shift + scale * 0.1 * y, scale**2 * 1.5)
    for score in (evaluate.crps, evaluate.interval_score):
        scaled = score(after, jnp.asarray(shift + scale * y))
        np.testing.assert_allclose(scaled, scale * score(before, y), rtol=1e-6)
    change = evaluate.nlpd(after, shift + scale * y) - evaluate.nlpd(before, y)
    np.testing.assert_allclose(change, np.log(scale), atol=1e-9)


def test_crps_without_uncertainty_is_the_absolute_error():
    pred = Predictive.gaussian(np.array([1.0, 5.0]), 0.0)
    y = np.array([3.0, 4.5])
    np.testing.assert_allclose(evaluate.crps(pred, y), [2.0, 0.5])
