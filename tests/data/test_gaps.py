"""Missing rows inside a step: counted when the current flowed on, and always stated."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import TimeSeries


def _discharge(missing, pause_s=0.0):
    """A discharge of 2 A for an hour, one row each minute, without the rows `missing`."""
    minutes = np.delete(np.arange(61.0), missing)
    time = 60 * minutes
    time[minutes > missing[0]] += pause_s
    return TimeSeries(
        "a1", time, 4.0 - minutes / 60, np.full(len(time), -2.0), 0 * time
    )


def test_current_that_flowed_on_counts_and_is_stated():
    """Assert the charge of the whole hour, as the voltage fell on during the gap."""
    log = _discharge(np.arange(20, 40))
    np.testing.assert_allclose(log.to_cell().capacity_ah, [2.0], rtol=1e-9)
    (statement,) = [line for line in log.statements if "no row for 1260 s" in line]
    assert "before row 20" in statement
    assert "flowed on" in statement
    assert "0.7 Ah are counted" in statement


def test_a_pause_does_not_count_and_is_stated():
    """Assert that ten hours without a row are not integrated as ten hours of current."""
    log = _discharge(np.array([30]), pause_s=36_000.0)
    capacity = log.to_cell().capacity_ah
    assert np.isnan(capacity).all() or (np.abs(capacity - 2.0) < 0.1).all()
    assert any("no row for 36120 s before row 30" in line for line in log.statements)


def test_a_time_in_step_that_runs_on_through_a_pause_is_not_believed():
    """Assert that no run passes more than the others because of a pause of days."""
    first, second = _discharge(np.array([30])), _discharge(np.array([30]), 250_000.0)
    end = first.time_s[-1] + 7200.0
    step_time = np.concatenate([first.time_s, second.time_s])
    log = TimeSeries(
        "a1",
        np.concatenate([first.time_s, end + second.time_s]),
        np.concatenate([first.voltage_v, second.voltage_v]),
        np.full(120, -2.0),
        np.repeat([1, 2], 60),
        step=np.repeat([1, 2], 60),
        other={"step_time_s": step_time},
    )
    capacity = log.to_cell().capacity_ah
    assert capacity[0] == np.float64(2.0)
    assert np.isnan(capacity[1]) or abs(capacity[1] - 2.0) < 0.1


def test_a_counter_in_another_unit_than_its_name_is_refused():
    """Assert that capacities in mAh under a name of Ah are not used."""
    log = _discharge(np.array([30]))
    counter = {"discharge_capacity_ah": 1000.0 * log.time_s / 1800.0}
    log = TimeSeries(
        "a1", log.time_s, log.voltage_v, log.current_a, log.cycle, other=counter
    )
    with pytest.raises(DataError, match=r"discharge_capacity_ah .* unit"):
        log.to_cell()
