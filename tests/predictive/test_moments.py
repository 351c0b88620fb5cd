"""Mean and variance are those of the mixture, decomposed by the law of total variance."""

import jax
import numpy as np
import pytest
from scipy import integrate

from battprob import Predictive
from tests.predictive.mixtures import BATCH, SCALES, mixture, reference_pdf

each_scale = pytest.mark.parametrize("scale", SCALES)


def _law_of_total_variance(pred):
    """Decomposed variance of a mixture without transform, by loops over the definition."""
    location, noise, function, weight = (
        np.asarray(f)
        for f in (
            pred.location,
            pred.noise_variance,
            pred.function_variance,
            np.exp(pred.log_weight),
        )
    )
    draw = weight.sum(1)
    inside = weight / draw[:, None]
    mean, within, between, epistemic = np.zeros((4, *pred.shape))
    for s in range(len(location)):
        mean += draw[s] * (inside[s] * location[s]).sum(0)
    for s in range(len(location)):
        m = (inside[s] * location[s]).sum(0)
        # Var_f of Σ w f, then the rest of E Σ w (f - Σ w f)².
        shared = (inside[s] ** 2 * function[s]).sum(0)
        rest = (inside[s] * (location[s] ** 2 + function[s])).sum(0) - m**2 - shared
        within += draw[s] * (inside[s] * noise[s]).sum(0)
        between += draw[s] * rest
        epistemic += draw[s] * ((m - mean) ** 2 + shared)
    return mean, within, between, epistemic


def test_decomposition_matches_the_definition():
    pred = mixture()
    got = (pred.mean, pred.within, pred.between, pred.epistemic)
    np.testing.assert_allclose(got, _law_of_total_variance(pred), rtol=1e-12)


@each_scale
def test_parts_add_up(scale):
    pred = mixture(SCALES[scale])
    np.testing.assert_array_equal(pred.within + pred.between, pred.aleatoric)
    np.testing.assert_array_equal(pred.aleatoric + pred.epistemic, pred.variance)
    np.testing.assert_allclose(pred.std**2, pred.variance, rtol=1e-14)


@each_scale
def test_mean_and_variance_are_those_of_the_density(scale):
    pred = mixture(SCALES[scale])
    low = 1e-9 if scale != "identity" else -12.0
    for row in range(BATCH):

        def moment(power, centre=0.0, row=row):
            def integrand(y):
                return (y - centre) ** power * reference_pdf(
                    pred, SCALES[scale], row, y
                )

            return sum(
                integrate.quad(integrand, a, b, limit=200, epsabs=1e-12)[0]
                for a, b in [(low, 2.0), (2.0, 12.0), (12.0, 400.0)]
            )

        mean = moment(1)
        np.testing.assert_allclose(pred.mean[row], mean, rtol=1e-6)
        np.testing.assert_allclose(pred.variance[row], moment(2, mean), rtol=1e-5)


@each_scale
def test_samples_have_the_moments_and_the_distribution(scale, key):
    pred = mixture(SCALES[scale])
    draws = np.asarray(pred.sample(key=key, num=100_000))
    error = np.asarray(pred.std) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(0) - pred.mean) < 5 * error)
    fourth = ((draws - draws.mean(0)) ** 4).mean(0)
    error = np.sqrt((fourth - draws.var(0) ** 2) / len(draws))
    assert np.all(np.abs(draws.var(0) - pred.variance) < 5 * error)
    for p in (0.01, 0.3, 0.9):
        below = (draws <= np.asarray(pred.quantile(p))).mean(0)
        assert np.all(np.abs(below - p) < 5 * np.sqrt(p * (1 - p) / len(draws)))


@pytest.mark.parametrize("scale", ["log", "softplus"])
def test_transformed_decomposition_matches_nested_simulation(scale):
    """Functions are drawn; noise and components are averaged for each function."""
    pred = mixture(SCALES[scale])
    location, noise, function, weight = (
        np.asarray(f)[..., 0]
        for f in (
            pred.location,
            pred.noise_variance,
            pred.function_variance,
            np.exp(pred.log_weight),
        )
    )
    rng = np.random.default_rng(3)
    num = 100_000
    draw = rng.choice(len(location), num, p=weight.sum(1))
    f = rng.normal(location[draw], np.sqrt(function[draw]))
    inside = weight[draw] / weight[draw].sum(1, keepdims=True)
    node, node_weight = np.polynomial.hermite_e.hermegauss(40)
    z = f[..., None] + np.sqrt(noise[draw])[..., None] * node
    y = np.exp(z) if scale == "log" else np.log1p(np.exp(z))
    node_weight = node_weight / node_weight.sum()
    mean_f = y @ node_weight
    mean = (inside * mean_f).sum(1)
    within = (inside * (y**2 @ node_weight - mean_f**2)).sum(1)
    between = (inside * mean_f**2).sum(1) - mean**2
    for samples, expected in [
        (within, pred.within[0]),
        (between, pred.between[0]),
        ((mean - mean.mean()) ** 2, pred.epistemic[0]),
    ]:
        error = samples.std() / np.sqrt(num)
        assert abs(samples.mean() - expected) < 5 * error
        assert error < 0.02 * expected  # the simulation is precise enough for this test


def test_arguments_of_gaussian_broadcast():
    pred = Predictive.gaussian(np.zeros((2, 1)), 1.0, np.arange(3.0))
    assert pred.shape == (2, 3)
    np.testing.assert_allclose(pred.variance, np.broadcast_to([1, 2, 3], (2, 3)))
    np.testing.assert_allclose(pred.epistemic, np.broadcast_to([0, 1, 2], (2, 3)))


def test_fields_without_axes_of_draws_and_components_are_refused():
    with pytest.raises(ValueError, match=r"\[draws, components, \*batch\].*\(3,\)"):
        Predictive(np.zeros(3), 1.0, 0.0, 0.0)


def test_same_key_same_sample():
    pred = mixture()
    first, again, other = (
        pred.sample(key=jax.random.key(seed), num=4) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.any(np.asarray(first) == np.asarray(other))
