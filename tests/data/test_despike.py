"""`despike` repairs short excursions and does not change ageing, knees or noise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battprob.data import Cell, despike

CYCLE = np.arange(1, 301)
VOLTAGE = np.linspace(3.6, 2.0, 40)
NOISE_AH = 2e-3


def fade(knee, power, noise, seed):
    """Monotone fade with a knee, whose steepness increases with `power`, plus noise."""
    rng = np.random.default_rng(seed)
    clean = 1.08 - 2e-4 * CYCLE - 0.3 * (CYCLE / knee) ** power
    return np.clip(clean, 0.1, None) + noise * rng.standard_normal(CYCLE.size)


def cell_with_curves(seed):
    """Curves that lose a fifth of their capacity over thirty cycles."""
    rng = np.random.default_rng(seed)
    shape = 1 / (1 + np.exp((VOLTAGE - 3.2) / 0.05))
    height = np.linspace(1.08, 0.86, 30)
    curves = height[:, None] * shape + 1e-3 * rng.standard_normal((30, 40))
    cycle = np.arange(2, 32)
    return Cell(
        "a1",
        cycle,
        curves[:, -1],
        curve_cycle=cycle,
        voltage_v=VOLTAGE,
        curve_capacity_ah=curves,
    )


@settings(max_examples=60, deadline=None)
@given(
    knee=st.floats(150, 400),
    power=st.floats(1, 40),
    noise=st.floats(0, 5e-3),
    seed=st.integers(0, 2**20),
)
def test_fade_with_a_knee_and_noise_is_never_repaired(knee, power, noise, seed):
    cell = Cell("a1", CYCLE, fade(knee, power, noise, seed))
    assert despike(cell) == (cell, [])


@pytest.mark.parametrize("step", [0.3, -0.3])
def test_a_permanent_step_is_not_repaired(step):
    capacity = 1.0 + step * (CYCLE > 150)
    assert despike(Cell("a1", CYCLE, capacity))[1] == []


@settings(max_examples=60, deadline=None)
@given(
    positions=st.lists(st.integers(1, 48), min_size=1, max_size=4, unique=True),
    size=st.floats(0.15, 50) | st.floats(-50, -0.15),
    seed=st.integers(0, 2**20),
)
def test_added_spikes_are_repaired_to_within_the_noise(positions, size, seed):
    clean = fade(500, 6, NOISE_AH, seed)
    rows = 6 * np.array(sorted(positions))
    spiked = clean.copy()
    spiked[rows] += size
    repaired, repairs = despike(Cell("a1", CYCLE, spiked))
    assert [r.cycle for r in repairs] == CYCLE[rows].tolist()
    assert np.abs(repaired.capacity_ah - clean).max() < 6 * NOISE_AH
    untouched = np.delete(np.arange(CYCLE.size), rows)
    np.testing.assert_array_equal(repaired.capacity_ah[untouched], clean[untouched])


def test_a_missing_value_stays_missing_and_does_not_hide_a_spike():
    capacity = fade(500, 6, NOISE_AH, 0)
    capacity[[50, 52]] = np.nan
    capacity[51] = 30.0
    repaired, repairs = despike(Cell("a1", CYCLE, capacity))
    assert [r.cycle for r in repairs] == [52]
    assert np.isnan(repaired.capacity_ah[[50, 52]]).all()


def test_a_bad_curve_is_interpolated_from_its_neighbours():
    clean = cell_with_curves(0)
    curves = clean.curve_capacity_ah.copy()
    curves[10, 17] += 0.4
    curves[20] -= 0.2
    spiked = replace(clean, curve_capacity_ah=curves)
    repaired, repairs = despike(spiked)
    assert [(r.cycle, r.quantity) for r in repairs] == [
        (12, "curve_capacity_ah"),
        (22, "curve_capacity_ah"),
    ]
    assert repairs[0].voltage_v == VOLTAGE[17]
    assert np.abs(repaired.curve_capacity_ah - clean.curve_capacity_ah).max() < 6e-3
    assert spiked.curve_capacity_ah[10, 17] == curves[10, 17]


def test_curves_without_spikes_return_the_same_object():
    cell = cell_with_curves(1)
    assert despike(cell)[0] is cell


def test_repair_is_printed_as_one_line():
    curves = cell_with_curves(0).curve_capacity_ah.copy()
    curves[10, 17] = 49.0
    _, (repair,) = despike(replace(cell_with_curves(0), curve_capacity_ah=curves))
    assert str(repair).startswith(
        "a1 cycle 12: curve_capacity_ah at 2.903 V 49.0000 ->"
    )


@pytest.mark.parametrize("num_cycles", [1, 2, 3])
def test_short_records_are_not_changed(num_cycles):
    cell = Cell("a1", CYCLE[:num_cycles], np.ones(num_cycles))
    assert despike(cell) == (cell, [])
