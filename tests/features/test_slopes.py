"""The error of a slope is the noise let through and the bias that the curves show."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob.features import _slopes
from battprob.features._blocks import in_blocks
from battprob.state_space import MaternProcess

GRID = jnp.linspace(0.0, 1.0, 40)
PROCESS = MaternProcess(1.0, 0.6, derivatives=3)


def test_noise_share_is_the_covariance_that_noise_alone_gives_the_smoothed_mean():
    noise = 0.01 * (1.0 + GRID)
    readings = _slopes.Readings(jnp.sin(5 * GRID), noise, jnp.ones(40, bool))
    _, share = _slopes._split(PROCESS, GRID, readings)
    # The mean is linear in the readings: its Jacobian carries the noise's covariance over.
    for order in (0, 1, 2):
        weights = jax.jacobian(
            lambda y, order=order: PROCESS.smooth(GRID, y, noise).mean[order]
        )(readings.value)
        expected = jnp.sum(weights**2 * noise[None], axis=1)
        np.testing.assert_allclose(share[order][order], expected, rtol=1e-5)


PLACE = jnp.linspace(0.0, 3.0, 400)
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
def test_bias_is_the_expected_of_the_process_itself_and_less_of_smoother_curves(name):
    curve, low, high = CURVES[name]
    noise = 5e-4 * jax.random.normal(jax.random.key(1), (16, 400))
    readings = _slopes.Readings(
        curve(PLACE)[None] + noise,
        jnp.full_like(noise, 25e-8),
        jnp.ones(noise.shape, bool),
    )
    found = _slopes.choose_smoothing(PLACE, readings, jnp.full(16, 0.3))
    assert low <= found.bias_share < high


def test_a_gap_keeps_its_open_band():
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
def test_blocks_give_what_all_rows_at_once_give(rows):
    x, y = jax.random.normal(jax.random.key(0), (2, rows, 3))

    def one(x, y):
        return {"sum": x + y, "last": (x * y)[-1]}

    got, expected = in_blocks(one, x, y), jax.vmap(one)(x, y)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
