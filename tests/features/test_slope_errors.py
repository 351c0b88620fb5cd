"""The error of a slope is the sum of propagated noise and estimated smoothing bias."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob.features import _slope_errors
from battprob.features._blocks import map_in_blocks
from battprob.state_space import MaternProcess

GRID = jnp.linspace(0.0, 1.0, 40)
PROCESS = MaternProcess(1.0, 0.6, derivatives=3)


def test_noise_part_is_the_covariance_of_the_smoothed_mean_due_to_noise():
    noise = 0.01 * (1.0 + GRID)
    data = _slope_errors.GridData(jnp.sin(5 * GRID), noise, jnp.ones(40, bool))
    _, noise_part = _slope_errors._split(PROCESS, GRID, data)
    # The mean is linear in the data, so its Jacobian propagates the noise covariance.
    for order in (0, 1, 2):
        weights = jax.jacobian(
            lambda y, order=order: PROCESS.smooth(GRID, y, noise).mean[order]
        )(data.value)
        expected = jnp.sum(weights**2 * noise[None], axis=1)
        np.testing.assert_allclose(noise_part[order][order], expected, rtol=1e-5)


POSITION = jnp.linspace(0.0, 3.0, 400)
OF_THE_PROCESS = MaternProcess(0.05**2, 0.3, derivatives=3)
CURVES = {
    "of the process": (
        partial(OF_THE_PROCESS.sample_prior, key=jax.random.key(0)),
        0.5,
        1.7,
    ),
    "smoother": (lambda x: 0.02 * jnp.sin(4 * x), 0.0, 0.4),
}


@pytest.mark.parametrize("name", CURVES)
def test_bias_ratio_is_one_for_draws_of_the_process_and_less_for_smoother_curves(name):
    curve, low, high = CURVES[name]
    noise = 5e-4 * jax.random.normal(jax.random.key(1), (16, 400))
    data = _slope_errors.GridData(
        curve(POSITION)[None] + noise,
        jnp.full_like(noise, 25e-8),
        jnp.ones(noise.shape, bool),
    )
    smoothing = _slope_errors.fit_smoothing(POSITION, data, jnp.full(16, 0.3))
    assert low <= smoothing.bias_ratio < high


def test_the_error_is_large_in_a_gap():
    q = np.linspace(0.0, 3.0, 300)
    rng = np.random.default_rng(0)
    voltage = (
        3.0 + 0.3 * q + 0.02 * np.sin(8 * q) + 5e-4 * rng.standard_normal((4, 300))
    )
    voltage[:, 120:180] = np.nan
    capacity = np.where(np.isnan(voltage), np.nan, q)
    curve = bp.features.differential_voltage(capacity, voltage, q)
    truth = 0.3 + 0.16 * np.cos(8 * q)
    score = np.abs(np.asarray(curve.mean) - truth) / np.asarray(curve.std)
    assert np.mean(score[:, 125:175] < 1.645) > 0.8
    assert np.median(curve.std[:, 150]) > 5 * np.median(curve.std[:, 60])


@pytest.mark.parametrize("rows", [5, 128, 129, 300])
def test_blocks_give_the_same_results_as_vmap(rows):
    x, y = jax.random.normal(jax.random.key(0), (2, rows, 3))

    def function(x, y):
        return {"sum": x + y, "last": (x * y)[-1]}

    got, expected = map_in_blocks(function, x, y), jax.vmap(function)(x, y)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
