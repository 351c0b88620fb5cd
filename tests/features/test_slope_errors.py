"""The error of a slope is the sum of propagated noise and estimated smoothing bias."""

from functools import partial

import jax
import numpy as np
import pytest

from battprob.features import _slope_errors
from battprob.features._blocks import map_in_blocks
from battprob.state_space import MaternProcess

GRID = np.linspace(0.0, 1.0, 40)
PROCESS = MaternProcess(1.0, 0.6, derivatives=3)


def test_noise_part_is_the_covariance_of_the_smoothed_mean_due_to_noise():
    noise = 0.01 * (1.0 + GRID)
    data = _slope_errors.GridData(np.sin(5 * GRID), noise, np.ones(40, bool))
    noise_part = jax.jit(lambda: _slope_errors._split(PROCESS, GRID, data)[1])()
    # The mean is linear in the data, so its Jacobian propagates the noise covariance.
    jacobian = jax.jacobian(lambda y: PROCESS.smooth(GRID, y, noise).mean[:3])
    for order, weights in enumerate(jax.jit(jacobian)(data.value)):
        expected = np.sum(np.asarray(weights) ** 2 * noise, axis=1)
        np.testing.assert_allclose(noise_part[order][order], expected, rtol=1e-5)


POSITION = np.linspace(0.0, 3.0, 400)
FIT = jax.jit(_slope_errors.fit_smoothing)
OF_THE_PROCESS = MaternProcess(0.05**2, 0.3, derivatives=3)
CURVES = {
    "of the process": (
        partial(OF_THE_PROCESS.sample_prior, key=jax.random.key(0)),
        0.5,
        1.7,
    ),
    "smoother": (lambda x: 0.02 * np.sin(4 * x), 0.0, 0.4),
}


@pytest.mark.parametrize("name", CURVES)
def test_bias_ratio_is_one_for_draws_of_the_process_and_less_for_smoother_curves(name):
    curve, low, high = CURVES[name]
    noise = 5e-4 * np.asarray(jax.random.normal(jax.random.key(1), (16, 400)))
    data = _slope_errors.GridData(
        np.asarray(curve(POSITION)) + noise,
        np.full_like(noise, 25e-8),
        np.ones(noise.shape, bool),
    )
    smoothing = FIT(POSITION, data, np.full(16, 0.3))
    assert low <= smoothing.bias_ratio < high


@pytest.mark.parametrize("rows", [5, 128, 129, 300])
def test_blocks_give_the_result_of_every_row(rows):
    x, y = np.random.default_rng(0).normal(size=(2, rows, 3))

    def function(x, y):
        return {"sum": x + y, "last": (x * y)[-1]}

    got = jax.jit(partial(map_in_blocks, function))(x, y)
    np.testing.assert_array_equal(got["sum"], x + y)
    np.testing.assert_array_equal(got["last"], (x * y)[:, -1])
