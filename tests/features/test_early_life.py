"""Early-life features equal the documented values for each cell and requested cycle."""

from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest
import scipy.stats

from battprob import DataError
from battprob.data.records import Cell
from battprob.features import DELTA_Q_AND_FADE, DISCHARGE, early_life
from battprob.features.early_life import _features_of_cells

CYCLE = np.arange(1, 31)
VOLTAGE = np.linspace(3.6, 2.0, 40)


def make_cell(seed, **changes):
    rng = np.random.default_rng(seed)
    rate = rng.uniform(1e-4, 1e-3)
    capacity = 1.08 - rate * CYCLE + rng.normal(0, 1e-4, CYCLE.size)
    curves = (capacity - rate * CYCLE)[:, None] / (1 + np.exp(20 * (VOLTAGE - 3.0)))
    cell = Cell(
        f"cell{seed}",
        cycle=CYCLE,
        capacity_ah=capacity,
        curve_cycle=CYCLE,
        voltage_v=VOLTAGE,
        curve_capacity_ah=curves,
        batch=f"batch{seed % 2}",
    )
    return replace(cell, **changes)


CELLS = [make_cell(seed) for seed in range(4)]


def features(cells=CELLS):
    return early_life(cells, early_cycle=5, late_cycle=25)


def reference(cell):
    """The same features by NumPy and SciPy; array index is cycle number minus one."""
    delta = cell.curve_capacity_ah[24] - cell.curve_capacity_ah[4]
    moments = {
        "variance": delta.var(),
        "minimum": delta.min(),
        "mean": delta.mean(),
        "skewness": scipy.stats.skew(delta),
        "kurtosis": scipy.stats.kurtosis(delta, fisher=False),
    }
    capacity = cell.capacity_ah
    whole = np.polyfit(CYCLE[1:25], capacity[1:25], 1)
    late = np.polyfit(CYCLE[15:25], capacity[15:25], 1)
    return {f"delta_q_log10_{k}": np.log10(abs(v)) for k, v in moments.items()} | {
        "delta_q_inverse_kurtosis": 1 / moments["kurtosis"],
        "first_capacity": capacity[1],
        "late_capacity": capacity[24],
        "capacity_rise": capacity[1:25].max() - capacity[1],
        "fade_slope": whole[0],
        "fade_intercept": whole[1],
        "late_fade_slope": late[0],
        "late_fade_intercept": late[1],
    }


def test_every_column_equals_its_reference():
    table = features()
    expected = [[reference(cell)[name] for name in table.names] for cell in CELLS]
    np.testing.assert_allclose(table.x, expected, rtol=1e-9, atol=1e-12)
    assert table.rows == ("cell0", "cell1", "cell2", "cell3")
    assert table.groups == ("batch0", "batch1", "batch0", "batch1")
    assert set(DISCHARGE) < set(DELTA_Q_AND_FADE) < set(table.names)


def test_variance_is_that_of_the_fits_and_unknown_otherwise():
    table = features()
    fits = [name for name in table.names if "slope" in name or "intercept" in name]
    known = [
        name for j, name in enumerate(table.names) if (table.variance[:, j] > 0).all()
    ]
    assert known == fits
    covariance = np.polyfit(CYCLE[15:25], CELLS[2].capacity_ah[15:25], 1, cov=True)[1]
    got = table.select(["late_fade_slope", "late_fade_intercept"]).variance[2]
    np.testing.assert_allclose(got, np.diag(covariance), rtol=1e-8)


def test_order_of_cells_is_order_of_rows():
    shuffled = features([CELLS[i] for i in (2, 0, 3, 1)])
    np.testing.assert_array_equal(shuffled.x, features().x[np.array([2, 0, 3, 1])])


def test_cycles_after_the_late_cycle_are_ignored():
    truncated = [
        replace(
            cell,
            cycle=CYCLE[:25],
            capacity_ah=cell.capacity_ah[:25],
            curve_cycle=CYCLE[:25],
            curve_capacity_ah=cell.curve_capacity_ah[:25],
        )
        for cell in CELLS
    ]
    np.testing.assert_array_equal(features(truncated).x, features().x)


def test_other_values_do_not_retrace():
    limited = eqx.debug.assert_max_traces(_features_of_cells.__wrapped__, max_traces=1)
    jitted = eqx.filter_jit(limited)
    rng = np.random.default_rng(0)
    for _ in range(2):
        curves, capacity = rng.random((4, 2, 40)), rng.random((4, 24))
        jitted(*(jax.numpy.asarray(a) for a in (curves, capacity, np.arange(24.0))))


def test_runs_in_float32():
    double = features()
    with jax.enable_x64(False):
        single = features()
        assert single.x.dtype == "float32"
    np.testing.assert_allclose(single.x, double.x, rtol=2e-3, atol=1e-4)


def test_a_missing_capacity_is_left_out_of_the_fits():
    capacity = CELLS[0].capacity_ah.copy()
    capacity[9] = np.nan
    got = features([replace(CELLS[0], capacity_ah=capacity)])
    kept = (CYCLE >= 2) & (CYCLE <= 25) & (CYCLE != 10)
    slope = np.polyfit(CYCLE[kept], capacity[kept], 1)[0]
    np.testing.assert_allclose(got.select(["fade_slope"]).x[0, 0], slope, rtol=1e-9)


def test_missing_cycles_are_errors_that_name_cell_and_cycle():
    for cycle in (2, 25):
        capacity = np.where(cycle == CYCLE, np.nan, CELLS[1].capacity_ah)
        with_gap = replace(CELLS[1], capacity_ah=capacity)
        message = f"'cell1' has no capacity at cycle {cycle}"
        with pytest.raises(DataError, match=message):
            features([CELLS[0], with_gap])
    curves = CELLS[1].curve_capacity_ah.copy()
    curves[4, 7] = np.nan
    with_gap = replace(CELLS[1], curve_capacity_ah=curves)
    with pytest.raises(DataError, match=r"'cell1' has no complete .* curve at cycle 5"):
        features([CELLS[0], with_gap])
    with pytest.raises(DataError, match="'cell0' has no discharge curve at cycle 99"):
        early_life(CELLS, early_cycle=5, late_cycle=99)


def test_voltage_grids_must_be_equal():
    other = replace(CELLS[1], voltage_v=VOLTAGE + 0.01)
    with pytest.raises(
        DataError, match=r"'cell1' has another voltage grid than 'cell0'"
    ):
        features([CELLS[0], other])


@pytest.mark.parametrize(("early", "late"), [(10, 10), (1, 20)])
def test_cycles_must_be_in_order(early, late):
    with pytest.raises(
        DataError, match=f"2 <= early_cycle < late_cycle.*{early} and {late}"
    ):
        early_life(CELLS, early_cycle=early, late_cycle=late)


def test_an_empty_list_of_cells_is_an_error():
    with pytest.raises(DataError, match=r"expected cells .* got 0 cells"):
        early_life([])
