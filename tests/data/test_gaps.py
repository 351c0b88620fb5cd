"""Missing rows inside a step: counted when the current flowed on, and always stated."""

import numpy as np

from battprob.data import TimeSeries


def _discharge(missing, pause_s=0.0):
    """A discharge of 2 A for an hour, one row each minute, without the rows `missing`."""
    minutes = np.delete(np.arange(61.0), missing)
    time = 60 * minutes
    time[minutes > missing[0]] += pause_s
    return TimeSeries("a1", time, 4.0 - minutes / 60, np.full(len(time), -2.0), 0 * time)


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
