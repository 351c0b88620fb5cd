"""Simulated rows of two protocols, and a mixture that is fitted to them once."""

import functools

import jax
import numpy as np

from battprob import Dataset
from battprob.models import BayesianLinear, ProtocolMixture, SoftmaxGate

NAMES = ("rate", "temperature_c")
MODEL = ProtocolMixture(
    BayesianLinear(), 2, SoftmaxGate(["temperature_c"]), num_starts=4
)


def simulated(num=60, seed=0):
    """Features, protocols and targets; the temperature selects the protocol."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, 2))
    u = (rng.random(num) < 1 / (1 + np.exp(-2 * x[:, 1]))).astype(int)
    y = 5.0 * u + np.array([1.0, -0.5])[u] * x[:, 0] + 0.5 * rng.normal(size=num)
    return x, u, y


def dataset(x, y, protocol=None):
    return Dataset(x, y, protocol=protocol, feature_names=NAMES)


@functools.cache
def fitted():
    x, _, y = simulated()
    return MODEL.fit(dataset(x, y), key=jax.random.key(0))
