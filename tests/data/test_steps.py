"""Steps have the right kind, rows, charge and mean values, with and without numbers."""

import numpy as np
import pytest

from battprob.data import TimeSeries
from tests.data.logs import columns, log_of

TABLE = columns()


@pytest.mark.parametrize("step", [True, False])
def test_charge_rest_and_discharge(step):
    steps = log_of(TABLE, step=step).steps
    assert steps.kind == ("charge", "rest", "discharge", "rest") * 3
    np.testing.assert_allclose(
        steps.charge_ah[::2], [2.0, -2.0, 1.98, -1.98, 1.96, -1.96]
    )
    np.testing.assert_array_equal(steps.charge_ah[1::2], 0.0)
    np.testing.assert_allclose(steps.mean_current_a[:4], [2.0, 0.0, -2.0, 0.0])
    np.testing.assert_allclose(steps.duration_s[:4], [3600, 600, 3600, 600])
    assert steps.cycle.tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert steps.first_row[:3].tolist() == [0, 40, 44]
    assert steps.last_row[:3].tolist() == [39, 43, 83]
    mean = steps.energy_wh[::2] / steps.charge_ah[::2]
    np.testing.assert_allclose(mean, steps.mean_voltage_v[::2], rtol=1e-3)
    assert (steps.start_voltage_v[2] > 4.0) & (steps.end_voltage_v[2] < 3.0)


def test_the_start_of_a_step_by_the_time_in_it():
    table = {name: np.delete(column, 0) for name, column in TABLE.items()}
    starts = np.flatnonzero(np.diff(table["step"]) != 0) + 1
    table = {name: np.delete(column, starts) for name, column in table.items()}
    steps = log_of(table, step=True, step_time=True).steps
    np.testing.assert_allclose(steps.duration_s[2], 3600)
    assert log_of(table, step=True).steps.duration_s[2] < 3550


def taper(step=None):
    """1 A to 4.2 V in an hour, then 4.2 V for an hour while the current decays."""
    time = np.arange(0, 7200, 60.0)
    hold = np.maximum(time - 3600, 0) / 1800
    current = np.exp(-hold)
    voltage = np.where(time < 3600, 3.5 + 0.7 * time / 3600, 4.2)
    return TimeSeries("x", time, voltage, current, np.ones_like(time), step=step)


def test_constant_voltage_is_a_step_of_its_own():
    for step in (None, np.repeat([1, 2], 60)):
        steps = taper(step).steps
        assert steps.kind == ("charge", "constant voltage")
        assert abs(steps.first_row[1] - 60) <= 1
        np.testing.assert_allclose(steps.charge_ah, [1.0, 0.43], rtol=0.05)


def test_pulses():
    time, current = [0.0], [0.0]
    for sign in (-1, 1, -1):
        time += [time[-1] + 1e-3, time[-1] + 10, time[-1] + 10.001, time[-1] + 300]
        current += [5.0 * sign, 5.0 * sign, 0.0, 0.0]
    time += [time[-1] + 1e-3, time[-1] + 3600]
    current += [-1.0, -1.0]
    log = TimeSeries("x", time, np.full(len(time), 3.7), current, np.ones(len(time)))
    kinds = [kind for kind in log.steps.kind if kind != "rest"]
    assert kinds == ["pulse", "pulse", "pulse", "discharge"]


def test_table_as_text_and_dataframe():
    pytest.importorskip("pandas")
    temperature = np.linspace(25, 30, len(TABLE["time_s"]))
    temperature[::2] = np.nan
    log = log_of(TABLE, keep=("temperature_c",), temperature_c=temperature)
    frame = log.steps.to_dataframe()
    assert len(frame) == len(log.steps) == 12
    assert frame["temperature_c"].between(25, 30).all()
    lines = repr(log.steps).split("\n")
    assert lines[0] == "StepTable(12 rows; 5 more columns in to_dataframe())"
    assert lines[2].split()[:2] == ["charge", "1"]
