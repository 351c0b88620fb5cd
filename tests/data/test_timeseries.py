"""A log is validated, read-only and repeatable, and is converted to a cell."""

import pickle

import numpy as np
import pytest

from battprob import DataError
from battprob.data import TimeSeries
from tests.data.logs import columns, log_of

TABLE = columns()


def test_to_cell_has_capacities_energies_curves_and_statements():
    grid = np.linspace(4.0, 3.1, 10)
    log = log_of(TABLE, keep=())
    cell = log.to_cell(voltage_v=grid, meta={"operator": "me"})
    assert (cell.name, cell.cycle.tolist()) == ("x", [1, 2, 3])
    np.testing.assert_allclose(cell.capacity_ah, [2.0, 1.98, 1.96], rtol=1e-3)
    energy = cell.per_cycle["discharge_energy_wh"] / cell.capacity_ah
    assert ((energy > 3.4) & (energy < 3.7)).all()
    assert cell.curve_cycle is not None
    assert cell.curve_cycle.tolist() == [1, 2, 3]
    assert cell.meta["operator"] == "me"
    assert cell.meta["statements"] == log.statements


def test_capacity_per_gram_and_per_area():
    log = log_of(TABLE)
    cell = log.to_cell(mass_g=10.0, area_cm2=100.0)
    np.testing.assert_allclose(
        cell.per_cycle["discharge_capacity_mah_per_g"], 100 * cell.capacity_ah
    )
    np.testing.assert_allclose(
        cell.per_cycle["charge_capacity_mah_per_cm2"],
        10 * cell.per_cycle["charge_capacity_ah"],
    )
    np.testing.assert_allclose(cell.capacity_ah, [2.0, 1.98, 1.96])  # still in Ah
    with pytest.raises(DataError, match="mass in g must be positive; got 0"):
        log.to_cell(mass_g=0.0)


def test_missing_values_of_other_columns():
    resistance = np.full(len(TABLE["time_s"]), np.nan)
    resistance[[10, 20]] = 0.02, 0.04
    empty = np.full(len(TABLE["time_s"]), np.nan)
    log = log_of(
        TABLE,
        keep=("resistance_ohm", "temperature_c"),
        resistance_ohm=resistance,
        temperature_c=empty,
    )
    per_cycle = log.to_cell().per_cycle
    np.testing.assert_allclose(per_cycle["resistance_ohm"], [0.03, np.nan, np.nan])
    assert "temperature_c" not in per_cycle


def test_statements_of_the_reader_come_first():
    log = TimeSeries("x", [0, 1], [3, 3], [0, 0], [1, 1], statements=["format: none"])
    assert log.statements == ("format: none",)
    assert log.reader_statements == ("format: none",)


def test_a_log_is_read_only_and_pickles():
    time = np.array([0.0, 1.0])
    log = TimeSeries("x", time, [3, 3], [0, 1], [1, 1], step=[1, 2], statements=["a"])
    time[0] = 5.0
    assert log.time_s[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        log.current_a[0] = 1.0
    again = pickle.loads(pickle.dumps(log))
    assert again.statements == log.statements
    assert again.step.tolist() == [1, 2]
    assert len(again) == 2


def test_repr():
    assert repr(log_of(TABLE)) == (
        "TimeSeries('x', 264 rows in 6.943 h, cycles 1 to 3, 2.96 to 4.126 V, "
        "-2 to 2 A)"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage_v": [4.0]}, "non-empty and of one length"),
        ({"time_s": [], "voltage_v": [], "current_a": [], "cycle": []}, "non-empty"),
        ({"voltage_v": [4.0, np.nan]}, "voltage_v is not finite at row 1"),
        ({"cycle": [2, 1]}, "cycle must be integers that do not decrease; row 1"),
        ({"cycle": [1.5, 2]}, "cycle must be integers .* row 0 .* has 1.5"),
        ({"step": [1, 1.5]}, "step must be integers; row 1 .* has 1.5"),
        ({"other": {"temperature_c": [1.0]}}, "one length"),
    ],
)
def test_invalid_columns_are_errors(changes, message):
    valid = {
        "time_s": [0, 1],
        "voltage_v": [4, 4],
        "current_a": [1, 1],
        "cycle": [1, 1],
    }
    with pytest.raises(DataError, match=message):
        TimeSeries("x", **{**valid, **changes})


def test_speed_does_not_depend_on_the_number_of_cycles_times_rows():
    # One million rows in 1000 cycles take half a second; this is a hundredth of it.
    table = columns((1.0,) * 100, rows=45)
    log = log_of(table)
    assert len(log.to_cell(voltage_v=np.linspace(4, 3.1, 50)).cycle) == 100
