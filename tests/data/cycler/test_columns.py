"""Columns are recognised by the names of all formats, with the units in the header."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.columns import find_columns, missing_columns
from tests.data.cycler.logs import log_of, raw_table

# Headers as the instruments write them: header -> quantity, factor to the base unit.
_FORMATS = {
    "Arbin": {
        "Test_Time(s)": ("time_s", 1),
        "Date_Time": ("unix_time_s", 1),
        "Step_Time(s)": ("step_time_s", 1),
        "Step_Index": ("step", 1),
        "Cycle_Index": ("cycle", 1),
        "Current(A)": ("current_a", 1),
        "Voltage(V)": ("voltage_v", 1),
        "Charge_Capacity(Ah)": ("charge_capacity_ah", 1),
        "Discharge_Capacity(Ah)": ("discharge_capacity_ah", 1),
        "Charge_Energy(Wh)": ("charge_energy_wh", 1),
        "Discharge_Energy(Wh)": ("discharge_energy_wh", 1),
        "dV/dt(V/s)": (None, 1),
        "Internal_Resistance(Ohm)": ("resistance_ohm", 1),
        "Aux_Temperature_1 (C)": ("temperature_c", 1),
    },
    "MATR and BEEP": {
        "test_time": ("time_s", 1),
        "DateTime": ("unix_time_s", 1),
        "Current": ("current_a", 1),
        "voltage": ("voltage_v", 1),
        "charge_capacity": ("charge_capacity_ah", 1),
        "discharge_capacity": ("discharge_capacity_ah", 1),
        "internal_resistance": ("resistance_ohm", 1),
        "temperature": ("temperature_c", 1),
    },
    "Maccor": {
        "Rec#": (None, 1),
        "Cyc#": ("cycle", 1),
        "Step": ("step", 1),
        "Test (Min)": ("time_s", 60),
        "Step (Min)": ("step_time_s", 60),
        "Amp-hr": ("capacity_ah", 1),
        "Watt-hr": ("energy_wh", 1),
        "Amps": ("current_a", 1),
        "Volts": ("voltage_v", 1),
        "DPt Time": ("unix_time_s", 1),
        "DCIR/Ohms": ("resistance_ohm", 1),
    },
    "Maccor in milliamperes": {
        "Cycle C": ("cycle", 1),
        "TestTime": ("time_s", 1),
        "mAmp-hr": ("capacity_ah", 1e-3),
        "mWatt-hr": ("energy_wh", 1e-3),
        "mAmps": ("current_a", 1e-3),
        "Temp 1": ("temperature_c", 1),
    },
    "Basytec": {
        "~Time[h]": ("time_s", 3600),
        "t-Step[h]": ("step_time_s", 3600),
        "Line": ("step", 1),
        "U[V]": ("voltage_v", 1),
        "I[A]": ("current_a", 1),
        "Ah-Cyc-Charge": ("charge_capacity_ah", 1),
        "Ah-Cyc-Discharge": ("discharge_capacity_ah", 1),
        "Ah-Cyc-Charge-0": (None, 1),
        "T1[°C]": ("temperature_c", 1),
        "Cyc-Count": ("cycle", 1),
    },
    "Novonix": {
        "Date and Time": ("unix_time_s", 1),
        "Cycle Number": ("cycle", 1),
        "Run Time (h)": ("time_s", 3600),
        "Step Time (h)": ("step_time_s", 3600),
        "Potential (V)": ("voltage_v", 1),
        "Capacity (Ah)": ("capacity_ah", 1),
        "Temperature (°C)": ("temperature_c", 1),
        "dVdt (V/h)": (None, 1),
        "Step Number": ("step", 1),
    },
    "PEC": {
        "Test": (None, 1),
        "Cycle": ("cycle", 1),
        "Total Time (Hours in hh:mm:ss.xxx)": ("time_s", 1),
        "Step Time (Seconds)": ("step_time_s", 1),
        "Cycle Charge Time (Seconds)": (None, 1),
        "Real Time": ("unix_time_s", 1),
        "Voltage (mV)": ("voltage_v", 1e-3),
        "Current (mA)": ("current_a", 1e-3),
        "Charge Capacity (mAh)": ("charge_capacity_ah", 1e-3),
        "Charge Capacity (mWh)": ("charge_energy_wh", 1e-3),
    },
    "Neware": {
        "Cycle Index": ("cycle", 1),
        "Total Time": ("time_s", 1),
        "Current(µA)": ("current_a", 1e-6),
        "Voltage(mV)": ("voltage_v", 1e-3),
        "Chg. Cap.(mAs)": ("charge_capacity_ah", 1e-3 / 3600),
        "DChg. Cap.(mAs)": ("discharge_capacity_ah", 1e-3 / 3600),
        "Chg. Spec. Cap.(mAh/g)": (None, 1),
        "Date": ("unix_time_s", 1),
        "Relative Time(h:min:s.ms)": ("step_time_s", 1),
    },
    "Neware in Chinese": {
        "循环号": ("cycle", 1),
        "总时间(h:min:s.ms)": ("time_s", 1),
        "电流(mA)": ("current_a", 1e-3),
        "电压（V）": ("voltage_v", 1),
        "充电容量(mAh)": ("charge_capacity_ah", 1e-3),
        "放电容量(mAh)": ("discharge_capacity_ah", 1e-3),
        "绝对时间": ("unix_time_s", 1),
    },
    "fastnda": {
        "total_time_s": ("time_s", 1),
        "step_time_s": ("step_time_s", 1),
        "unix_time_s": ("unix_time_s", 1),
        "voltage_V": ("voltage_v", 1),
        "current_mA": ("current_a", 1e-3),
        "capacity_mAh": ("capacity_ah", 1e-3),
        "cycle_count": ("cycle", 1),
        "step_count": ("step", 1),
    },
    "Land": {
        "TestTime/Sec": ("time_s", 1),
        "Current/mA": ("current_a", 1e-3),
        "Capacity/mAh": ("capacity_ah", 1e-3),
        "SpeCap/mAh/g": (None, 1),
        "Voltage/V": ("voltage_v", 1),
        "SysTime": ("unix_time_s", 1),
        "Cycle-Index": ("cycle", 1),
    },
    "EC-Lab": {
        "time/s": ("time_s", 1),
        "control/V/mA": (None, 1),
        "Ewe/V": ("voltage_v", 1),
        "|Ewe|/V": (None, 1),
        "Ece/V": (None, 1),
        "<I>/mA": ("current_a", 1e-3),
        "|I|/A": (None, 1),
        "I Range": (None, 1),
        "dq/mA.h": ("charge_increment_ah", 1e-3),
        "dQ/C": ("step_charge_ah", 1 / 3600),
        "(Q-Qo)/mA.h": ("net_charge_ah", 1e-3),
        "Q charge/discharge/mA.h": (None, 1),
        "half cycle": ("half_cycle", 1),
        "z cycle": (None, 1),
        "cycle number": ("cycle", 1),
        "step time/s": ("step_time_s", 1),
        "Ns": ("step", 1),
        "T/°C": ("temperature_c", 1),
    },
    "BDF, machine names": {
        "test_time_millisecond": ("time_s", 1e-3),
        "voltage_volt": ("voltage_v", 1),
        "current_ampere": ("current_a", 1),
        "cycle_dimensionless": ("cycle", 1),
        "date_time_millisecond": ("unix_time_s", 1e-3),
        "ambient_temperature_celsius": ("temperature_c", 1),
        "charging_capacity_ah": ("charge_capacity_ah", 1),
    },
    "BDF, labels": {
        "Test Time / h": ("time_s", 3600),
        " Voltage / mV": ("voltage_v", 1e-3),
        "Current / A": ("current_a", 1),
        "Unix Time / s": ("unix_time_s", 1),
        "Cycle Count / 1": ("cycle", 1),
        "Net Capacity / Ah": ("net_charge_ah", 1),
        "Ambient Temperature / degC": ("temperature_c", 1),
    },
    "BatteryData": {
        "Time_s": ("time_s", 1),
        "Amphr": ("capacity_ah", 1),
        "Current_A": ("current_a", 1),
        "Voltage_V": ("voltage_v", 1),
        "Datenum_d": ("unix_time_s", 86400),
        "Charge_Capacity_Ah": ("charge_capacity_ah", 1),
        "Charge_Throughput_Ah": (None, 1),
        "Z_Imag_Ohm": (None, 1),
    },
    "plain": {
        "Seconds": ("time_s", 1),
        "TIME (min)": (None, 1),  # `Seconds` is not preferred: see the next test
        "Volts": ("voltage_v", 1),
        "Amps": ("current_a", 1),
        "mAh": ("capacity_ah", 1e-3),
    },
}


@pytest.mark.parametrize("format_name", list(_FORMATS))
def test_headers_of_a_format(format_name):
    expected = dict(_FORMATS[format_name])
    expected.pop("TIME (min)", None)
    table = raw_table({header: [1.0, 2.0] for header in expected})
    sources, _ = find_columns(table, {})
    found = {source.header: name for name, source in sources.items()}
    for header, (quantity, scale) in expected.items():
        assert found.get(header) == quantity, header
        if quantity is not None:
            assert sources[quantity].scale == pytest.approx(scale), header


def test_units_in_a_row_of_their_own():
    columns = {"Time": [0, 1], "Voltage": [3600, 3700], "Current": [5, 5]}
    log = log_of(columns, units=("h", "mV", "mA"))
    assert log["time_s"].tolist() == [0, 3600]
    np.testing.assert_allclose(log["voltage_v"], [3.6, 3.7])
    np.testing.assert_allclose(log["current_a"], 5e-3)


@pytest.mark.parametrize(
    ("header", "celsius"), [("Temperature (F)", 25.0), ("T [K]", 26.85)]
)
def test_units_of_temperature(header, celsius):
    value = {"Temperature (F)": 77.0, "T [K]": 300.0}[header]
    log = log_of({"t/s": [0, 1], "U/V": [3, 3], "I/A": [1, 1], header: [value, value]})
    np.testing.assert_allclose(log["temperature_c"], celsius)


def test_the_unit_of_a_named_column_is_honoured():
    columns = {"Zeitpunkt / h": [0, 1], "Klemme [mV]": [3600, 3700], "Fluss": [1, 1]}
    named = {"time_s": "Zeitpunkt / h", "voltage_v": "klemme[mV]", "current_a": "Fluss"}
    log = log_of(columns, named)
    assert log["time_s"].tolist() == [0, 3600]
    np.testing.assert_allclose(log["voltage_v"], [3.6, 3.7])
    assert log["current_a"].tolist() == [1, 1]


def test_a_name_that_is_only_a_unit_is_that_unit():
    columns = {"Sec": [0, 1], "mV": [3600, 3700], "mA": [1, 1], "mAh": [0, 1]}
    named = {"time_s": "Sec", "current_a": "mA", "discharge_capacity_ah": "mAh"}
    for log in (log_of(columns, named), log_of(columns, {"time_s": "Sec"})):
        np.testing.assert_allclose(log["current_a"], 1e-3)
        np.testing.assert_allclose(log["voltage_v"], [3.6, 3.7])


def test_a_named_column_with_a_unit_of_another_quantity_is_refused():
    columns = {"a/s": [0, 1], "U/V": [3, 3], "I/mA": [1, 1]}
    with pytest.raises(DataError, match="'I/mA', named for time_s, has the unit 'mA'"):
        find_columns(raw_table(columns), {"time_s": "I/mA"})
    with pytest.raises(DataError, match="no column for 'x' among"):
        find_columns(raw_table(columns), {"time_s": "x"})


def test_the_preferred_of_several_voltages_is_stated():
    columns = {"time/s": [0, 1], "I/mA": [1, 1], "Ewe-Ece/V": [3, 3], "Ewe/V": [4, 4]}
    sources, notes = find_columns(raw_table(columns), {})
    assert sources["voltage_v"].header == "Ewe/V"
    assert any("Ewe-Ece/V" in note and "preferred" in note for note in notes)


def test_of_several_states_the_one_in_words_is_used():
    columns = {"Time[s]": [0, 1], "U[V]": [3, 3], "I[A]": [1, -1], "State": [1, 2]}
    assert "state" not in find_columns(raw_table(columns), {})[0]
    columns["Command"] = ["Charge", "Discharge"]
    assert find_columns(raw_table(columns), {})[0]["state"].header == "Command"
    for header in ("Md", "Step Type", "Step-State", "工步类型"):
        columns = {"t/s": [0, 1], "U/V": [3, 3], "I/A": [1, 1], header: ["C", "D"]}
        assert find_columns(raw_table(columns), {})[0]["state"].header == header


def test_a_reference_electrode_in_the_unit():
    for header in ("Potential (V vs. Li/Li+)", "Ewe/V vs. SHE"):
        columns = {"time/s": [0, 1], header: [3, 3], "I/mA": [1, 1]}
        assert find_columns(raw_table(columns), {})[0]["voltage_v"].unit == "V"
    columns = {"T": [0, 1], "Vf": [3, 3], "Im": [1, 1]}
    table = raw_table(columns, units=("s", "V vs. Ref.", "mA"))
    sources = find_columns(table, {})[0]
    assert sources["time_s"].scale == 1
    assert sources["voltage_v"].unit == "V"
    assert sources["current_a"].scale == 1e-3


def test_two_equal_claims_to_the_voltage_are_refused():
    columns = {"t/s": [0, 1], "I/A": [1, 1], "Voltage (V)": [3, 4], "voltage_V": [1, 2]}
    with pytest.raises(DataError, match=r"2 columns may be voltage_v: .*columns="):
        find_columns(raw_table(columns), {})


def test_one_quantity_in_two_units_is_no_conflict():
    twice = {"t/s": [0, 1], "I/A": [1, 1], "Voltage": [3, 4], "Voltage ": [1, 2]}
    with pytest.raises(DataError, match="rename or remove one"):
        find_columns(raw_table(twice), {})
    columns = {"Time[h]": [0, 1], "Time[s]": [0, 3600], "U[V]": [3, 3], "I[A]": [1, 1]}
    assert find_columns(raw_table(columns), {})[0]["time_s"].scale == 3600


def test_an_empty_column_is_not_used():
    columns = {"t/s": [0, 1], "U/V": [3, 3], "I/A": [1, 1], "Cycle": [np.nan] * 2}
    assert "cycle" not in find_columns(raw_table(columns), {})[0]


def test_missing_columns_have_alternatives():
    columns = {"Date": ["2030-01-01", "2030-01-02"], "Ewe/V": [3, 3], "dq/C": [1, 1]}
    assert missing_columns(find_columns(raw_table(columns), {})[0]) == []
    columns = {"time/s": [0, 1], "Ewe/V": [3, 3]}
    assert missing_columns(find_columns(raw_table(columns), {})[0]) == ["current_a"]


@pytest.mark.parametrize(
    ("headers", "units"),
    [
        (["Prog Time", "Voltage", "Current", "Capacity"], ["", "[V]", "[A]", "[Ah]"]),
        (["Programmdauer", "Spannung[V]", "Strom[A]", "AhAkku"], None),
        (["Temps (s)", "Tension (V)", "Courant (A)", "Capacité (Ah)"], None),
        (["Zeit in s", "Spannung in V", "Strom in A", "Kapazität in Ah"], None),
        (["Test Time (sec)", "Volts", "Amps", "Capacity (AHr)"], None),
    ],
)
def test_headers_of_other_languages_and_rows_of_units_in_brackets(headers, units):
    columns = {header: [1.0, 2.0] for header in headers}
    fields = {} if units is None else {"units": tuple(units)}
    sources, _ = find_columns(raw_table(columns, **fields), {})
    names = ("time_s", "voltage_v", "current_a", "capacity_ah")
    assert [sources[name].header for name in names] == headers
    assert [sources[name].scale for name in names] == [1.0] * 4
