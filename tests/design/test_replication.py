"""Repetition of tests: acquisitions that depend on the noise of one test."""

import functools

import jax
import numpy as np
from scipy.stats import norm

from battprob import Dataset, design, noise
from battprob.models import GaussianProcess

KEY = jax.random.key(0)
X = np.linspace(0, 1, 12)[:, None]
NEW = np.linspace(0.03, 0.97, 8)[:, None]


@functools.cache
def posterior(sd):
    rng = np.random.default_rng(0)
    x = np.repeat(X, 2, axis=0)
    y = np.sin(3 * x[:, 0]) + sd(x[:, 0]) * rng.normal(size=24)
    return GaussianProcess(noise=noise.LogLinear()).fit(Dataset(x, y), key=KEY)


def increasing_noise(x):
    return 0.02 + 0.4 * x


def small_noise(x):
    return 0.01 + 0 * x


def test_augmented_improvement_is_the_closed_form():
    fitted = posterior(increasing_noise)
    acquisition = design.AugmentedEI().prepare(fitted, NEW, key=KEY)
    observed, pred = fitted.predict(X), fitted.predict(NEW)
    safest = np.argmax(observed.mean - np.sqrt(observed.epistemic))
    best = observed.mean[safest]
    sd = np.sqrt(pred.epistemic)
    z = np.asarray(pred.mean - best) / sd
    gain = sd * (norm.pdf(z) + z * norm.cdf(z))
    factor = 1 - np.sqrt(pred.aleatoric / pred.variance)
    np.testing.assert_allclose(
        acquisition(fitted, NEW), np.log(gain * factor), rtol=1e-7, atol=1e-9
    )


def test_noise_reduces_the_value_of_a_test():
    """Assert that the ratio to the improvement decreases where the noise increases."""
    fitted = posterior(increasing_noise)
    log_factor = design.AugmentedEI(0.5)(fitted, NEW) - design.LogEI(0.5)(fitted, NEW)
    assert np.all(np.diff(log_factor) < 0)


def test_more_noise_increases_the_relative_value_of_a_repetition():
    reference = np.linspace(0, 1, 50)[:, None]
    between = 0.5 * (X[1:] + X[:-1])

    def ratio(sd):
        fitted = posterior(sd)
        acquisition = design.IntegratedVariance().prepare(fitted, reference, key=KEY)
        return acquisition(fitted, X).max() / acquisition(fitted, between).max()

    assert ratio(small_noise) < ratio(increasing_noise)


def test_the_row_with_the_largest_value_is_new_or_a_repetition():
    fitted, acquisition = posterior(increasing_noise), design.Epistemic()
    far, near = np.array([[3.0]]), 0.5 * (X[5:6] + X[6:7])
    row, repeats = design.repeat_or_new(
        acquisition, fitted, np.concatenate([near, far])
    )
    assert row == far
    assert not repeats
    row, repeats = design.repeat_or_new(acquisition, fitted, near)
    values = np.asarray(acquisition(fitted, X))
    assert repeats
    assert row == X[np.argmax(values)]
