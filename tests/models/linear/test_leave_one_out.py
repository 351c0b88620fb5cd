"""Leave-one-out densities by importance weights are ratios of evidences."""

import functools

import jax
import numpy as np
import pytest
from scipy.stats import norm

import battprob as bp
from battprob import DataError
from tests.models.gaussian import fixed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(14, 2))
Y = 3 + 2 * X[:, 0] + RNG.normal(size=14)
WIDE = RNG.normal(size=(8, 20))
# With three columns the programs are those of `test_linear_quadrature`.
X = np.column_stack([X, RNG.normal(size=14)])


@functools.cache
def by_quadrature():
    return bp.models.BayesianLinear().fit(bp.Dataset(X, Y), key=jax.random.key(0))


def log_evidence(x, y):
    """Log evidence of standardised rows: a sum over both hyper-parameters, in NumPy."""
    z_tau, log_noise = np.linspace(-5, 5, 81), np.linspace(-8, 4, 161)
    log_joint = []
    for z in z_tau:
        gram = 1 + np.exp(1.5 * z) / x.shape[1] * (x @ x.T)
        values, vectors = np.linalg.eigh(gram)
        variance = values[None] + np.exp(log_noise)[:, None]
        quadratic = (vectors.T @ y) ** 2 / variance
        log_density = -0.5 * (quadratic + np.log(2 * np.pi * variance)).sum(1)
        log_joint.append(log_density + norm.logpdf(z) + norm.logpdf(log_noise, -2, 2))
    cell = (z_tau[1] - z_tau[0]) * (log_noise[1] - log_noise[0])
    return np.log(np.exp(log_joint).sum() * cell)


def log_ratios(x, y):
    """Log density of each target given the others; all rows give the scaling."""
    sd = y.std()
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / sd
    total, rows = log_evidence(x, y), np.arange(len(y))
    return [total - log_evidence(x[rows != i], y[rows != i]) - np.log(sd) for i in rows]


def test_quadrature_nodes_give_ratios_of_evidences():
    result = by_quadrature().leave_one_out()
    np.testing.assert_allclose(result.log_density, log_ratios(X, Y), atol=2e-3)
    assert not np.any(result.pareto_k)


def test_random_draws_agree_with_quadrature_nodes():
    sampler = bp.inference.NUTS(num_samples=2000, num_warmup=200)
    model = bp.models.BayesianLinear(inference=sampler)
    sampled = model.fit(bp.Dataset(X, Y), key=jax.random.key(0)).leave_one_out()
    np.testing.assert_allclose(
        sampled.log_density, by_quadrature().leave_one_out().log_density, atol=0.05
    )
    assert np.all(sampled.pareto_k < 0.7)


def test_more_features_than_rows():
    data = bp.Dataset(WIDE, Y[:8])
    posterior = bp.models.BayesianLinear().fit(data, key=jax.random.key(0))
    log_density = posterior.leave_one_out().log_density
    np.testing.assert_allclose(log_density, log_ratios(WIDE, Y[:8]), atol=0.03)


def test_censored_labels_are_refused():
    posterior = fixed(bp.models.BayesianLinear(), X, Y, censored=Y > 4)
    with pytest.raises(DataError, match="leave_one_out needs exact labels"):
        posterior.leave_one_out()
