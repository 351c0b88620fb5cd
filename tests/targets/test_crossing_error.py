"""The variance of a crossing agrees with the variance over repeated noise."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.records import Cell
from battprob.targets import cycle_life


def cells(num, sd, *, step=1, seed=0):
    """Noisy capacities of a line that crosses 0.88 Ah at cycle 500."""
    cycle = np.arange(400, 601, step)
    truth = 0.88 - 2e-4 * (cycle - 500)
    noise = np.random.default_rng(seed).standard_normal((num, len(cycle)))
    return [Cell(str(i), cycle, truth + sd * row) for i, row in enumerate(noise)]


@pytest.mark.parametrize(
    ("sd", "step", "window", "sd_is_known"),
    [(5e-4, 20, 1, True), (2e-4, 1, 21, True), (2e-4, 1, 21, False)],
)
def test_variance_agrees_with_the_sample_variance_of_lives(
    sd, step, window, sd_is_known
):
    records = cells(600, sd, step=step)
    life = cycle_life(
        records,
        threshold_ah=0.88,
        window=window,
        capacity_sd_ah=sd if sd_is_known else None,
    )
    assert (np.asarray(life.censored) == 0).all()
    assert life.variance is not None
    error = np.log(np.asarray(life.value) / 500)
    np.testing.assert_allclose(np.mean(life.variance), np.var(error), rtol=0.15)


def test_a_wider_window_reduces_variance_and_bias():
    records = cells(200, 2e-4)
    narrow = cycle_life(records, threshold_ah=0.88, capacity_sd_ah=2e-4)
    wide = cycle_life(records, threshold_ah=0.88, capacity_sd_ah=2e-4, window=21)
    assert np.std(wide.value) < 0.5 * np.std(narrow.value)
    assert abs(np.mean(wide.value) - 500) < 0.5 * abs(np.mean(narrow.value) - 500)


def test_any_window_is_exact_on_a_line():
    for window in (1, 2, 5, 20):
        life = cycle_life(cells(1, 0.0), threshold_ah=0.88, window=window)
        np.testing.assert_allclose(life.value, 500.0, rtol=1e-9)


def test_the_variance_is_unknown_without_noise_or_enough_measurements():
    records = cells(3, 1e-4)
    assert cycle_life(records, threshold_ah=0.88, window=3).variance is None
    assert cycle_life(records, threshold_ah=0.88, window=4).variance is not None


def test_bounds_have_variance_zero():
    life = cycle_life(cells(2, 1e-5), threshold_ah=0.5, capacity_sd_ah=1e-5, window=3)
    np.testing.assert_array_equal(life.variance, [0.0, 0.0])
    np.testing.assert_array_equal(life.censored, [1, 1])


def test_a_capacity_that_increases_at_the_threshold_is_an_error():
    capacity = [1.0, 0.6, 0.8, 1.2, 0.95, 1.3]
    cell = Cell("u", range(1, 7), capacity)
    with pytest.raises(
        DataError, match=r"'u': the capacity does not decrease .* increase the window"
    ):
        cycle_life([cell], threshold_ah=0.89, window=4)
    with pytest.raises(DataError, match="'u' has 6 capacities, but the window is 9"):
        cycle_life([cell], threshold_ah=0.89, window=9)
