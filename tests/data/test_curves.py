"""Q(V) is not bent by rest, false voltages, pulses, noise or the end of a discharge."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import TimeSeries
from battprob.data.curves import common_voltages, discharge_curves, voltage_range
from tests.data.logs import columns, log_of, rows_of, voltage_of

GRID = np.linspace(4.0, 3.05, 20)
TABLE = columns(rows=120)


def true_curve(capacity, grid=GRID):
    charge = np.linspace(0, capacity, 20001)
    voltage = voltage_of(capacity - charge, capacity, -2.0)
    return np.interp(grid, voltage[::-1], charge[::-1])


def assert_right(log, atol=2e-3):
    curves = discharge_curves(log, GRID)
    assert curves.cycle.tolist() == [1, 2, 3]
    for curve, capacity in zip(curves.capacity_ah, (2.0, 1.98, 1.96), strict=True):
        np.testing.assert_allclose(curve, true_curve(capacity), atol=atol)
    return curves


def discharge_rows(cycle=2):
    return np.flatnonzero((TABLE["cycle"] == cycle) & (TABLE["current_a"] < 0))


def test_undisturbed():
    assert assert_right(log_of(TABLE)).statements == ()


def test_rest_currents_do_not_bend_the_curve():
    current = np.where(TABLE["current_a"] == 0, -1e-5, TABLE["current_a"])
    assert_right(log_of(TABLE, current_a=current))


@pytest.mark.parametrize("value", [0.0, 2.5, 3.9, 4.5])
@pytest.mark.parametrize("position", [0, 1, 50, 51, -2])
def test_single_false_voltages(value, position):
    voltage = TABLE["voltage_v"].copy()
    row = discharge_rows()[position]
    voltage[row] = value
    curves = assert_right(log_of(TABLE, voltage_v=voltage), atol=0.02)
    if abs(value - TABLE["voltage_v"][row]) > 0.5 and position != 0:
        assert curves.statements[0].startswith("the voltage of 1 row does not fit")
        assert f"first: row {row}," in curves.statements[0]


def test_two_false_voltages_in_a_row_and_another():
    voltage = TABLE["voltage_v"].copy()
    voltage[discharge_rows()[[30, 31, 60]]] = 5.0, 5.1, 1.0
    assert_right(log_of(TABLE, voltage_v=voltage), atol=0.02)


def test_relaxed_rows_of_pulses():
    voltage = TABLE["voltage_v"].copy()
    rows = discharge_rows()
    voltage[rows[10::10]] += 0.06  # no rows at rest between the pulses
    assert_right(log_of(TABLE, voltage_v=voltage), atol=0.02)


def with_rests(minutes=10.0):
    """Rests with three rows after each ten rows of the discharge of cycle 2."""
    rows = discharge_rows()
    table = {name: list(column) for name, column in TABLE.items()}
    for row in rows[10::10][::-1]:
        for number in (3, 2, 1):
            for column in table.values():
                column.insert(row, column[row - 1])
            table["current_a"][row] = 0.0
            table["voltage_v"][row] += 0.04 + 0.02 * number
            table["time_s"][row] += 60 * minutes * number / 4
        for later in range(row + 3, len(table["time_s"])):
            table["time_s"][later] += 60 * minutes
        # The voltage returns to the curve within three rows.
        for later, excess in zip(
            range(row + 3, row + 6), (0.06, 0.03, 0.01), strict=True
        ):
            table["voltage_v"][later] += excess
    return {name: np.array(column) for name, column in table.items()}


def test_rests_inside_a_discharge():
    assert_right(log_of(with_rests()), atol=0.02)


def test_a_noisy_quantised_voltage_gives_the_centre_of_each_step():
    charge = np.linspace(0, 1, 2001)
    voltage = np.round(4 - charge, 2)
    log = TimeSeries("a", 3600 * charge, voltage, -np.ones(2001), np.ones(2001))
    grid = np.array([3.9, 3.5, 3.105])
    curve = discharge_curves(log, grid).capacity_ah[0]
    np.testing.assert_allclose(curve, 4 - grid, atol=6e-4)


def test_several_discharges_have_no_curve():
    cycle = np.where(TABLE["cycle"] < 3, 1, 3)
    log = log_of(TABLE, cycle=cycle)
    curves = discharge_curves(log, GRID)
    assert curves.cycle.tolist() == [3]
    assert curves.statements == (
        "no discharge curve for 1 cycle with several discharges (first: 1); number the "
        "cycles anew with with_cycles",
    )
    with pytest.raises(DataError, match="no discharge curve at cycle 1"):
        log.to_cell(voltage_v=GRID).curve_ah(1)
    assert_right(log.with_cycles("charge"))


def test_a_short_second_discharge_does_not_matter():
    # A discharge of 3 % after a short charge within cycle 1.
    rows = np.flatnonzero(TABLE["cycle"] == 1)
    block = np.arange(rows[0], rows[0] + 8)
    table = {
        name: np.concatenate([c[rows], c[block], c[block]]) for name, c in TABLE.items()
    }
    table["time_s"] = np.concatenate(
        [TABLE["time_s"][rows], 20_000 + TABLE["time_s"][block], 40_000 + block]
    )
    table["current_a"][-8:] *= -1
    curves = discharge_curves(log_of(table, keep=()), GRID)
    np.testing.assert_allclose(curves.capacity_ah[0], true_curve(2.0), atol=2e-3)


def test_the_ends_of_a_curve():
    charge = np.linspace(0, 1, 101)
    steep = np.where(charge > 0.95, 3.5 - 20 * (charge - 0.95), 4.0 - charge / 1.9)
    for voltage, held in ((steep, 0.0199), (4 - charge, 0.0099)):
        log = TimeSeries("a", 3600 * charge, voltage, -np.ones(101), np.ones(101))
        end = voltage[-1]
        grid = np.array([4.1, end, end - held, end - 0.021])
        curve = discharge_curves(log, grid).capacity_ah[0]
        np.testing.assert_allclose(curve[:3], [0, 1, 1])
        assert np.isnan(curve[3])


def test_common_voltages_of_discharges_that_end_at_their_own_voltage():
    # Sparse rows: each discharge passes the cut-off of 3.0 V by up to 40 mV.
    generator = np.random.default_rng(0)
    time, voltage, cycle = [], [], []
    for number in range(1, 31):
        charge = np.linspace(0, 1, 20)
        time += list(1e4 * number + 3600 * charge)
        voltage += list(4.1 - (1.1 + 0.04 * generator.random()) * charge**1.5)
        cycle += [number] * 20
    log = TimeSeries("a", time, voltage, -np.ones(600), cycle)
    grid = common_voltages([log])
    assert len(grid) == 1000
    assert np.isfinite(discharge_curves(log, grid).capacity_ah).all()
    # One partial discharge does not cut the curves of the others.
    voltage = np.array(voltage)
    voltage[np.array(cycle) == 7] += 0.5
    partial = TimeSeries("a", time, voltage, -np.ones(600), cycle)
    np.testing.assert_allclose(common_voltages([partial])[-1], grid[-1], atol=5e-3)
    curves = discharge_curves(partial, common_voltages([partial]))
    assert np.flatnonzero(np.isnan(curves.capacity_ah).any(1)).tolist() == [6]
    # Unless its curve is asked for.
    assert voltage_range(partial, [7, 8])[0] > 3.4


def test_logs_without_a_common_range():
    high = TimeSeries("high", [0, 1, 2], [4.2, 4.1, 4.0], [-1] * 3, [1] * 3)
    low = TimeSeries("low", [0, 1, 2], [3.2, 3.1, 3.0], [-1] * 3, [1] * 3)
    with pytest.raises(
        DataError, match=r"'high' end at 4 V, those of 'low' start at 3.2"
    ):
        common_voltages([high, low])
    charge = TimeSeries("up", [0, 1], [3, 4], [1, 1], [1, 1])
    with pytest.raises(DataError, match="'up' has no cycle with one discharge"):
        common_voltages([charge])


def test_repeated_rows_do_not_bend_the_curve():
    block = discharge_rows()[3:40]
    index = np.insert(np.arange(len(TABLE["time_s"])), block[-1] + 1, block)
    assert_right(log_of(rows_of(TABLE, index)))
