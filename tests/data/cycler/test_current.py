"""Single absurd currents are replaced; real short currents are kept."""

import numpy as np

from battprob.data.cycler.current import without_false_currents
from tests.data.cycler.logs import cycled, log_of


def _repaired(current, voltage, time):
    log = log_of({"t/s": time, "U/V": voltage, "I/A": current})
    return without_false_currents(log)


def test_one_absurd_current_is_replaced_and_stated():
    data = cycled()
    for row in (10, 22):  # in a charge, at rest
        current = data["i"].copy()
        current[row] = -500.0
        log = _repaired(current, data["v"], data["t"])
        np.testing.assert_array_equal(log["current_a"], data["i"])
        assert "1 false reading (such as -500 A at line" in log.statements[-1]


def test_a_pulse_that_changes_the_voltage_is_kept():
    time = np.arange(40.0)
    current, voltage = np.full(40, 1e-5), np.full(40, 3.7)
    current[20], voltage[20] = 1.0, 3.72
    log = _repaired(current, voltage, time)
    np.testing.assert_array_equal(log["current_a"], current)


def test_the_first_current_after_a_step_of_the_voltage_is_kept():
    time = np.arange(60.0)
    voltage = np.where(time < 20, 2.4, 3.0)
    current = np.where(time < 20, 0.0, np.exp(-5 * np.abs(time - 20)))
    log = _repaired(current, voltage, time)
    np.testing.assert_array_equal(log["current_a"], current)
