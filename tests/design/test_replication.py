"""To repeat or not: the acquisitions that see the noise of the next outcome."""

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


def noisy_right(x):
    return 0.02 + 0.4 * x


def quiet(x):
    return 0.01 + 0 * x


def test_augmented_improvement_is_the_closed_form():
    own = posterior(noisy_right)
    acquisition = design.AugmentedEI().prepare(own, NEW, key=KEY)
    at, pred = own.predict(X), own.predict(NEW)
    best = at.mean[np.argmax(at.mean - np.sqrt(at.epistemic))]
    sd = np.sqrt(pred.epistemic)
    z = np.asarray(pred.mean - best) / sd
    gain = sd * (norm.pdf(z) + z * norm.cdf(z))
    told = 1 - np.sqrt(pred.aleatoric / pred.variance)
    np.testing.assert_allclose(
        acquisition(own, NEW), np.log(gain * told), rtol=1e-7, atol=1e-9
    )


def test_noise_makes_a_test_worth_less():
    """The same function and improvement; only the next outcome is noisier to the right."""
    own = posterior(noisy_right)
    told = design.AugmentedEI(0.5)(own, NEW) - design.LogEI(0.5)(own, NEW)
    assert np.all(np.diff(told) < 0)


def test_the_noisier_the_more_is_repeating_worth_beside_something_new():
    everywhere = np.linspace(0, 1, 50)[:, None]
    between = 0.5 * (X[1:] + X[:-1])

    def share(sd):
        own = posterior(sd)
        acquisition = design.IntegratedVariance().prepare(own, everywhere, key=KEY)
        return acquisition(own, X).max() / acquisition(own, between).max()

    assert share(quiet) < share(noisy_right)


def test_the_row_of_most_worth_is_taken_tested_or_not():
    own, worth = posterior(noisy_right), design.Epistemic()
    far, near = np.array([[3.0]]), 0.5 * (X[5:6] + X[6:7])
    row, repeats = design.repeat_or_new(worth, own, np.concatenate([near, far]))
    assert row == far
    assert not repeats
    row, repeats = design.repeat_or_new(worth, own, near)
    values = np.asarray(worth(own, X))
    assert repeats
    assert row == X[np.argmax(values)]
