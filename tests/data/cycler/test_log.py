"""Values of a log: missing readings are stated, required ones refused with the line."""

import numpy as np
import pytest

from battprob import DataError
from tests.data.cycler.logs import log_of


def _columns(**more):
    base = {"t/s": [0, 1, 2, 3], "U/V": [3.0, 3.1, 3.2, 3.3], "I/A": [1.0] * 4}
    return base | more


def test_a_required_value_that_is_no_number_is_refused_with_its_line():
    columns = _columns(**{"U/V": ["3.0", "off", "3.2", "3.3"]})
    with pytest.raises(DataError, match=r"cell.csv, line 3: U/V must be .* got 'off'"):
        log_of(columns)


def test_a_missing_value_inside_the_log_is_refused():
    with pytest.raises(
        DataError, match=r"line 4: I/A must be a number, got an empty field"
    ):
        log_of(_columns(**{"I/A": [1, 1, np.nan, 1]}))


def test_a_cut_last_line_is_left_out():
    log = log_of(_columns(**{"I/A": [1, 1, 1, np.nan]}))
    assert len(log) == 3
    assert any("cut short (line 5)" in text for text in log.statements)


def test_gaps_of_optional_columns_are_missing_values():
    log = log_of(_columns(**{"Internal Resistance / ohm": [0.02, np.nan, np.nan, 0.0]}))
    np.testing.assert_array_equal(np.isnan(log["resistance_ohm"]), [0, 1, 1, 1])
    log = log_of(_columns(**{"T1": ["25", "-", "n/a", "26"]}))
    np.testing.assert_array_equal(log["temperature_c"], [25, np.nan, np.nan, 26])


def test_readings_of_absent_sensors_are_missing_values():
    log = log_of(_columns(**{"Temp 1": [-2501.7, -2500, 25.0, 1372]}))
    np.testing.assert_array_equal(log["temperature_c"], [np.nan, np.nan, 25.0, np.nan])
    assert any("absent sensor" in text for text in log.statements)


def test_every_column_is_stated_with_its_conversion():
    log = log_of({"Test Time / h": [0, 1], "U": [3, 3], "I/mA": [1, 1]})
    assert "time_s from column 'Test Time / h' times 3600" in log.statements
    assert "current_a from column 'I/mA' times 0.001" in log.statements
    assert any("V (assumed: the header has no unit)" in s for s in log.statements)
