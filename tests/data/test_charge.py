"""The charge of a log is right for every kind of counter, fault and sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battprob import DataError
from battprob.data import TimeSeries
from battprob.data.charge import charge_increments
from tests.data.logs import COUNTERS, capacities, columns, log_of, restarted, rows_of

TRUE = np.array([2.0, 1.98, 1.96])
TABLE = columns()
STARTS = np.flatnonzero(np.diff(TABLE["step"], prepend=0) != 0)
DISCHARGES = np.flatnonzero(TABLE["current_a"] < 0)


def assert_right(log, rtol=1e-6, expected=TRUE):
    for found in capacities(log):
        np.testing.assert_allclose(found, expected, rtol=rtol)


def stated(log, text):
    assert any(text in line for line in log.statements), log.statements


def row_in_discharge(cycle, position):
    rows = np.flatnonzero((TABLE["cycle"] == cycle) & (TABLE["current_a"] < 0))
    return int(rows[position])


def changed(name, rows, value):
    column = TABLE[name].copy()
    column[rows] = value
    return {name: column}


# --- counters ---------------------------------------------------------------------


def test_counters_and_current_agree():
    log = log_of(TABLE)
    assert_right(log)
    stated(log, "discharge: column discharge_capacity_ah, which agrees")
    increments, statements = charge_increments(log)
    np.testing.assert_allclose(increments.sum(), 0, atol=1e-9)
    assert statements == log.statements


@pytest.mark.parametrize("every", ["step", "cycle"])
def test_a_counter_may_start_again(every):
    rows = {
        "step": STARTS[1:] - 1,
        "cycle": np.flatnonzero(np.diff(TABLE["cycle"]) > 0),
    }[every]
    table = dict(TABLE)
    for name in COUNTERS:
        table[name] = restarted(TABLE[name], rows)
    assert_right(log_of(table))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, len(TABLE["time_s"]) - 2), max_size=12))
def test_charge_does_not_depend_on_where_the_counter_starts_again(rows):
    log = log_of(
        TABLE,
        discharge_capacity_ah=restarted(TABLE["discharge_capacity_ah"], sorted(rows)),
    )
    assert_right(log)


def test_the_first_reading_after_a_reset_need_not_be_zero():
    table = {name: column.copy() for name, column in TABLE.items()}
    # The counters start again with each cycle, and no row is logged at its start.
    for cycle in (1, 2, 3):
        rows = table["cycle"] == cycle
        for name in COUNTERS:
            table[name][rows] -= TABLE[name][rows][0]
    without_start = np.setdiff1d(np.arange(len(table["time_s"])), STARTS)
    log = log_of(rows_of(table, without_start))
    assert_right(log)


def test_a_log_that_starts_inside_a_step_does_not_count_the_first_reading():
    later = rows_of(TABLE, np.arange(10, len(TABLE["time_s"])))
    discharge, charge = capacities(log := log_of(later))
    np.testing.assert_allclose(discharge, TRUE)
    np.testing.assert_allclose(charge[0], 2.0 - later["charge_capacity_ah"][0])
    stated(log, "was counted before the log")
    assert not log.cycles.complete[0]


@pytest.mark.parametrize("value", [0.0, 1e6, -5.0, np.nan])
@pytest.mark.parametrize("position", [1, 5, 20, -2])
def test_single_false_or_missing_readings(value, position):
    row = row_in_discharge(2, position)
    log = log_of(TABLE, **changed("discharge_capacity_ah", row, value))
    assert_right(log, rtol=5e-3)
    if not np.isnan(value):
        stated(log, f"(first: row {row}, counting from 0)")


def test_a_counter_that_shows_zero_at_rest():
    resting = TABLE["current_a"] >= 0
    log = log_of(TABLE, **changed("discharge_capacity_ah", resting, 0.0))
    assert_right(log)


def test_counters_that_are_empty_in_the_other_direction():
    table = dict(TABLE)
    for name, sign in zip(COUNTERS, (1, -1), strict=True):
        table[name] = restarted(TABLE[name], STARTS[1:] - 1)
        table[name][TABLE["current_a"] * sign <= 0] = np.nan
    assert_right(log_of(table))


def test_jitter_at_rest_is_not_counted():
    noise = np.random.default_rng(0).uniform(0, 4e-3, len(TABLE["time_s"]))
    counter = TABLE["discharge_capacity_ah"] + noise
    assert_right(log_of(TABLE, discharge_capacity_ah=counter), rtol=6e-3)


def test_a_jump_that_the_current_cannot_explain_is_replaced():
    row = row_in_discharge(2, 10)
    counter = TABLE["discharge_capacity_ah"] + 0.7 * (
        np.arange(len(TABLE["time_s"])) >= row
    )
    log = log_of(TABLE, discharge_capacity_ah=counter)
    assert_right(log)
    stated(log, f"jumps at 1 row (first: row {row}, counting from 0)")


def test_a_counter_that_stands_still_is_replaced_by_the_current():
    rows = np.flatnonzero((TABLE["cycle"] == 2) & (TABLE["current_a"] < 0))
    counter = TABLE["discharge_capacity_ah"].copy()
    counter[rows[0] :] -= np.minimum(counter[rows[0] :] - counter[rows[0]], 1.98)
    log = log_of(TABLE, discharge_capacity_ah=counter)
    assert_right(log)
    stated(log, "stands still in 1 run of discharge")
    log = log_of(TABLE, discharge_capacity_ah=0.0 * counter)
    assert_right(log)
    stated(log, "discharge_capacity_ah does not follow current_a and is not used")


def test_coarse_readings():
    for quantum in (1e-3, 0.02):
        rounded = {name: np.round(TABLE[name] / quantum) * quantum for name in COUNTERS}
        assert_right(log_of(TABLE, **rounded), rtol=quantum)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_counter_of_both_directions(sign):
    total = TABLE["charge_capacity_ah"] + TABLE["discharge_capacity_ah"]
    for counter in (total, restarted(total, STARTS[1:] - 1)):
        log = log_of(TABLE, keep=["capacity_ah"], capacity_ah=sign * counter)
        assert_right(log)


def test_a_counter_of_both_directions_under_the_name_of_one():
    total = TABLE["charge_capacity_ah"] + TABLE["discharge_capacity_ah"]
    total = restarted(total, STARTS[1:] - 1)
    log = log_of(TABLE, keep=COUNTERS[1:], discharge_capacity_ah=total)
    assert_right(log)
    stated(log, "discharge_capacity_ah rises in both directions of the current")


def test_net_charge_and_increments():
    net = TABLE["charge_capacity_ah"] - TABLE["discharge_capacity_ah"]
    steps = np.diff(net, prepend=0.0)
    assert_right(log_of(TABLE, keep=["net_charge_ah"], net_charge_ah=net))
    again = restarted(net, STARTS[1:] - 1)
    assert_right(log_of(TABLE, keep=["net_charge_ah"], net_charge_ah=again))
    log = log_of(TABLE, keep=["charge_increment_ah"], charge_increment_ah=steps)
    assert_right(log)
    stated(log, "charge: column charge_increment_ah")
    reverse = log_of(TABLE, keep=["discharge_capacity_ah"], discharge_capacity_ah=-net)
    assert_right(reverse)


@pytest.mark.parametrize("factor", [1000.0, 1e-3, 3600.0, 60.0])
def test_wrong_units_are_refused_with_the_factor(factor):
    log = log_of(TABLE, discharge_capacity_ah=factor * TABLE["discharge_capacity_ah"])
    with pytest.raises(
        DataError,
        match=f"discharge_capacity_ah is {factor:.4g} times current_a .* unit",
    ):
        log.to_cell()
    assert any("the charge cannot be computed" in line for line in log.statements)
    with pytest.raises(DataError, match="integrated over time_s"):
        log_of(TABLE, time_s=TABLE["time_s"] / factor).to_cell()


def test_a_moderate_difference_is_stated_and_the_counter_is_used():
    counters = {name: 1.05 * TABLE[name] for name in COUNTERS}
    log = log_of(TABLE, **counters)
    assert_right(log, expected=1.05 * TRUE)
    stated(log, "counts 5 % more than current_a integrated over time_s")


def test_a_counter_of_the_wrong_direction_is_refused():
    swapped = dict(zip(COUNTERS, (TABLE[name] for name in COUNTERS[::-1]), strict=True))
    with pytest.raises(DataError, match="which contradicts its name"):
        log_of(TABLE, **swapped).to_cell()


def test_currents_rounded_coarsely_leave_the_counter():
    current = np.round(TABLE["current_a"] / 1.5) * 1.5  # 2 A is logged as 1.5 A
    assert_right(log_of(TABLE, current_a=current))


# --- the current ------------------------------------------------------------------


def test_without_a_counter_the_current_is_integrated():
    log = log_of(TABLE, keep=())
    assert_right(log, rtol=1e-3)
    stated(log, "discharge: current_a integrated over time_s (no charge counter)")


@pytest.mark.parametrize("rows", [7, 13, 40])
def test_the_first_interval_of_a_step_counts_by_the_time_in_the_step(rows):
    table = columns(rows=rows)
    starts = np.flatnonzero(np.diff(table["step"], prepend=0) != 0)
    table = rows_of(table, np.setdiff1d(np.arange(len(table["time_s"])), starts))
    assert_right(log_of(table, keep=(), step_time=True), rtol=2e-3)
    # Without it, the logging interval shows the same.
    log = log_of(table, keep=())
    assert_right(log, rtol=2e-3)
    stated(log, "one logging interval after its start")
    assert_right(log_of(table), rtol=1e-6)


def test_a_clocked_logger_counts_half_of_the_interval():
    # 2 A for 500 s and -2 A for 500 s, again and again, logged every 7 s.
    time = np.arange(0, 100_000, 7.0)
    current = np.where(time % 1000 < 500, 2.0, -2.0)
    log = TimeSeries("x", time, 3.7 + 0.1 * current, current, np.ones_like(time))
    np.testing.assert_allclose(capacities(log), 2 * 50_000 / 3600, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, len(TABLE["time_s"]) - 1), st.integers(1, 20))
def test_more_rows_at_rest_change_nothing(after, number):
    resting = np.flatnonzero(TABLE["current_a"] == 0)
    row = int(resting[after % len(resting)])
    if row + 1 >= len(TABLE["time_s"]):
        row -= 1
    times = np.linspace(TABLE["time_s"][row], TABLE["time_s"][row + 1], number + 2)[
        1:-1
    ]
    table = {
        name: np.insert(column, row + 1, np.full(number, column[row]))
        for name, column in TABLE.items()
    }
    table["time_s"] = np.insert(TABLE["time_s"], row + 1, times)
    assert_right(log_of(table), rtol=1e-6)
    assert_right(log_of(table, keep=()), rtol=2e-3)


@pytest.mark.parametrize("with_voltage_steps", [False, True])
def test_long_intervals_of_some_instruments_are_no_gaps(with_voltage_steps):
    table = columns(rows=4000)
    keep = [0]
    for row in range(1, len(table["time_s"])):
        last = keep[-1]
        change = abs(table["voltage_v"][row] - table["voltage_v"][last])
        passed = table["time_s"][row] - table["time_s"][last]
        new_step = table["step"][row] != table["step"][last]
        limit = 0.01 if with_voltage_steps else np.inf
        if new_step or change > limit or passed > 600:
            keep.append(row)
    ends = np.append(np.flatnonzero(np.diff(table["step"])), len(table["time_s"]) - 1)
    log = log_of(rows_of(table, np.union1d(keep, ends)), keep=())
    assert_right(log, rtol=2e-3)
    assert not any("no row for" in line for line in log.statements)


def with_pause(hours, cycle=2, position=20):
    row = row_in_discharge(cycle, position)
    time = TABLE["time_s"] + 3600 * hours * (np.arange(len(TABLE["time_s"])) >= row)
    return row, time


def test_a_pause_is_not_integrated():
    row, time = with_pause(10.0)
    log = log_of(TABLE, keep=(), time_s=time)
    discharge, charge = capacities(log)
    np.testing.assert_allclose(charge, TRUE, rtol=1e-3)
    np.testing.assert_allclose(discharge, TRUE, rtol=0.03)
    stated(log, f"before row {row} (counting from 0) while a current of -2 A flows")
    assert_right(log_of(TABLE, time_s=time))  # the counter knows


def test_a_pause_in_each_cycle_is_not_usual():
    table = columns((2.0, 1.99, 1.98, 1.97, 1.96))
    time = table["time_s"].copy()
    for cycle in range(1, 6):
        rows = np.flatnonzero((table["cycle"] == cycle) & (table["current_a"] < 0))
        time[rows[20] :] += 36_000
    log = log_of(table, keep=(), time_s=time)
    expected = [2.0, 1.99, 1.98, 1.97, 1.96]
    np.testing.assert_allclose(log.cycles.discharge_capacity_ah, expected, rtol=0.03)
    assert sum("the test was paused" in line for line in log.statements) == 5


def test_the_time_in_the_step_shows_the_pause():
    _, time = with_pause(10.0)
    assert_right(log_of(TABLE, keep=(), time_s=time, step_time=True), rtol=1e-3)


def test_a_gap_in_which_any_charge_may_have_passed_is_unknown():
    row, time = with_pause(0.4, position=35)
    only = np.arange(STARTS[6], STARTS[7])  # one discharge: nothing to compare it with
    log = log_of(rows_of({**TABLE, "time_s": time}, only), keep=())
    assert np.isnan(log.cycles.discharge_capacity_ah).all()
    stated(log, f"before row {row - STARTS[6]} (counting from 0)")
    stated(log, "so the charge is unknown (NaN); divide the log there")


def test_current_that_flows_through_a_gap_is_seen_in_the_voltage():
    keep = np.setdiff1d(np.arange(len(TABLE["time_s"])), DISCHARGES[5:30])
    log = log_of(rows_of(TABLE, keep), keep=())
    np.testing.assert_allclose(log.cycles.discharge_capacity_ah, TRUE, rtol=1e-3)


def test_rest_currents_are_not_integrated():
    current = np.where(TABLE["current_a"] == 0, -1e-5, TABLE["current_a"])
    log = log_of(TABLE, keep=(), current_a=current)
    assert_right(log, rtol=1e-3)
    assert log.charge.rest_a > 1e-5


def test_formation_at_c_over_20_is_not_rest():
    slow, fast = columns((2.0,), current=0.1), columns((2.0,), current=10.0)
    fast["time_s"] = fast["time_s"] + slow["time_s"][-1] + 1
    fast["cycle"] = fast["cycle"] + 1
    table = {name: np.concatenate([slow[name], fast[name]]) for name in slow}
    assert_right(log_of(table, keep=()), rtol=1e-3, expected=[2.0, 2.0])


def test_a_decaying_current_is_known_to_the_counter():
    time = np.arange(0, 43_200, 60.0)
    current = 5e-9 + 2e-5 * np.exp(-time / 5)
    charge = (5e-9 * time + 2e-5 * 5 * (1 - np.exp(-time / 5))) / 3600
    log = TimeSeries(
        "x",
        time,
        np.full_like(time, 3.0),
        current,
        np.zeros_like(time),
        other={"net_charge_ah": charge},
    )
    np.testing.assert_allclose(log.cycles.charge_capacity_ah, charge[-1], rtol=1e-6)


def test_times_rounded_so_that_most_rows_share_one():
    time = np.round(np.arange(400) * 0.01, 1)
    charge = 5.0 * np.arange(400) * 0.01 / 3600
    log = TimeSeries(
        "x",
        time,
        np.linspace(4.0, 3.99, 400),
        np.full(400, -5.0),
        np.ones(400),
        other={"discharge_capacity_ah": 0.02 + charge},
    )
    np.testing.assert_allclose(log.cycles.discharge_capacity_ah, charge[-1], rtol=1e-6)


# --- rows -------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [(), COUNTERS])
def test_repeated_rows_count_once(keep):
    block = np.arange(row_in_discharge(2, 3), row_in_discharge(2, 20))
    index = np.insert(np.arange(len(TABLE["time_s"])), block[-1] + 1, block)
    log = log_of(rows_of(TABLE, index), keep=keep)
    assert_right(log, rtol=1e-3)
    stated(log, f"{len(block)} rows repeating earlier rows omitted")
    twice = log_of(
        rows_of(TABLE, np.repeat(np.arange(len(TABLE["time_s"])), 2)), keep=keep
    )
    assert_right(twice, rtol=1e-3)


@pytest.mark.parametrize("keep", [(), COUNTERS])
def test_a_time_that_decreases_is_refused(keep):
    time = TABLE["time_s"].copy()
    time[100:] -= 700
    with pytest.raises(DataError, match=r"time decreases at row 100 .* sort the rows"):
        log_of(TABLE, keep=keep, time_s=time).to_cell()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, len(TABLE["time_s"]) - 2))
def test_charge_is_additive_over_the_parts_of_a_log(row):
    parts = [np.arange(row), np.arange(row - 1, len(TABLE["time_s"]))]
    logs = [log_of(rows_of(TABLE, part)) for part in parts]
    total = sum(log.charge.discharge_ah.sum() for log in logs)
    np.testing.assert_allclose(total, TRUE.sum(), rtol=1e-6)


def test_only_rest():
    log = TimeSeries("x", [0, 1, 2], [3, 3, 3], [0, 0, 0], [1, 1, 1])
    assert capacities(log) == (0.0, 0.0)
    assert log.statements == ()


# --- rows that are missing ----------------------------------------------------------


def test_a_net_counter_passes_nothing_in_a_rest_without_rows():
    rest = np.abs(TABLE["current_a"]) == 0
    table = rows_of(TABLE, np.flatnonzero(~rest))
    net = {"net_charge_ah": table[COUNTERS[0]] - table[COUNTERS[1]]}
    assert_right(log_of({**table, **net}, keep=("net_charge_ah",)))


def test_the_first_row_counts_the_time_in_the_step():
    table = rows_of(TABLE, np.arange(1, len(TABLE["time_s"])))
    since = table["time_s"] - table["time_s"][0]
    for time in (table["time_s"], since):
        log = log_of(table, time_s=time, step_time=True)
        assert_right(log)


def test_a_pause_where_the_voltage_is_steep_is_no_flow():
    # The voltage falls twenty times as fast at the end of the discharge.
    voltage = TABLE["voltage_v"].copy()
    rows = np.flatnonzero((TABLE["cycle"] == 2) & (TABLE["current_a"] < 0))
    voltage[rows[-8:]] -= 0.5 * np.arange(8)
    time = TABLE["time_s"].copy()
    time[rows[-4] :] += 4000.0
    log = log_of(TABLE, keep=(), time_s=time, voltage_v=voltage)
    discharge = capacities(log)[0]
    assert np.isnan(discharge[1]) or discharge[1] == pytest.approx(1.98, rel=0.03)


def test_a_net_counter_and_the_time_in_the_step_show_a_short_rest():
    flows = np.flatnonzero((TABLE["current_a"] != 0) & (TABLE["step_time_s"] > 0))
    table = rows_of(TABLE, flows)
    # Rests without rows that are shorter than the logging interval.
    starts = np.diff(table["step"], prepend=table["step"][0]) != 0
    interval = np.diff(table["time_s"], prepend=table["time_s"][0])
    interval[starts] = table["step_time_s"][starts] + 40.0
    table["time_s"] = table["step_time_s"][0] + np.cumsum(interval)
    net = {"net_charge_ah": table[COUNTERS[0]] - table[COUNTERS[1]]}
    assert_right(log_of({**table, **net}, keep=("net_charge_ah",), step_time=True))
