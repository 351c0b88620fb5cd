"""Cycle numbers: from the file, continued, or by the direction of the current."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.cycle_numbers import cycle_numbers
from battprob.data.cycler.swings import swing_starts
from tests.data.cycler.logs import bdf, cycled, log_of


def _cycles(columns):
    log = log_of(columns)
    return cycle_numbers(log, log["time_s"], log["current_a"])


def test_numbers_of_the_file():
    data = cycled(3, start=7)
    cycle, statements = _cycles(bdf(data, "cycle"))
    np.testing.assert_array_equal(cycle, data["cycle"])
    assert statements == ()


@pytest.mark.parametrize("start", [0, 1])
def test_numbers_that_restart_are_continued(start):
    data = cycled(2, start=start)
    columns = bdf(data, "cycle")
    twice = {name: np.tile(values, 2) for name, values in columns.items()}
    twice["Test Time / s"] = np.arange(len(twice["Test Time / s"]), dtype=float)
    cycle, statements = _cycles(twice)
    assert np.unique(cycle).tolist() == [start, start + 1, start + 2, start + 3]
    assert "restarts 1 time" in statements[0]


@pytest.mark.parametrize(
    "cycle", [[5, 5, 0, 5, 6, 6], [5, 5, 6, 4, 4, 5], [3, 4, 5, 1, 5, 5]]
)
def test_numbers_that_fall_otherwise_are_refused(cycle):
    columns = {"t/s": range(6), "U/V": [3] * 6, "I/A": [1] * 6, "Cycle": cycle}
    with pytest.raises(DataError, match=r"line \d: 'Cycle' falls from .* Renumber"):
        _cycles(columns)


def test_missing_numbers_belong_to_the_row_before():
    cycle = [np.nan, 1, np.nan, 2, 2, np.nan]
    columns = {"t/s": range(6), "U/V": [3] * 6, "I/A": [1] * 6, "Cycle": cycle}
    found, statements = _cycles(columns)
    assert found.tolist() == [1, 1, 1, 2, 2, 2]
    assert "empty in 3 rows" in statements[0]


def test_half_cycles_are_those_of_ec_lab():
    half = [0, 0, 1, 2, 3, 3]
    columns = {
        "time/s": range(6),
        "Ewe/V": [3] * 6,
        "I/mA": [1] * 6,
        "half cycle": half,
    }
    found, statements = _cycles(columns)
    assert found.tolist() == [0, 0, 0, 1, 1, 1]
    assert "half of 'half cycle'" in statements[0]


def test_without_numbers_a_cycle_begins_at_each_charge():
    data = cycled(3)
    cycle, statements = _cycles(bdf(data))
    np.testing.assert_array_equal(cycle, data["cycle"])
    assert "at each charge that follows a discharge (3)" in statements[0]


def test_a_log_that_begins_with_a_discharge():
    data = {name: values[24:] for name, values in cycled(4).items()}
    cycle, statements = _cycles(bdf(data))
    discharges = [np.unique(data["cycle"][(cycle == n) & (data["i"] < 0)]) for n in
                  np.unique(cycle)]  # fmt: skip
    assert [one.tolist() for one in discharges] == [[1], [2], [3], [4]]
    assert "the log begins with a discharge" in statements[0]


def test_one_number_for_a_log_of_several_cycles_is_doubtful():
    data = cycled(3)
    data["cycle"][:] = 1
    cycle, statements = _cycles(bdf(data, "cycle"))
    assert (cycle == 1).all()
    assert "doubtful" in statements[0]
    assert "3 cycles" in statements[0]


def test_pulses_begin_no_cycle():
    discharge = np.full(100, -0.01)
    discharge[[20, 50, 80]] = 0.005
    charge = np.r_[np.full(50, 0.02), discharge, np.full(50, 0.02), 0.0]
    rows, direction = swing_starts(charge)
    assert rows.tolist() == [0, 50, 150]
    assert direction.tolist() == [1, -1, 1]


def test_a_drive_cycle_is_one_discharge():
    pattern = np.tile([-0.03, -0.02, 0.02, -0.01, 0.01], 40)
    rows, direction = swing_starts(np.r_[np.full(10, 0.12), pattern, np.full(10, 0.12)])
    assert direction.tolist() == [1, -1, 1]
    assert rows[:2].tolist() == [0, 10]
    assert 205 <= rows[2] <= 210


def test_no_charge_is_no_swing():
    assert swing_starts(np.zeros(5))[0].size == 0


def test_a_long_pause_hides_no_cycle():
    data = cycled()
    discharge = np.flatnonzero(data["i"] < 0)
    # In the interval after the first row of the second discharge.
    data["t"][discharge[22] :] += 3e5
    begins = np.argmax(data["i"] < 0)
    data = {name: values[begins:] for name, values in data.items()}
    cycle, _ = _cycles(bdf(data))
    assert cycle[-1] == 3
    first = np.flatnonzero(np.diff(cycle)) + 1
    previous = data["i"][first - 1]
    assert (data["i"][first] < 0).all()
    assert (previous >= 0).all()
