"""The predictive density of noise that varies is close to the true density."""

import jax
import numpy as np
import pytest
from scipy.stats import norm

from battprob import Dataset, noise
from battprob.inference import MAP
from battprob.kernels import RBF
from battprob.models import GaussianProcess

CURVES = {
    "goldberg": (lambda x: 2 * np.sin(2 * np.pi * x), lambda x: 0.5 + x, 0.03),
    "steep": (
        lambda x: np.sin(7.9 * x) * np.sin(4.7 * x),
        lambda x: 0.01 + 0.25 * (1 - np.sin(7.9 * x)) ** 2,
        0.08,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CURVES)
def test_gap_to_the_true_density_and_coverage(name):
    mean, sd, largest_gap = CURVES[name]
    model = GaussianProcess(RBF(), noise.LatentGP(), MAP(num_starts=1))
    gaps, inside = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.uniform(size=1200)
        y = mean(x) + sd(x) * rng.normal(size=1200)
        posterior = model.fit(Dataset(x[:200], y[:200]), key=jax.random.key(0))
        new, target = x[200:], y[200:]
        pred = posterior.predict(new)
        truth = norm.logpdf(target, mean(new), sd(new))
        gaps.append(np.mean(truth - pred.log_prob(target)))
        low, high = pred.interval(0.9)
        inside.append(np.mean((target >= low) & (target <= high)))
    assert np.mean(gaps) < largest_gap
    assert 0.86 < np.mean(inside) < 0.94
