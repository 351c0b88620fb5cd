"""dQ/dV and its peaks scale with the units and are finite for all inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob import DataError

# The shapes are those of `test_ica_errors`, which uses the same programs.
GRID = np.linspace(3.23, 3.77, 301)
CHARGE = np.broadcast_to(np.linspace(0, 1.4, 800), (20, 800))
QUANTUM = 1e-4


def voltage_v(seed=0):
    """Two plateaus, with noise and quantisation."""
    q = CHARGE
    clean = 3.22 + 0.4 * q - 0.04 * np.sin(2 * np.pi * q / 0.7) / (2 * np.pi) * 4
    noise = 5e-4 * np.random.default_rng(seed).standard_normal(q.shape)
    return np.round((clean + noise) / QUANTUM) * QUANTUM


def differentiate(voltage, charge=CHARGE, grid=GRID, quantum=QUANTUM):
    return bp.features.differential_capacity(voltage, charge, grid, quantum_v=quantum)


def norm(voltage, charge):
    curve = differentiate(voltage, charge)
    return (curve.mean**2).sum() + curve.std.sum()


GRADIENT = jax.jit(jax.value_and_grad(norm, argnums=(0, 1)))


def test_curves_do_not_depend_on_the_order_of_cells():
    # The roughness is fitted to every second cell; the permutation keeps this subset.
    order = np.random.default_rng(0).permutation(10)
    order = np.stack([2 * order, 2 * order[::-1] + 1], 1).ravel()
    curve, permuted = differentiate(voltage_v()), differentiate(voltage_v()[order])
    np.testing.assert_allclose(permuted.mean, curve.mean[order], rtol=1e-6)
    np.testing.assert_allclose(permuted.std, curve.std[order], rtol=1e-6)


def test_the_result_scales_with_the_units_of_charge_and_voltage():
    curve = differentiate(voltage_v())
    # A power of two is exact: samples halfway between grid points remain so.
    scaled = differentiate(voltage_v(), 1024 * CHARGE)
    np.testing.assert_allclose(scaled.mean, 1024 * curve.mean, rtol=1e-6)
    np.testing.assert_allclose(scaled.std, 1024 * curve.std, rtol=1e-6)
    doubled = differentiate(2 * voltage_v(), CHARGE, 2 * GRID, 2 * QUANTUM)
    np.testing.assert_allclose(2 * doubled.mean, curve.mean, rtol=1e-6)
    peaks = bp.features.ica_peaks(curve, GRID)
    larger = bp.features.ica_peaks(scaled, GRID)
    np.testing.assert_allclose(larger.position_v, peaks.position_v, rtol=1e-9)
    np.testing.assert_allclose(larger.area_ah, 1024 * peaks.area_ah, rtol=1e-6)


def test_float32_gives_the_same_curve():
    with jax.enable_x64(False):
        single = differentiate(voltage_v())
    curve = differentiate(voltage_v())
    assert single.mean.dtype == jnp.float32
    np.testing.assert_allclose(single.mean, curve.mean, atol=0.02 * curve.mean.max())
    np.testing.assert_allclose(single.std, curve.std, rtol=0.1)


@pytest.mark.parametrize("case", ["noisy", "repeated", "constant voltage", "no charge"])
def test_values_and_gradients_are_finite(case):
    voltage, charge = voltage_v(), CHARGE
    if case == "repeated":
        voltage = np.round(voltage, 2)
    if case == "constant voltage":
        voltage = np.full_like(voltage, 3.5)
    if case == "no charge":
        charge = np.zeros_like(charge)

    value, gradient = GRADIENT(jnp.asarray(voltage), jnp.asarray(charge))
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradient)


def test_gradient_equals_finite_differences():
    change = np.zeros(CHARGE.shape)
    # In this cell so small a change moves no measurement to another grid point.
    change[5, 390:410] = np.linspace(-1, 1, 20)
    got = (GRADIENT(jnp.asarray(voltage_v()), jnp.asarray(CHARGE))[1][0] * change).sum()
    above, below = (norm(voltage_v() + step * change, CHARGE) for step in (1e-7, -1e-7))
    expected = (above - below) / 2e-7
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantum": -1.0}, "quantum_v must be the quantisation step"),
        ({"grid": 1e3 * GRID}, r"no samples within grid_v, 3230 to 3770 V: .*units"),
        ({"grid": GRID[[0, 2, 1, 3]]}, "not monotone at index 2"),
        (
            {"charge": np.where(np.arange(800) > 2, np.nan, CHARGE)},
            "sample 3 .*a voltage without a capacity",
        ),
        ({"charge": np.where(CHARGE > 1, np.inf, CHARGE)}, "sample 571 .*infinite"),
    ],
)
def test_invalid_input_is_an_error_with_its_position(change, message):
    with pytest.raises(DataError, match=message):
        differentiate(voltage_v(), **change)


def test_a_cycle_of_three_samples_is_an_error():
    short = np.where(np.arange(800) > 2, np.nan, CHARGE)
    with pytest.raises(DataError, match="cycle 0 has 3 samples; it needs 4"):
        differentiate(np.where(np.isnan(short), np.nan, voltage_v()), short)


def test_peaks_of_invalid_curves_are_errors():
    curve = differentiate(voltage_v())
    with pytest.raises(DataError, match=r"draws of a curve over 100 voltages; got"):
        bp.features.ica_peaks(curve, GRID[:100])
    with pytest.raises(DataError, match="equally spaced"):
        bp.features.ica_peaks(curve, GRID**2)
    with pytest.raises(DataError, match="1 draws"):
        bp.features.ica_peaks(bp.Predictive.gaussian(curve.mean, 0.0, 0.1), GRID)
    with pytest.raises(DataError, match=r"max_peaks >= 1 .* got Predictive, 0"):
        bp.features.ica_peaks(curve, GRID, max_peaks=0)
