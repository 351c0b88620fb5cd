"""Millivolts under a header of volts are found by the energy, or refused."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.voltage import checked_voltage
from tests.data.cycler.logs import cycled, log_of


def _columns(factor=1.0):
    data = cycled()
    return {"t/s": data["t"], "Volts": factor * data["v"], "Amps": data["i"]}


def test_millivolts_are_refused_without_a_second_source():
    with pytest.raises(DataError, match=r"line \d+: 'Volts' is 4000 V; expected .* mV"):
        checked_voltage(log_of(_columns(1000.0)))


@pytest.mark.parametrize("source", ["energy", "power"])
def test_millivolts_are_converted_by_energy_or_power(source):
    columns, data = _columns(1000.0), cycled()
    if source == "energy":
        charge = data["qc"] + data["qd"]
        energy = np.cumsum(np.diff(charge, prepend=0.0) * data["v"])
        columns |= {"Amp-hr": charge, "Watt-hr": energy}
    else:
        columns |= {"Power (W)": data["v"] * data["i"]}
    voltage, statements = checked_voltage(log_of(columns))
    np.testing.assert_allclose(voltage, data["v"])
    assert "divided by 1000" in statements[0]


def test_a_pack_is_read_if_the_power_or_the_caller_confirms_it():
    columns = _columns(14.0)
    with pytest.raises(DataError, match="if it is a pack, name the column"):
        checked_voltage(log_of(columns))
    voltage, statements = checked_voltage(log_of(columns, {"voltage_v": "Volts"}))
    np.testing.assert_array_equal(voltage, columns["Volts"])
    assert "doubtful" in statements[0]
    columns["Power (W)"] = columns["Volts"] * columns["Amps"]
    assert "confirmed" in checked_voltage(log_of(columns))[1][0]


def test_single_impossible_voltages_are_stated():
    columns = _columns()
    columns["Volts"][50] = 65.5
    statement = checked_voltage(log_of(columns))[1][0]
    assert "65.5 V at line 52" in statement
    columns["Volts"][50] = -3.8
    assert "negative in 1 row" in checked_voltage(log_of(columns))[1][0]
