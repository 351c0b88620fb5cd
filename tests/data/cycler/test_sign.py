"""The sign of the current is shown by states, counters and voltage; conflicts refuse."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.sign import signed_current
from tests.data.cycler.logs import bdf, cycled, log_of


def _signed(columns, *, charging_is_positive=None, **fields):
    log = log_of(columns, **fields)
    return signed_current(log, charging_is_positive=charging_is_positive)


def _plain(data, *names):
    headers = {"t": "t/s", "v": "U/V", "i": "I/A", "qc": "Charge Capacity (Ah)",
               "qd": "Discharge Capacity (Ah)"}  # fmt: skip
    return {headers[name]: data[name] for name in ("t", "v", "i", *names)}


def _states(data, charge="C", discharge="D"):
    names = {1.0: charge, -1.0: discharge, 0.0: "R"}
    return [names[sign] for sign in np.sign(data["i"])]


def test_a_positive_current_that_charges_is_confirmed_by_all_sources():
    data = cycled()
    result = _signed({**bdf(data, "qc", "qd"), "State": _states(data)})
    np.testing.assert_array_equal(result.current_a, data["i"])
    assert (
        "means charging (shown by column 'State' and the counters"
        in (result.statements[0])
    )


@pytest.mark.parametrize("source", ["states", "counters", "voltage"])
def test_a_positive_current_that_discharges_is_reversed(source):
    data = cycled()
    columns = _plain(data, *(("qc", "qd") if source == "counters" else ()))
    columns["I/A"] = -data["i"]
    if source == "states":
        columns["State"] = _states(data)
    result = _signed(columns)
    np.testing.assert_array_equal(result.current_a, data["i"])
    assert "means discharging (shown by" in result.statements[0]


def test_the_voltage_alone_does_not_overrule_a_format_that_defines_the_sign():
    data = cycled()
    columns = bdf(data)
    columns["Current / A"] = -data["i"]
    with pytest.raises(DataError, match="read it with charging_is_positive=False"):
        _signed(columns)
    result = _signed(columns, charging_is_positive=False)
    np.testing.assert_array_equal(result.current_a, data["i"])


def test_the_sign_of_the_caller_is_checked():
    data = cycled()
    columns = {**_plain(data), "State": _states(data)}
    with pytest.raises(DataError, match=r"'State' contradicts the current .*\(line 2:"):
        _signed(columns, charging_is_positive=False)


def test_states_and_counters_that_contradict_each_other_are_refused():
    data = cycled()
    columns = {**_plain(data, "qc", "qd"), "State": _states(data, "D", "C")}
    with pytest.raises(DataError, match="contradictory: a positive current"):
        _signed(columns)
    result = _signed(columns, charging_is_positive=True)
    np.testing.assert_array_equal(result.current_a, data["i"])


def test_a_half_cell_may_have_the_opposite_trend_by_its_states():
    data = cycled()
    columns = {**_plain(data), "State": _states(data), "U/V": 5 - data["v"]}
    result = _signed(columns)
    np.testing.assert_array_equal(result.current_a, data["i"])
    assert "half cells" in result.statements[0]


def test_microvolts_show_nothing():
    time = np.arange(0.0, 3600, 60)
    for drift in (1e-7, -1e-7):
        columns = {
            "test_time_second": time,
            "voltage_volt": -1.65 + drift * np.arange(60),
            "current_ampere": np.full(60, -4.2e-5),
        }
        result = _signed(columns)
        assert "could not be checked" in result.statements[0]
        np.testing.assert_array_equal(result.current_a, -4.2e-5)


def test_noise_of_a_coarse_voltage_shows_nothing():
    rng = np.random.default_rng(0)
    columns = {
        "Test Time / s": np.arange(200.0),
        "Voltage / V": np.round(3.7 + 0.002 * rng.normal(size=200), 2),
        "Current / A": np.ones(200),
    }
    assert "could not be checked" in _signed(columns).statements[0]


def test_a_potentiostatic_step_shows_nothing():
    columns = {
        "time/s": np.arange(100.0),
        "Ewe/V": np.r_[0.15, np.full(99, 0.3)],
        "I/mA": 1e-2 * np.exp(-np.arange(100.0)) + 1e-6,
    }
    result = _signed(columns, format_name="EC-Lab text")
    assert (result.current_a > 0).all()


def test_voltammetry_of_a_potentiostat_is_read_with_its_own_sign():
    time = np.arange(400.0)
    columns = {
        "time/s": time,
        "Ewe/V": 4.0 - 0.002 * time,
        "I/mA": 1.0 + 0.1 * np.sin(time / 60),
    }
    result = _signed(columns, format_name="EC-Lab text")
    assert (result.current_a > 0).all()
    assert "where the voltage is controlled" in result.statements[0]
    with pytest.raises(DataError, match="charging_is_positive=False"):
        _signed(columns, format_name="Maccor text")


def test_counters_that_rise_at_rest_show_nothing():
    size = 400
    columns = {
        "Test Time / s": 60.0 * np.arange(size),
        "Voltage / V": np.full(size, 3.0),
        "Current / A": np.where(np.arange(size) % 100 == 50, -1e-6, 0.0),
        "Charging Capacity / Ah": 1e-6 * (np.arange(size) // 10),
        "Discharging Capacity / Ah": 1e-6 * (np.arange(size) // 7),
    }
    result = _signed(columns)
    np.testing.assert_array_equal(result.current_a, columns["Current / A"])


@pytest.mark.parametrize("source", ["states", "counters"])
def test_a_current_without_a_sign_gets_its_direction(source):
    data = cycled()
    columns = _plain(data, *(("qc", "qd") if source == "counters" else ()))
    columns["I/A"] = np.abs(data["i"])
    if source == "states":
        columns["Mode"] = _states(data)
    result = _signed(columns)
    np.testing.assert_array_equal(result.current_a, data["i"])
    assert "no sign: the direction is from" in result.statements[0]


def test_a_current_without_a_sign_or_direction_is_refused():
    data = cycled()
    columns = _plain(data)
    columns["I/A"] = np.abs(data["i"])
    with pytest.raises(DataError, match="'I/A' is never negative although the voltage"):
        _signed(columns)


def test_an_unknown_state_of_a_current_without_a_sign_is_refused():
    data = cycled()
    columns = _plain(data)
    columns["I/A"] = np.abs(data["i"])
    columns["State"] = ["x" if k == 3 else s for k, s in enumerate(_states(data))]
    with pytest.raises(DataError, match=r"line 5: .* state 'x'"):
        _signed(columns)


def test_one_discharge_with_a_positive_current():
    data = {name: values[24:45] for name, values in cycled(1).items()}
    assert (data["i"] < 0).all()
    columns = _plain(data)
    columns["I/A"] = -data["i"]
    np.testing.assert_array_equal(_signed(columns).current_a, data["i"])


def test_noise_at_rest_is_no_sign_of_a_current_without_sign():
    data = cycled()
    current = np.abs(data["i"])
    current[current == 0] = np.resize([-0.004, 0.003], (current == 0).sum())
    flows = data["i"] != 0
    for sign in (1, -1):
        columns = _plain(data) | {"I/A": sign * current, "State": _states(data)}
        result = _signed(columns)
        np.testing.assert_array_equal(result.current_a[flows], data["i"][flows])
        assert "the current has no sign" in result.statements[0]
