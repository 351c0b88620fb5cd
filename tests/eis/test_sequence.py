"""Smoothing along a sequence equals the dense posterior and narrows the intervals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob.eis import Circuit, fit_sequence, smooth
from battprob.eis.sequence import (
    GaussianLikelihoods,
    filter_forward,
    smooth_backward,
)

FREQUENCY = np.logspace(4, -2, 40)
CIRCUIT = Circuit("R0-p(R1,CPE1)-W1")
CYCLE = np.arange(8.0) * 100
GROWTH = np.linspace(0, 1, 8)
TRUTH = np.stack(
    [
        0.02 * (1 + 0.3 * GROWTH),
        0.008 * (1 + GROWTH),
        0.4 + 0 * GROWTH,
        0.85 + 0 * GROWTH,
        2.5e-3 * (1 + 0.1 * np.sin(5 * GROWTH)),
    ],
    axis=1,
)


@pytest.fixture(scope="module")
def aged():
    """Eight noisy spectra of an ageing cell, fitted separately and smoothed."""
    z = np.stack([np.asarray(CIRCUIT.impedance(row, FREQUENCY)) for row in TRUTH])
    noise = np.random.default_rng(0).normal(size=(2, *z.shape))
    measured = z * (1 + 0.01 * (noise[0] + 1j * noise[1]))
    separate = CIRCUIT.fit(FREQUENCY, measured, key=jax.random.key(0))
    return measured, separate, smooth(separate, CYCLE)


def test_filter_and_smoother_equal_the_dense_posterior():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 3, 2))
    precision = root @ np.swapaxes(root, 1, 2)  # no spectrum determines all parameters
    shift = np.einsum("nij,nj->ni", precision, rng.normal(size=(6, 3)))
    step, rate = np.array([0.1, 0.3, 0.2, 0.1, 0.3]), np.array([0.5, 1.0, 2.0])
    prior_mean, prior_sd = np.array([0.1, -0.2, 0.3]), np.array([1.0, 2.0, 0.5])
    dense = np.zeros((18, 18))
    dense[:3, :3] = np.diag(1 / prior_sd**2)
    for i, length in enumerate(step):
        pair = np.kron([[1, -1], [-1, 1]], np.diag(1 / (rate * length)))
        dense[3 * i : 3 * i + 6, 3 * i : 3 * i + 6] += pair
    right = np.concatenate([prior_mean / prior_sd**2, np.zeros(15)])
    before = np.linalg.slogdet(dense)[1], right @ np.linalg.solve(dense, right)
    for i in range(6):
        dense[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] += precision[i]
    right = right + shift.ravel()
    covariance = np.linalg.inv(dense)
    mean = covariance @ right
    log_evidence = 0.5 * (
        before[0] - np.linalg.slogdet(dense)[1] + right @ mean - before[1]
    )

    likelihoods = GaussianLikelihoods(
        *map(jnp.asarray, (precision, shift, prior_mean, prior_sd))
    )
    path, evidence = jax.jit(filter_forward)(likelihoods, step, rate)
    means, covariances = map(np.asarray, jax.jit(smooth_backward)(path, step, rate))
    np.testing.assert_allclose(means.ravel(), mean, rtol=1e-9)
    for i in range(6):
        block = covariance[3 * i : 3 * i + 3, 3 * i : 3 * i + 3]
        np.testing.assert_allclose(covariances[i], block, rtol=1e-8, atol=1e-10)
    assert float(evidence) == pytest.approx(log_evidence, rel=1e-9)


def test_smoothing_narrows_constant_parameters_and_follows_changing_ones(aged):
    _, separate, path = aged
    before, after = separate.parameters, path.parameters
    ratio = np.median(after.sd / before.sd, axis=0)
    assert ratio[[2, 3]].max() < 0.6  # constant: determined by eight spectra
    assert ratio.max() < 1.0
    value = np.asarray(after.value)
    error = np.sqrt(np.mean((value / TRUTH - 1) ** 2, axis=0))
    separate_error = np.sqrt(
        np.mean((np.asarray(before.value) / TRUTH - 1) ** 2, axis=0)
    )
    assert np.exp(np.mean(np.log(error / separate_error))) < 0.6


def test_smoothed_intervals_cover_the_truth(aged):
    *_, path = aged
    bounds = path.interval(0.9)
    covered = [
        (bounds[name][0] < TRUTH[:, i]) & (bounds[name][1] > TRUTH[:, i])
        for i, name in enumerate(CIRCUIT.names)
    ]
    assert 0.75 <= np.mean(covered) <= 1.0


def test_fit_sequence_fits_and_smooths(aged):
    measured, _, path = aged
    key = jax.random.key(0)
    fitted = fit_sequence(CIRCUIT, CYCLE, FREQUENCY, measured, key=key)
    np.testing.assert_allclose(
        fitted.parameters.value, path.parameters.value, rtol=0.02
    )


def test_errors(aged):
    _, separate, _ = aged
    with pytest.raises(ValueError, match="locations must ascend: 0 is followed by 0"):
        smooth(separate, np.zeros(8))
    with pytest.raises(ValueError, match=r"locations of shape \(3,\)"):
        smooth(separate, [1.0, 2.0, 3.0])
