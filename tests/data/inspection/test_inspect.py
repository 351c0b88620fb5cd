"""`inspect` shows what a file contains and how it was read, also if it is refused."""

import functools

import numpy as np
import pytest

from battprob import DataError
from battprob.data import (
    Cell,
    Spectrum,
    TimeSeries,
    inspect,
    read_timeseries,
    readers,
    register_reader,
)
from battprob.data.inspection.report import write_report


def make_log(name="a1", num_cycles=3):
    fraction = np.linspace(0, 1, 20)
    time, voltage, current, cycle = [], [], [], []
    for number in range(1, num_cycles + 1):
        for sign in (1, -1):
            start = time[-1] + 60 if time else 0.0
            time += list(start + 3600 * fraction)
            voltage += list(3.5 + sign * (fraction - 0.5))
            current += [sign * 0.002] * 20
            cycle += [number] * 20
    return TimeSeries(name, time, voltage, current, cycle, statements=("by hand",))


def write_csv(
    path, log, header="Test Time / s,Voltage / V,Current / A,Cycle Count / 1"
):
    columns = (log.time_s, log.voltage_v, log.current_a, log.cycle)
    np.savetxt(
        path, np.stack(columns, axis=1), delimiter=",", header=header, comments=""
    )
    return path


def test_a_log_of_a_file(tmp_path):
    inspection = inspect(write_csv(tmp_path / "a1.csv", make_log()))
    assert inspection.error is None
    assert inspection.summary == (
        "cycler log 'a1': 120 rows in 6.083 h, cycles 1 to 3, 3 to 4 V, -0.002 to 0.002 A"
        f" ({inspection.format})"
    )
    columns = {column.column: column for column in inspection.columns}
    assert list(columns) == [
        "Test Time / s",
        "Voltage / V",
        "Current / A",
        "Cycle Count / 1",
    ]
    voltage = columns["Voltage / V"]
    assert voltage.unit == "V"
    assert voltage.used_as == "voltage_v"
    assert (voltage.smallest, voltage.largest, voltage.missing) == ("3", "4", 0)
    frame = inspection.to_dataframe()
    assert frame["cycle"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frame["discharge_capacity_ah"], 0.002, rtol=1e-6)
    text = str(inspection)
    assert "Cycles (3)" in text
    assert "Steps (6): 3 charge, 3 discharge" in text
    assert "from column 'Voltage / V'" not in text  # the table of columns has it
    axes = {ax.get_ylabel().split("\n")[0]: ax for ax in inspection.figure.axes}
    assert set(axes) == {"voltage (V)", "current (mA)", "capacity (mAh)"}
    assert repr(inspection).startswith("Inspection(")


def test_conversions_of_units_are_shown(tmp_path):
    log = make_log()
    scales = (1 / 3600, 1000, 1000, 1)
    columns = (log.time_s, log.voltage_v, log.current_a, log.cycle)
    table = np.stack(columns, axis=1) * scales
    header = "Time (h),spannung [mV],I / mA,Cycle"
    path = tmp_path / "a.csv"
    np.savetxt(path, table, delimiter=",", header=header, comments="")
    named = {"voltage_v": "spannung [mV]"}
    inspection = inspect(path, read=functools.partial(read_timeseries, columns=named))
    used = {column.column: column.used_as for column in inspection.columns}
    assert used["Time (h)"] == "time_s (times 3600)"
    assert used["spannung [mV]"] == "voltage_v (times 0.001)"
    assert used["I / mA"] == "current_a (times 0.001)"


def test_records():
    inspection = inspect(make_log())
    assert "by hand" in str(inspection)
    assert inspection.columns == ()
    spectra = [Spectrum(n, [100.0, 1.0], [1 - 0.5j, 2 - 0.1j]) for n in ("s1", "s2")]
    inspection = inspect(spectra)
    assert inspection.summary == "2 impedance spectra, 2 frequencies each, 100 to 1 Hz"
    assert inspection.to_dataframe()["re_at_lowest_ohm"].tolist() == [2, 2]
    assert len(inspection.figure.axes) == 3
    curves = {"curve_cycle": [1, 2], "voltage_v": [4, 3]}
    cells = [
        Cell("c1", [1, 2], [1.0, np.nan]),
        Cell("c2", [1, 2], [1.0, 0.9], curve_capacity_ah=np.ones((2, 2)), **curves),
    ]
    frame = inspect(cells).to_dataframe()
    assert frame["missing_capacities"].tolist() == [1, 0]
    assert frame["curves"].tolist() == [0, 2]
    assert len(inspect(cells).figure.axes) == 2
    frame = inspect(cells[1]).to_dataframe()
    assert frame["has_curve"].tolist() == [True, True]
    assert "Cycles (2)" in str(inspect(cells[1]))


def test_a_refused_file_shows_its_columns_and_the_reason(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("apples,pears (mV),name\n1,2,x\n3,,y\n5,6,z\n")
    inspection = inspect(path)
    assert inspection.records == ()
    assert inspection.error is not None
    assert "apples" in inspection.error
    assert [column.column for column in inspection.columns] == [
        "apples",
        "pears (mV)",
        "name",
    ]
    assert inspection.columns[1].missing == 1
    assert inspection.to_dataframe()["unit"].tolist() == ["", "mV", ""]
    text = str(inspection)
    assert "refused: the columns" in text
    assert str(path) in text.splitlines()[0]
    assert len(inspection.figure.axes) == 2


def test_a_file_without_a_table(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 40)
    inspection = inspect(path)
    assert inspection.error is not None
    assert inspection.columns == ()
    with pytest.raises(DataError, match="nothing to draw"):
        _ = inspection.figure
    page = write_report(inspection, tmp_path / "report", "a")
    assert "class='error'" in page.read_text()
    with pytest.raises(DataError, match="no file"):
        inspect(tmp_path / "b.bin")


def test_a_log_without_known_charge_shows_the_reason(tmp_path):
    """Assert that the figure has voltage and current if there are no capacities."""
    log = make_log()
    cycle = np.concatenate([np.repeat([1, 2, 3], 40)])
    falling = TimeSeries("a", log.time_s[::-1], log.voltage_v, log.current_a, cycle)
    inspection = inspect(falling)
    assert "Cycles: none" in str(inspection)
    assert len(inspection.figure.axes) >= 2


def test_registered_readers_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_REGISTERED", {})
    register_reader(".mine")(lambda path: [make_log(path.stem)])
    path = tmp_path / "x.mine"
    path.write_text("")
    assert inspect(path).summary.startswith("cycler log 'x'")


def test_report(tmp_path):
    inspection = inspect(write_csv(tmp_path / "a1.csv", make_log()))
    page = write_report(inspection, tmp_path / "report", "a1")
    text = page.read_text()
    assert "<img src='a1.png'" in text
    assert "voltage_v from column" in text
    names = sorted(path.name for path in page.parent.iterdir())
    assert names == [
        "a1.html",
        "a1.png",
        "a1_columns.csv",
        "a1_steps.csv",
        "a1_table.csv",
    ]
