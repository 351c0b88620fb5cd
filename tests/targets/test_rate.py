"""The mean and variance of a rate agree with numerical integration of the posterior."""

import numpy as np
import pytest

from battprob import DataError
from battprob.targets import degradation_rate, fade_rate

CYCLE = np.arange(1, 13)


def measurements(seed=0, num=1):
    noise = np.random.default_rng(seed).standard_normal((num, 12))
    return 0.02 + 2e-5 * CYCLE + 3e-5 * noise


def test_posterior_agrees_with_integration_on_a_grid():
    resistance = 1e3 * measurements()[0]
    centred = CYCLE - CYCLE.mean()
    best, half_width = np.polyfit(centred, resistance, 1)[0], 0.02
    slope = best + half_width * np.linspace(-1, 1, 801)[:, None, None]
    log_sd = np.linspace(-6, 0, 241)[None, :, None]
    intercept = resistance.mean() + 0.15 * np.linspace(-1, 1, 161)[None, None]
    sums = [centred @ centred, centred @ resistance, resistance @ resistance]
    square = (
        sums[2]
        - 2 * intercept * resistance.sum()
        - 2 * slope * sums[1]
        + 12 * intercept**2
        + slope**2 * sums[0]
    )
    log_posterior = -12 * log_sd - 0.5 * square / np.exp(2 * log_sd)
    weight = np.exp(log_posterior - log_posterior.max()).sum(axis=(1, 2))
    weight /= weight.sum()
    mean = weight @ slope[:, 0, 0]
    variance = weight @ (slope[:, 0, 0] - mean) ** 2
    rate = degradation_rate(resistance, CYCLE)
    np.testing.assert_allclose(rate.value[0], mean, rtol=1e-6)
    np.testing.assert_allclose(rate.variance[0], variance, rtol=0.02)


def test_variance_agrees_with_repeated_measurements():
    rate = degradation_rate(measurements(seed=1, num=4000), CYCLE)
    # The reference posterior is wider than the sampling variance by nu / (nu - 2).
    sampled = np.var(rate.value) * 10 / 8
    np.testing.assert_allclose(np.mean(rate.variance), sampled, rtol=0.06)
    np.testing.assert_allclose(np.mean(rate.value), 2e-5, rtol=0.02)


def test_missing_and_late_measurements_are_ignored():
    resistance = measurements()[0]
    with_gap = resistance.copy()
    with_gap[3] = np.nan
    kept = np.arange(12) != 3
    got = degradation_rate(with_gap, CYCLE, last_cycle=10)
    expected = degradation_rate(resistance[kept][:9], CYCLE[kept][:9])
    np.testing.assert_allclose(got.value, expected.value, rtol=1e-9)
    np.testing.assert_allclose(got.variance, expected.variance, rtol=1e-9)


def test_cells_keep_their_names_and_are_independent():
    resistance = measurements(num=3)
    rate = degradation_rate(resistance, CYCLE, rows=["a", "b", "c"])
    assert (rate.rows, rate.unit) == (("a", "b", "c"), "ohm/cycle")
    alone = degradation_rate(resistance[1], CYCLE)
    np.testing.assert_allclose(rate.value[1], alone.value[0], rtol=1e-12)
    assert alone.rows == ("0",)


def test_unit_of_resistance_and_origin_of_cycles():
    rate = degradation_rate(measurements(), CYCLE)
    scaled = degradation_rate(1e3 * measurements(), CYCLE - 50)
    np.testing.assert_allclose(scaled.value, 1e3 * rate.value, rtol=1e-9)
    np.testing.assert_allclose(scaled.variance, 1e6 * rate.variance, rtol=1e-9)


def test_fade_is_positive_if_the_capacity_decreases():
    rate = fade_rate(1.1 - measurements(), CYCLE)
    np.testing.assert_allclose(
        rate.value, degradation_rate(measurements(), CYCLE).value
    )
    assert rate.unit == "Ah/cycle"


def test_wrong_shapes_and_too_few_measurements_are_errors():
    with pytest.raises(DataError, match=r"got \(1, 12\), \(11,\) cycles and no names"):
        degradation_rate(measurements(), CYCLE[1:])
    with pytest.raises(
        DataError, match=r"cell 'b' has 4 measurements .* up to cycle 4"
    ):
        degradation_rate(measurements(num=2)[1:], CYCLE, rows=["b"], last_cycle=4)


def test_invalid_numbers_are_errors_with_cell_and_cycle():
    invalid = measurements(num=2)
    invalid[1, 4] = np.inf
    with pytest.raises(
        DataError, match=r"cell '1' has an infinite .* at cycle 5: use NaN"
    ):
        degradation_rate(invalid, CYCLE)
    with pytest.raises(DataError, match=r"all different; got .1.0, 1.0"):
        degradation_rate(measurements(), np.ones(12))
    with pytest.raises(DataError, match="must be positive, or None"):
        degradation_rate(measurements(), CYCLE, resistance_sd_ohm=0.0)


def test_known_noise_gives_the_variance_of_least_squares():
    rate = degradation_rate(measurements(), CYCLE, resistance_sd_ohm=3e-5)
    design = np.stack([np.ones(12), CYCLE], axis=1)
    covariance = 9e-10 * np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(rate.variance[0], covariance[1, 1], rtol=1e-9)
    two = fade_rate([1.0, 0.9], [1, 3], capacity_sd_ah=0.01)
    np.testing.assert_allclose(two.value[0], 0.05, rtol=1e-9)
    np.testing.assert_allclose(two.variance[0], 2e-4 / 4, rtol=1e-9)
