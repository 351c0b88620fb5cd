"""Impedance features equal NumPy's values on a grid and have the correct variances."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.data import Spectrum, read_spectra
from battprob.features.impedance import (
    bode,
    bode_table,
    nyquist,
    nyquist_table,
    relaxation_table,
)
from battprob.predictive import Predictive
from battprob.transforms import Log

FREQUENCY = np.geomspace(1e4, 0.1, 26)
GRID = np.geomspace(5e3, 0.2, 12)


def randles(frequency):
    omega = 2j * np.pi * frequency
    return 0.01 + 0.02 / (1 + 0.02 * omega) + 0.004 / np.sqrt(omega)


def spectrum(name="a", scale=1.0, frequency=FREQUENCY):
    return Spectrum(name, frequency, scale * randles(frequency))


def test_values_equal_numpy():
    z = randles(FREQUENCY)
    np.testing.assert_allclose(nyquist(jnp.asarray(z)), np.stack([z.real, -z.imag], -1))
    magnitude, phase = bode(jnp.asarray(z))
    np.testing.assert_allclose(magnitude, np.log10(np.abs(z)), rtol=1e-12)
    np.testing.assert_allclose(phase, np.unwrap(np.angle(z)), rtol=1e-12)


def test_phase_is_unwrapped_across_the_negative_real_axis():
    phase = np.linspace(0, -5 * np.pi, 60)
    np.testing.assert_allclose(bode(jnp.asarray(np.exp(1j * phase))).phase_rad, phase)


def test_values_at_measured_frequencies_are_exact_in_any_order():
    backward = spectrum(frequency=FREQUENCY[::-1])
    for record in (spectrum(), backward):
        table = nyquist_table([record], FREQUENCY)
        parts = np.asarray(table.x).reshape(-1, 2)
        np.testing.assert_allclose(parts[:, 0] - 1j * parts[:, 1], randles(FREQUENCY))
    assert table.names[:2] == ("re_z_10000hz", "minus_im_z_10000hz")


def test_interpolation_in_log_frequency_is_exact_for_a_line():
    line = Spectrum("a", FREQUENCY, (1 - 2j) * np.log(FREQUENCY))
    parts = np.asarray(nyquist_table([line], GRID).x).reshape(-1, 2)
    np.testing.assert_allclose(parts[:, 0], np.log(GRID), rtol=1e-12)
    np.testing.assert_allclose(parts[:, 1], 2 * np.log(GRID), rtol=1e-12)


def test_variances_agree_with_sampling(key):
    z = randles(FREQUENCY)
    variance = np.stack([(0.01 * np.abs(z)) ** 2, (0.02 * np.abs(z)) ** 2], axis=1)
    tables = {
        make: make([spectrum()], GRID, variance_ohm2=[variance])
        for make in (nyquist_table, bode_table)
    }
    noise = np.random.default_rng(0).standard_normal((4000, len(z), 2))
    draws = np.stack([z.real, z.imag], axis=1) + np.sqrt(variance) * noise
    spectra = [
        Spectrum(str(i), FREQUENCY, d[:, 0] + 1j * d[:, 1]) for i, d in enumerate(draws)
    ]
    for make, table in tables.items():
        sampled = np.var(make(spectra, GRID).x, axis=0)
        np.testing.assert_allclose(table.variance[0], sampled, rtol=0.12)


def test_unknown_variances_remain_unknown():
    assert np.isnan(nyquist_table([spectrum()], GRID).variance).all()
    assert np.isnan(bode_table([spectrum()], GRID).variance).all()


@hypothesis.given(st.floats(1e-3, 1e6), st.permutations(range(3)))
@hypothesis.settings(max_examples=15, deadline=None)
def test_units_and_order_of_spectra_do_not_matter(scale, order):
    spectra = [spectrum(str(i), 1 + 0.1 * i) for i in range(3)]
    scaled = [spectrum(str(i), scale * (1 + 0.1 * i)) for i in order]
    before, after = nyquist_table(spectra, GRID), nyquist_table(scaled, GRID)
    rows = np.asarray(before.x)[list(order)]
    np.testing.assert_allclose(after.x, scale * rows, rtol=1e-9)
    before, after = bode_table(spectra, GRID), bode_table(scaled, GRID)
    shift = np.tile([np.log10(scale), 0.0], len(GRID))
    rows = np.asarray(before.x)[list(order)]
    np.testing.assert_allclose(after.x, rows + shift, rtol=1e-9, atol=1e-9)


def test_gradients_are_finite_at_zero_impedance():
    def total(real):
        magnitude, phase = bode(jax.lax.complex(real, jnp.zeros_like(real)))
        return jnp.where(jnp.isfinite(magnitude), magnitude, 0.0).sum() + phase.sum()

    assert np.isfinite(jax.grad(total)(jnp.array([0.0, 1.0, -1.0]))).all()


@pytest.mark.parametrize(
    ("spectra", "grid", "variance", "message"),
    [
        ([spectrum()], [0.01], None, "covers 0.1 to 10000 Hz, not 0.01 Hz"),
        ([spectrum()], [10.0], [np.ones(26)], r"shape \(26, 2\).*got \(26,\)"),
        ([spectrum()], [10.0], [], "1 spectra and 0 variances"),
        ([], [10.0], None, "got 0 spectra"),
    ],
)
def test_invalid_input_is_an_error(spectra, grid, variance, message):
    with pytest.raises(DataError, match=message):
        nyquist_table(spectra, grid, variance_ohm2=variance)


def test_replicates_of_real_cells(data_folder):
    path = data_folder / "eis_soc_replicates" / "eis.csv"
    spectra = read_spectra(path, by=["battery", "run", "soc_percent"])
    table = nyquist_table(spectra, np.geomspace(1000, 0.05, 10))
    assert table.x.shape == (180, 20)
    assert np.isfinite(table.x).all()


def test_relaxation_times_have_their_posterior_variance():
    log_gamma = np.log([[10.0, 0.1], [1.0, 2.0]])
    variance = np.array([[0.04, 0.09], [0.01, 0.01]])
    gamma = Predictive.gaussian(log_gamma, 0.0, variance, Log())
    table = relaxation_table(["a", "b"], [0.1, 1.0], gamma)
    np.testing.assert_allclose(table.x, log_gamma / np.log(10), atol=1e-6)
    np.testing.assert_allclose(table.variance, variance / np.log(10) ** 2, rtol=1e-3)
    with pytest.raises(DataError, match=r"= \(2, 1\); got \(2, 2\)"):
        relaxation_table(["a", "b"], [0.1], gamma)
