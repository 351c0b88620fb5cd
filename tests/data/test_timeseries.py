"""Cycler logs are converted to cells; the sign of the current is checked."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import TimeSeries, read_timeseries

HEADERS = {
    "readable": "Test Time / s,Voltage / V,Current / A,Cycle Count / 1",
    "machine": "test_time_second,voltage_volt,current_ampere,cycle_count",
    "archive": "Test_Time (s),Voltage (V),Current (A),Cycle_Index",
}


def log(num_cycles=2, sign=1.0):
    """Charge 1 h at 1 A, discharge at 2 A: 1 Ah, then 0.9 Ah; V linear in charge."""
    rows = []
    for cycle in range(1, num_cycles + 1):
        hours = 0.5 - 0.05 * (cycle - 1)
        for fraction in np.linspace(0, 1, 61):
            rows.append((cycle, fraction, 3 + fraction, sign))
        for fraction in np.linspace(0, 1, 61):
            rows.append((cycle, 1.01 + fraction * hours, 4 - fraction, -2 * sign))
    cycle, hour, voltage, current = np.array(rows).T
    return 3600 * (hour + 2 * cycle), voltage, current, cycle


def text(header, columns):
    rows = (
        ",".join(f"{value:.12g}" for value in row) for row in zip(*columns, strict=True)
    )
    return header + "\n" + "\n".join(rows) + "\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="cell7.bdf.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(content, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize("style", list(HEADERS))
def test_capacity_and_curve_of_every_cycle(written, style):
    series = read_timeseries(written(text(HEADERS[style], log())))
    cell = series.to_cell(voltage_v=[4.1, 3.75, 3.0, 2.9])
    assert (cell.name, cell.cycle.tolist()) == ("cell7", [1, 2])
    np.testing.assert_allclose(cell.capacity_ah, [1.0, 0.9], rtol=1e-9)
    np.testing.assert_allclose(cell.per_cycle["charge_capacity_ah"], 1.0, rtol=1e-9)
    curve = cell.curve_ah(1)
    np.testing.assert_allclose(curve[:3], [0.0, 0.25, 1.0], rtol=1e-9)
    assert np.isnan(curve[3])
    assert series.assumptions[-1] == "positive current in the file means charging"
    assert series.assumptions[0].startswith("time_s from column")


def test_counters_are_used_instead_of_the_current_and_may_be_reset(written):
    time, voltage, current, cycle = log()
    step = np.where(current < 0, 0.01, 0.0)
    cumulative = np.cumsum(step)
    reset = np.concatenate([np.cumsum(step[cycle == c]) for c in (1, 2)])
    header = HEADERS["archive"] + ",Discharge_Capacity (Ah)"
    for counter in (cumulative, reset):
        path = written(text(header, (time, voltage, current, cycle, counter)))
        capacity = read_timeseries(path).to_cell().capacity_ah
        np.testing.assert_allclose(capacity, 61 * 0.01, rtol=1e-9)


def test_a_quantised_voltage_gives_the_centre_of_each_step():
    charge = np.linspace(0, 1, 2001)
    voltage = np.round(4 - charge, 2)
    series = TimeSeries("a", 3600 * charge, voltage, -np.ones(2001), np.ones(2001))
    grid = np.array([3.9, 3.5, 3.105])
    curve = series.to_cell(voltage_v=grid).curve_ah(1)
    np.testing.assert_allclose(curve, 4 - grid, atol=6e-4)


def test_the_sign_of_the_current_is_checked(written):
    path = written(text(HEADERS["readable"], log(sign=-1.0)))
    with pytest.raises(DataError, match="read it with charging_is_positive=False"):
        read_timeseries(path)
    series = read_timeseries(path, charging_is_positive=False)
    np.testing.assert_array_equal(series.current_a, log()[2])
    assert series.assumptions[-1] == "positive current in the file means discharging"


def test_without_cycles_and_with_columns_by_name(written):
    path = written(text("t,U,I", log(1)[:3]), name="cell7.txt")
    with pytest.raises(DataError, match="no column for 'time_s' among"):
        read_timeseries(path)
    columns = {"time_s": "t", "voltage_v": "U", "current_a": "I"}
    series = read_timeseries(path, columns=columns)
    assert series.cycle.tolist() == [1] * 122
    assert "all rows taken as cycle 1" in series.assumptions[-2]
    with pytest.raises(DataError, match="no column for 'T' among"):
        read_timeseries(path, columns={**columns, "temperature_c": "T"})


def test_ec_lab_text(written):
    time, voltage, current, cycle = log()
    head = "EC-Lab ASCII FILE\nNb header lines : 4\n°\n"
    body = text("time/s,Ewe/V,I/mA,cycle number", (time, voltage, 1e3 * current, cycle))
    path = written(head + body.replace(",", "\t"), "cell7.mpt", "cp1252")
    series = read_timeseries(path)
    np.testing.assert_allclose(series.current_a, current)
    assert "current_a from column 'I/mA' times 0.001" in series.assumptions


def test_neware_with_its_package(written, monkeypatch):
    pandas = pytest.importorskip("pandas")
    time, voltage, current, cycle = log()
    counted = np.where(current < 0, -1000.0, 1000.0) * np.tile(np.linspace(0, 1, 61), 4)
    frame = pandas.DataFrame(
        {
            "total_time_s": time,
            "voltage_V": voltage,
            "current_mA": 1e3 * current,
            "cycle_count": cycle,
            "capacity_mAh": counted,
        }
    )
    fake = type("fastnda", (), {"read": staticmethod(lambda path: frame)})
    monkeypatch.setitem(__import__("sys").modules, "fastnda", fake)
    cell = read_timeseries(written("", "cell7.ndax")).to_cell()
    np.testing.assert_allclose(cell.capacity_ah, 1.0)
    np.testing.assert_allclose(cell.per_cycle["charge_capacity_ah"], 1.0)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "cell7.bdf.parquet"
    columns = dict(zip(HEADERS["machine"].split(","), log(), strict=True))
    pandas.DataFrame(columns).to_parquet(path)
    np.testing.assert_array_equal(read_timeseries(path).time_s, log()[0])


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            "0,4,-1,1\n1,x,-1,1\n2,3,-1,1\n",
            "a.csv",
            "line 3: Voltage / V must be .* 'x'",
        ),
        ("0,4,-1,1\n\n1,3,-1,1\n", "a.csv", r"a.csv, line 3: .* got 'nan'"),
        ("0,4,-1,1\n1,3\n,,,\n", "a.csv", r"line 4: Test Time / s must be"),
        ("0,4,-1,1\n1,3,-1,1\n1,3,-1,1,5,6\n", "a.csv", "line 4"),
        (
            "0,4,-1,2\n1,3,-1,1\n",
            "a.csv",
            "cycle must be integers that do not decrease; row 1",
        ),
        ("0,4,-1,1.5\n", "a.csv", "cycle must be integers .* row 0"),
        ("", "a.ndax", "needs the package 'fastnda': pip install fastnda"),
        ("", "a.mpr", "needs the package 'galvani'"),
        ("", "a.mpt", "line 2: expected 'Nb header lines"),
    ],
)
def test_errors_name_line_and_column(written, content, name, message):
    path = written(HEADERS["readable"] + "\n" + content, name)
    with pytest.raises(DataError, match=message):
        read_timeseries(path)


def test_decreasing_time_cannot_be_integrated():
    series = TimeSeries("a", [0, 5, 2], [4, 3.9, 3.8], [-1, -1, -1], [1, 1, 1])
    with pytest.raises(DataError, match="time decreases at row 2"):
        series.to_cell()
    with pytest.raises(DataError, match="non-empty and of one length"):
        TimeSeries("a", [0, 5], [4], [-1], [1])
