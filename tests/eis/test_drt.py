"""Relaxation times: the kernel is exact; the posterior recovers the distribution."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.eis import DRT
from battprob.eis._drt_prior import (
    corner_functions,
    line_coefficients,
    log_gamma_map,
    slope_change_scale,
    tau_grid,
)

FREQUENCY = np.logspace(-4, 4, 81)
TAU = np.logspace(-3.5, 3.5, 141)
NOISE_SD = 0.5


def zarc(tau, resistance, centre, power):
    x, angle = np.log(tau / centre), (1 - power) * np.pi
    height = np.sin(angle) / (np.cosh(power * x) - np.cos(angle))
    return resistance / 2 / np.pi * height


def havriliak_negami(tau, resistance, centre, alpha, beta):
    power = (tau / centre) ** alpha
    angle = np.arctan2(np.sin(np.pi * alpha), power + np.cos(np.pi * alpha))
    size = (1 + 2 * np.cos(np.pi * alpha) * power + power**2) ** (beta / 2)
    height = power**beta * np.sin(beta * angle) / size
    return resistance / np.pi * height


def double_zarc():
    s = 2j * np.pi * FREQUENCY
    z = 20 + 50 / (1 + (0.1 * s) ** 0.8) + 50 / (1 + (10 * s) ** 0.8)
    return z, zarc(TAU, 50, 0.1, 0.8) + zarc(TAU, 50, 10, 0.8)


@pytest.fixture(scope="module")
def measured():
    noise = np.random.default_rng(0).normal(size=(3, 2, FREQUENCY.size))
    return double_zarc()[0] + NOISE_SD * (noise[:, 0] + 1j * noise[:, 1])


@pytest.fixture(scope="module")
def posterior(measured):
    return DRT().fit(FREQUENCY, measured, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("gamma", "impedance"),
    [
        (lambda t: zarc(t, 50, 1, 0.8), lambda s: 50 / (1 + s**0.8)),
        (
            lambda t: havriliak_negami(t, 50, 1, 0.8, 0.6),
            lambda s: 50 / (1 + s**0.8) ** 0.6,
        ),
    ],
)
def test_the_kernel_reproduces_closed_forms(gamma, impedance):
    # A very wide band, because this γ decreases only as τ^-0.48.
    frequency = np.logspace(-20, 20, 81)
    grid = tau_grid(frequency)
    tau = np.exp(np.asarray(grid.node_offset + grid.centre))
    real, imag = np.split(gamma(tau) @ np.asarray(grid.kernel), 2)
    middle = slice(36, 45)
    expected = impedance(2j * np.pi * frequency)[middle]
    np.testing.assert_allclose((real + 1j * imag)[middle], expected, rtol=1e-6)


def test_closed_forms_are_those_of_the_reference(data_folder):
    path = pathlib.Path(data_folder).parent / "eis" / "noise_reference.json"
    if not path.exists():
        pytest.skip("no reference values")
    reference = json.loads(path.read_text())
    for key, gamma in (
        ("zarc", lambda t: zarc(t, 50, 1, 0.8)),
        ("hn", lambda t: havriliak_negami(t, 50, 1, 0.8, 0.6)),
    ):
        name = next(n for n in reference if n.startswith(f"{key}_gamma"))
        for tau, value in reference[name]:
            assert gamma(float(tau)) == pytest.approx(float(value), rel=1e-10)


def test_coordinates_and_line_coefficients_give_the_same_function():
    grid = tau_grid(FREQUENCY)
    rng = np.random.default_rng(0)
    z = rng.normal(size=grid.knot.size + 3)
    roughness = rng.normal(size=grid.knot.size)
    far = jnp.array([-1e4, -1e4 + 1, 1e4, 1e4 + 1])

    @jax.jit
    def functions(z, roughness):
        scale = slope_change_scale(roughness, jnp.ones(2))
        f = log_gamma_map(grid.at_node, grid.node_offset, scale)
        line = line_coefficients(z, scale)
        corners = corner_functions(far, grid.knot)
        return f.matrix @ z + f.constant, line, corners @ line[:-2]

    by_map, line, corners = map(np.asarray, functions(z, roughness))
    whole = np.asarray(grid.at_node) @ line[:-2]
    whole += np.asarray(grid.node_offset) * line[-2] + line[-1]
    np.testing.assert_allclose(by_map, whole, atol=1e-9)
    at = corners + (np.asarray(far) - np.asarray(grid.centre)) * line[-2]
    np.testing.assert_allclose(at[1] - at[0], 0.7 + 0.4 * z[-3], atol=1e-6)
    np.testing.assert_allclose(at[3] - at[2], -0.7 - 0.4 * z[-2], atol=1e-6)


def test_the_distribution_is_recovered(posterior):
    truth = double_zarc()[1]
    pred = posterior.predict(TAU)
    difference = np.asarray(pred.mean) - truth
    error = np.linalg.norm(difference, axis=1) / np.linalg.norm(truth)
    assert np.all(error < 0.11)
    low, high = (np.asarray(end) for end in pred.interval(0.9))
    assert np.mean((low < truth) & (truth < high)) > 0.75
    assert np.all(low > 0)
    assert np.all(pred.aleatoric < 1e-20)  # rounding of a lognormal mean
    np.testing.assert_allclose(posterior.r_inf_ohm.mean, 20, atol=0.5)
    assert np.all(
        np.abs(posterior.inductance_h.mean) < 4 * posterior.inductance_h.std + 1e-6
    )


def test_peaks_have_position_and_area(posterior):
    for peaks in posterior.peaks():
        assert len(peaks.tau_s) == 2
        error = np.log10(peaks.tau_s / np.array([0.1, 10])) / peaks.log10_tau_sd
        assert np.all(np.abs(error) < 4)
        assert np.all(np.abs(peaks.area_ohm - 50) < 4 * peaks.area_sd + 0.5)
        assert np.all(peaks.probability > 0.9)


def test_the_spectrum_is_covered(posterior, measured):
    pred = posterior.impedance(FREQUENCY)
    low, high = (np.asarray(end) for end in pred.interval(0.9))
    parts = np.stack([measured.real, measured.imag], axis=-1)
    assert 0.83 < np.mean((low < parts) & (parts < high)) < 0.96
    np.testing.assert_allclose(np.sqrt(pred.aleatoric), NOISE_SD, rtol=0.3)


def test_a_batch_gives_the_results_of_single_spectra(posterior, measured):
    single = DRT().fit(FREQUENCY, measured[0], key=jax.random.key(0))
    np.testing.assert_allclose(
        single.predict(TAU).mean, posterior[0].predict(TAU).mean, rtol=1e-6
    )


def test_coordinates_are_logarithms_with_their_covariance(posterior):
    at = posterior.coordinates(TAU[20:120:20])
    low, middle, high = (
        np.log(np.asarray(q))
        for q in posterior.predict(TAU[20:120:20]).quantile([0.1587, 0.5, 0.8413])
    )
    sd = np.sqrt(np.diagonal(np.asarray(at.covariance), axis1=1, axis2=2))
    np.testing.assert_allclose(at.mean, middle, atol=0.5 * sd.max())
    np.testing.assert_allclose(sd, 0.5 * (high - low), rtol=0.35)
    assert at.names[0] == f"log_gamma_{TAU[20]:.3g}s"
    np.testing.assert_allclose(posterior[1].coordinates(TAU).mean[20], at.mean[1, 0])


def test_order_and_unit_do_not_matter(posterior, measured):
    reversed_ = DRT().fit(
        FREQUENCY[::-1], 1e-3 * measured[:, ::-1], key=jax.random.key(0)
    )
    before, after = posterior.predict(TAU), reversed_.predict(TAU)
    # Rounding can change single chains; the two posteriors are the same.
    error = np.log(1e3 * np.asarray(after.mean) / np.asarray(before.mean))
    assert np.median(np.abs(error)) < 0.05


def test_a_spectrum_without_noise_is_fitted():
    z, truth = double_zarc()
    pred = DRT().fit(FREQUENCY, z, key=jax.random.key(0)).predict(TAU)
    assert np.linalg.norm(pred.mean - truth) < 0.05 * np.linalg.norm(truth)


@pytest.mark.parametrize(
    ("frequency", "impedance", "message"),
    [
        ([-1.0, 1, 2, 3, 4], np.ones(5, complex), "must be positive"),
        ([1.0, 2, 3, 4, 5], np.array([1, np.nan, 1, 1, 1j]), "not finite"),
        ([1.0, 2, 3, 4], np.ones(4, complex), "needs 5"),
        ([1.0, 1, 2, 3, 4], np.ones(5, complex), "needs 5"),
        ([1.0, 2, 3, 4, 5], np.ones(4, complex), "same frequencies"),
        ([1.0, 2, 3, 4, 5], np.ones(5), "complex"),
    ],
)
def test_invalid_spectra_are_refused(frequency, impedance, message):
    with pytest.raises(DataError, match=message):
        DRT().fit(frequency, impedance, key=jax.random.key(0))


def test_invalid_times_are_refused(posterior):
    with pytest.raises(DataError, match="positive times"):
        posterior.predict([0.0, 1.0])
