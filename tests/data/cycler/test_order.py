"""Rows that repeat, clocks that restart and clocks that fall."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.clock import clock
from tests.data.cycler.logs import bdf, cycled, log_of


def _joined(first, second):
    """Columns of two tests; the second has slightly other voltages."""
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    both["Voltage / V"][len(first["Voltage / V"]) :] += 1e-3
    return both


def test_exactly_repeated_rows_are_left_out():
    columns = bdf(cycled(), "cycle", "qc", "qd")
    repeated = {name: np.insert(v, 40, v[30:40]) for name, v in columns.items()}
    result = clock(log_of(repeated))
    np.testing.assert_array_equal(result.time_s, columns["Test Time / s"])
    assert any("10 rows repeated" in text for text in result.log.statements)


def test_rows_that_repeat_only_their_time_are_refused():
    columns = bdf(cycled(), "cycle")
    repeated = {name: np.insert(v, 40, v[30:40]) for name, v in columns.items()}
    repeated["Voltage / V"][40:50] += 0.01
    with pytest.raises(DataError, match=r"line 42: 'Test Time / s' falls from"):
        clock(log_of(repeated))


def test_two_tests_in_one_file_are_joined_by_the_wall_clock():
    data = cycled(1)
    columns = bdf(data)
    both = _joined(columns, columns)
    gap = 5000.0
    wall = np.concatenate([data["t"], data["t"] + data["t"][-1] + gap])
    result = clock(log_of({**both, "Unix Time / s": 1.9e9 + wall}))
    np.testing.assert_allclose(np.diff(result.time_s), np.diff(wall))
    assert any("joined by the wall clock" in text for text in result.statements)


def test_two_tests_in_one_file_are_joined_where_the_cycle_restarts():
    columns = bdf(cycled(2), "cycle")
    result = clock(log_of(_joined(columns, columns)))
    assert (np.diff(result.time_s) >= 0).all()
    assert any("restarts 1 time (first at" in text for text in result.statements)


def test_a_restart_that_nothing_confirms_is_refused():
    columns = bdf(cycled(2))
    with pytest.raises(DataError, match=r"falls from .* to .* split the file"):
        clock(log_of(_joined(columns, columns)))


def test_single_times_of_zero_are_refused():
    columns = bdf(cycled(), "cycle", "step")
    for row in (23, 47):
        columns["Test Time / s"][row] = 0.0
    with pytest.raises(DataError, match="line 25: 'Test Time / s' falls"):
        clock(log_of(columns))


def test_an_event_logged_a_little_late_keeps_its_row():
    columns = bdf(cycled())
    columns["Test Time / s"][30] = columns["Test Time / s"][29] - 0.2
    result = clock(log_of(columns))
    assert result.time_s[30] == result.time_s[29]
    assert any("falls by less than 1 s in 1 row" in text for text in result.statements)
