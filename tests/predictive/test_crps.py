"""The CRPS equals the integral of (F - 1)², for all transforms and scales."""

import itertools

import jax
import numpy as np
import pytest
from scipy import integrate, stats

from battprob import Predictive, transforms
from tests.predictive.mixtures import SCALES, mixture, reference_cdf

LOGISTIC = transforms.Monotone(jax.nn.sigmoid, jax.scipy.special.logit)


def _quadrature(distribution, y, low, high, cuts=()):
    """Integral of F² below y and of (1 - F)² above by SciPy, split where F changes fast."""
    total = 0.0
    edges = np.unique(np.clip([low, *cuts, y, high], low, high))
    for a, b in itertools.pairwise(edges):
        above = a >= y
        total += integrate.quad(
            lambda t, above=above: (distribution(t) - above) ** 2,
            a,
            b,
            limit=200,
            epsabs=1e-13,
            epsrel=1e-11,
        )[0]
    return total


@pytest.mark.parametrize("scale", SCALES)
def test_crps_matches_quadrature(scale):
    transform = SCALES[scale]
    pred = mixture(transform)
    low = -8.0 if scale == "identity" else 1e-12
    for y in (0.2, 6.0):
        got = pred.crps(y)
        for row in range(2):
            expected = _quadrature(
                lambda t, row=row: reference_cdf(pred, transform, row, t),
                y,
                low,
                200.0,
                (0.3, 1.0, 3.0, 10.0, 40.0),
            )
            assert got[row] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("y", [0.1, 0.5, 0.97])
def test_sharp_and_broad_component_under_a_monotone_transform(y):
    """Standard deviations 20 : 1: a kink for the quadrature over the broad component."""
    variance = np.array([[[0.01], [4.0]]])
    pred = Predictive(np.array([[[0.0], [0.5]]]), variance, 0.0, 0.0, LOGISTIC)

    def distribution(t):
        z = np.log(t / (1 - t))
        return 0.5 * (stats.norm.cdf(z, 0, 0.1) + stats.norm.cdf(z, 0.5, 2.0))

    cuts = (0.01, 0.4, 0.45, 0.5, 0.55, 0.6, 0.99)
    expected = _quadrature(distribution, y, 1e-12, 1 - 1e-12, cuts)
    assert pred.crps([y])[0] == pytest.approx(expected, rel=1e-6)


def test_crps_equals_its_definition_by_expected_distances():
    """E|Y - y| - E|Y - Y'|/2 over samples, which shares no code with the CRPS."""
    pred = mixture(SCALES["log"])
    one, other = (
        np.asarray(pred.sample(key=jax.random.key(seed), num=50_000)) for seed in (1, 2)
    )
    terms = np.abs(one - 1.4) - 0.5 * np.abs(one - other)
    error = terms.std(0) / np.sqrt(len(terms))
    assert np.all(np.abs(terms.mean(0) - pred.crps(1.4)) < 5 * error)


def test_score_of_a_far_target_is_its_distance():
    pred = Predictive.gaussian([1.0], 0.25)
    expected = 1e6 - 1 - 0.5 / np.sqrt(np.pi)
    assert pred.crps([1e6])[0] == pytest.approx(expected, rel=1e-12)
