"""Simulated data for scale_ours.py and scale_peers.py; needs only NumPy."""

import numpy as np

# Standard deviation of the noise as a function of the features.
NOISE = {
    "constant": lambda x: np.ones(len(x)),
    "log_linear": lambda x: np.exp(2 * (x[:, 3] - 0.5)),
    "latent": lambda x: 0.5 + 1.5 * np.sin(np.pi * x[:, 4]) ** 2,
}


def friedman(num, seed, noise="constant"):
    """Friedman's function: features, targets, their means and noise sd."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(num, 5))
    mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    mean += 10 * x[:, 3] + 5 * x[:, 4]
    sd = NOISE[noise](x)
    return x, mean + sd * rng.normal(size=num), mean, sd


def sequence(num, seed):
    """A capacity-like curve at random times: times and readings."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, 100, num))
    return time, np.sin(0.3 * time) - 0.01 * time + 0.1 * rng.normal(size=num)


def gaussian_nlpd(y, mean, variance):
    """Mean negative log density of Gaussian predictions."""
    each = np.log(2 * np.pi * variance) + (y - mean) ** 2 / variance
    return float(0.5 * np.mean(each))
