"""Cycles follow the chosen rule; what is remarkable about a cycle is noted."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import TimeSeries
from tests.data.logs import columns, log_of, rows_of

TABLE = columns()
ONE = np.ones(len(TABLE["time_s"]))


def test_columns_of_the_table():
    temperature = np.where(TABLE["cycle"] == 2, np.nan, 25.0)
    log = log_of(TABLE, keep=("temperature_c",), temperature_c=temperature)
    cycles = log.cycles
    np.testing.assert_allclose(cycles.coulombic_efficiency, 1.0, rtol=1e-3)
    np.testing.assert_allclose(cycles.discharge_current_a, 2.0)
    np.testing.assert_allclose(cycles.discharge_rate_per_h, 2.0 / 1.98, rtol=1e-3)
    np.testing.assert_allclose(cycles.temperature_c, [25, np.nan, 25])
    np.testing.assert_allclose(cycles.start_s[0], 0)
    assert cycles.num_discharges.tolist() == [1, 1, 1]
    assert cycles.complete.all()
    assert cycles.note == ("", "", "")
    assert repr(cycles).startswith(
        "CycleTable(3 rows; 8 more columns in to_dataframe())"
    )
    frame = pytest.importorskip("pandas") and cycles.to_dataframe()
    assert frame["discharge_capacity_ah"].round(2).tolist() == [2.0, 1.98, 1.96]


def numbers(log, rule):
    log = log.with_cycles(rule)
    return np.round(log.cycles.discharge_capacity_ah, 2).tolist()


def test_rules_for_a_cell_that_starts_with_a_charge():
    log = log_of(TABLE, cycle=ONE)
    assert numbers(log, "file") == [5.94]
    assert numbers(log, "charge") == [2.0, 1.98, 1.96]
    assert numbers(log, "discharge") == [0.0, 2.0, 1.98, 1.96]
    assert numbers(log, "half") == [0.0, 2.0, 0.0, 1.98, 0.0, 1.96]


def test_rules_for_a_cell_that_starts_with_a_discharge():
    start = int(np.flatnonzero(TABLE["current_a"] < 0)[0])
    log = log_of(rows_of({**TABLE, "cycle": ONE}, np.arange(start, len(ONE))))
    assert numbers(log, "charge") == [2.0, 1.98, 1.96]
    assert numbers(log, "discharge") == [2.0, 1.98, 1.96]
    charge = log.with_cycles("discharge").cycles.charge_capacity_ah
    np.testing.assert_allclose(charge, [1.98, 1.96, 0.0], atol=1e-9)


def test_a_rule_is_stated_and_can_be_undone():
    log = log_of(TABLE).with_cycles("half")
    assert log.cycle[-1] == 6
    assert log.statements[0] == (
        "cycles numbered anew: each charge and each discharge is a cycle of its own (6 "
        "cycles)"
    )
    back = log.with_cycles("charge").with_cycles("file")
    assert back.statements[0] == "cycles are numbered as in the file"
    assert "anew" not in "".join(back.statements)
    np.testing.assert_array_equal(back.cycle, TABLE["cycle"])
    with pytest.raises(DataError, match=r"rule must be one of file, charge, .* 'week'"):
        log.with_cycles("week")


def test_pulses_do_not_begin_a_cycle():
    time, current = [0.0, 3600.0], [-1.0, -1.0]
    for sign in (1, -1, 1, -1):
        time += [time[-1] + 60, time[-1] + 70, time[-1] + 71]
        current += [1.0 * sign, 1.0 * sign, 0.0]
    time += [time[-1] + 1, time[-1] + 3600]
    current += [1.0, 1.0]
    log = TimeSeries("x", time, np.full(len(time), 3.7), current, np.ones(len(time)))
    assert log.with_cycles("charge").cycle[-1] == 2
    assert log.with_cycles("half").cycle[-1] == 2


def test_cycles_that_are_cut():
    later = log_of(rows_of(TABLE, np.arange(20, len(ONE) - 30))).cycles
    assert later.complete.tolist() == [False, True, False]
    assert later.note[0] == "the log begins inside this cycle"
    assert later.note[2] == "the log ends inside this cycle"
    cell = log_of(rows_of(TABLE, np.arange(20, len(ONE) - 30))).to_cell()
    assert cell.meta["statements"][-1] == (
        "cycle 3 is not complete: the log ends inside this cycle"
    )
    only_charge = log_of(rows_of(TABLE, np.arange(42))).cycles
    assert not only_charge.complete[0]
    assert only_charge.note == ("no discharge",)


def test_reference_tests_are_marked():
    parts, start = [], 0.0
    for index in range(9):
        part = columns((2.0,), rows=20, current=0.2 if index == 4 else 2.0)
        part = {
            **part,
            "time_s": part["time_s"] + start,
            "cycle": part["cycle"] + index,
        }
        start = part["time_s"][-1] + 1
        parts.append(part)
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    notes = log_of(table, keep=()).cycles.note
    assert [bool(note) for note in notes] == [index == 4 for index in range(9)]
    assert notes[4] == "discharge current 0.2 A, 2 A in the cycles around it"


def test_several_discharges_of_one_cycle_number():
    cycles = log_of(TABLE, cycle=ONE).cycles
    assert cycles.num_discharges.tolist() == [3]
    assert cycles.note == ("3 discharges",)
