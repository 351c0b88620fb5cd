"""Pareto-smoothed importance weights agree with an independent implementation in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from battprob._numerics.psis import (
    _pareto_quantile,
    fit_generalised_pareto,
    smoothed_log_weights,
)

# Compiled as a whole: operation by operation, each length compiles sixty programs.
FIT = jax.jit(fit_generalised_pareto)
WEIGHTS = jax.jit(smoothed_log_weights)


def _reference_fit(x):
    """Estimate of Zhang and Stephens (2009) on 30 + √n nodes, with shrinkage of k.

    In their notation the shape has the opposite sign.
    """
    n = len(x)
    m = 30 + int(np.floor(np.sqrt(n)))
    first_quartile = x[int(np.floor(n / 4 + 0.5)) - 1]
    theta = np.empty(m)
    log_likelihood = np.empty(m)
    for j in range(1, m + 1):
        t = 1 / x[-1] + (1 - np.sqrt(m / (j - 0.5))) / (3 * first_quartile)
        shape = -np.mean(np.log(1 - t * x))
        theta[j - 1] = t
        log_likelihood[j - 1] = n * (np.log(t / shape) + shape - 1)
    weight = np.exp(log_likelihood - log_likelihood.max())
    best = np.dot(weight, theta) / weight.sum()
    shape = -np.mean(np.log(1 - best * x))
    scale = shape / best
    # Shrinkage by ten observations of k = 0.5, as in Vehtari et al. (2024).
    return scale, n / (n + 10) * -shape + 10 / (n + 10) * 0.5


def _reference_weights(log_ratio):
    """Smoothing of Vehtari et al. (2024), with the ratios instead of their logarithms."""
    ratio = np.exp(log_ratio - log_ratio.max())
    count = len(ratio)
    size = int(min(count / 5, 3 * np.sqrt(count)))
    order = np.argsort(ratio)
    cutoff = ratio[order[-size - 1]]
    largest = order[-size:]
    scale, k = _reference_fit(ratio[largest] - cutoff)
    smoothed = ratio.copy()
    for z, index in enumerate(largest, start=1):
        p = (z - 0.5) / size
        quantile = cutoff + scale / k * ((1 - p) ** -k - 1)
        smoothed[index] = min(quantile, ratio.max())
    return smoothed / smoothed.sum(), k


@pytest.mark.parametrize("count", [40, 100, 1001])
@pytest.mark.parametrize("tail", [0.2, 1.0, 2.0])
def test_weights_and_shape_agree_with_the_reference(count, tail):
    """For light and heavy tails; k is between about 0.1 and 1.5."""
    log_ratio = tail * np.random.default_rng(count).exponential(size=count)
    log_weight, k = WEIGHTS(jnp.asarray(log_ratio))
    expected, expected_k = _reference_weights(log_ratio)
    np.testing.assert_allclose(np.exp(log_weight), expected, rtol=1e-10)
    assert float(k) == pytest.approx(expected_k, rel=1e-10)


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.7])
def test_fit_agrees_with_the_reference_and_recovers_the_shape(shape):
    x = np.sort(stats.genpareto(shape, scale=2.0).rvs(4000, random_state=0))
    scale, k = FIT(jnp.asarray(x))
    assert [float(scale), float(k)] == pytest.approx(_reference_fit(x), rel=1e-10)
    assert float(k) == pytest.approx(shape, abs=0.06)
    assert float(scale) == pytest.approx(2.0, rel=0.08)


@pytest.mark.parametrize("k", [-0.5, -1e-8, 0.0, 1e-8, 1e-5, 0.8])
def test_quantiles_agree_with_scipy_also_near_shape_zero(k):
    p = np.array([0.001, 0.3, 0.5, 0.999])
    expected = stats.genpareto(k, scale=1.5).ppf(p)
    quantile = jax.jit(_pareto_quantile)(p, 1.5, k)
    np.testing.assert_allclose(quantile, expected, 1e-6)


def test_smoothed_tail_has_the_order_of_the_ratios():
    log_ratio = 1.5 * np.random.default_rng(0).exponential(size=1001)
    log_weight, _ = WEIGHTS(jnp.asarray(log_ratio))
    ordered = np.asarray(log_weight)[np.argsort(log_ratio)]
    assert np.all(np.diff(ordered) >= 0)
    assert float(np.exp(log_weight).sum()) == pytest.approx(1.0)


def test_a_batch_is_smoothed_vector_by_vector():
    log_ratio = jnp.asarray(np.random.default_rng(1).normal(size=(3, 100)))
    together = jax.jit(jax.vmap(smoothed_log_weights))(log_ratio)
    for row in range(3):
        weight, k = WEIGHTS(log_ratio[row])
        np.testing.assert_allclose(together[0][row], weight, rtol=1e-10)
        assert float(together[1][row]) == pytest.approx(float(k), rel=1e-10)
