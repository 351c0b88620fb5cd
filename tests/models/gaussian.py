"""Gaussian process algebra written out densely in NumPy, to compare with."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
from scipy.stats import multivariate_normal

from battprob import Dataset
from tests.fixed import Fixed


def standardised(values):
    """Columns of mean zero and variance one."""
    return (values - values.mean(0)) / values.std(0)


def fixed(model, x, y, **fields):
    """The posterior of `model` at the hyper-parameters that it was given."""
    model = dataclasses.replace(model, inference=Fixed())
    return model.fit(Dataset(x, y, **fields), key=jax.random.key(0))


@eqx.filter_jit
def kernel_gram(kernel, a, b):
    """`kernel.gram` as one program; outside of one, each of its operations is compiled."""
    return kernel.gram(a, b)


def dense(gram, noise, x, y, new):
    """Log evidence, mean and variance of the function, all of standardised numbers.

    `gram(a, b)` is the prior covariance of the function, `noise` the variance of each y.
    """
    covariance = gram(x, x) + np.diag(noise)
    evidence = multivariate_normal(np.zeros(len(y)), covariance).logpdf(y)
    weights = np.linalg.solve(covariance, gram(x, new)).T
    variance = np.diag(gram(new, new) - weights @ gram(x, new))
    return evidence, weights @ y, variance
