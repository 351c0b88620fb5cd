"""Predictives for the tests, and independent SciPy references for them."""

import jax
import numpy as np
from scipy import stats

from battprob import Predictive, transforms

BATCH = 3
SOFTPLUS = transforms.Monotone(
    jax.nn.softplus, lambda y: y + jax.numpy.log(-jax.numpy.expm1(-y))
)
SCALES = {"identity": None, "log": transforms.Log(), "softplus": SOFTPLUS}


def mixture(transform=None, seed=0):
    """Three draws of two components for three targets; all fields differ."""
    rng = np.random.default_rng(seed)
    shape = (3, 2, BATCH)
    return Predictive(
        rng.normal(0.5, 0.6, shape),
        rng.uniform(0.02, 0.3, shape),
        rng.uniform(0.02, 0.2, shape),
        rng.normal(size=shape),
        transform,
    )


def components(pred, row):
    """Location, total standard deviation and weight of all components of one target."""
    total = pred.noise_variance + pred.function_variance
    fields = (pred.location, total, pred.log_weight)
    location, variance, log_weight = (np.asarray(f)[:, :, row].ravel() for f in fields)
    return location, np.sqrt(variance), np.exp(log_weight)


def to_model(transform, y):
    """Model value z of a target y, and |dz/dy|, in NumPy."""
    if transform is None:
        return y, np.ones_like(y)
    if isinstance(transform, transforms.Log):
        return np.log(y), 1 / y
    return np.log(np.expm1(y)), 1 / -np.expm1(-y)


def reference_pdf(pred, transform, row, y):
    location, scale, weight = components(pred, row)
    z, slope = to_model(transform, np.asarray(y))
    return slope * (weight * stats.norm.pdf(z[..., None], location, scale)).sum(-1)


def reference_cdf(pred, transform, row, y):
    location, scale, weight = components(pred, row)
    z, _ = to_model(transform, np.asarray(y))
    return (weight * stats.norm.cdf(z[..., None], location, scale)).sum(-1)
