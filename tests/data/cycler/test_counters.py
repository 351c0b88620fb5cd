"""One counter of charge may count up, up and down, or from zero in each step."""

import numpy as np

from battprob.data.cycler.counters import counters
from tests.data.cycler.logs import cycled, log_of


def _kept(values, name="Capacity (Ah)", **more):
    data = cycled()
    columns = {
        "t/s": data["t"],
        "U/V": data["v"],
        "I/A": data["i"],
        name: values,
        **more,
    }
    log = log_of(columns)
    return counters(log, log["current_a"], log["time_s"])


def _since_step(values, step):
    starts = np.flatnonzero(np.diff(step, prepend=0))
    before = np.repeat(values[starts], np.diff(np.append(starts, len(values))))
    return values - before


def test_a_counter_that_rises_in_both_directions():
    data = cycled()
    kept, statements = _kept(data["qc"] + data["qd"])
    assert list(kept) == ["capacity_ah"]
    assert "counts up in both directions" in statements[0]
    kept, _ = _kept(_since_step(data["qc"] + data["qd"], data["step"]))
    assert list(kept) == ["capacity_ah"]


def test_a_counter_that_runs_down_in_a_discharge_is_the_net_charge():
    data = cycled()
    kept, _ = _kept(5 + data["qc"] - data["qd"])
    np.testing.assert_array_equal(kept["net_charge_ah"], 5 + data["qc"] - data["qd"])
    kept, _ = _kept(data["qd"] - data["qc"])  # counts a discharge as positive
    np.testing.assert_allclose(kept["net_charge_ah"], data["qc"] - data["qd"])


def test_a_signed_counter_of_each_step_gives_two_counters():
    data = cycled()
    kept, _ = _kept(_since_step(data["qc"] - data["qd"], data["step"]))
    assert sorted(kept) == ["charge_capacity_ah", "discharge_capacity_ah"]
    np.testing.assert_allclose(kept["discharge_capacity_ah"].max(), 2.0)


def test_a_net_counter_that_restarts_gives_increments():
    data = cycled()
    current = data["i"].copy()
    row = int(np.flatnonzero(current < 0)[10])
    current[row] = 0.5  # charges for one row inside a discharge
    increments = np.diff(data["qc"] - data["qd"], prepend=0.0)
    increments[row] = 0.01
    halves = (data["step"] > 2) + 2 * data["cycle"]
    restarting = np.concatenate(
        [np.cumsum(increments[halves == half]) for half in np.unique(halves)]
    )
    columns = {"t/s": data["t"], "U/V": data["v"], "I/A": current, "Q/Ah": restarting}
    log = log_of(columns, {"capacity_ah": "Q/Ah"})
    kept, statements = counters(log, current, data["t"])
    np.testing.assert_allclose(kept["charge_increment_ah"], increments, atol=1e-9)
    assert "restarts 5 times" in statements[0]


def test_counters_with_negative_numbers_are_reversed():
    data = cycled()
    kept, statements = _kept(-data["qd"], "Discharge Capacity (Ah)")
    np.testing.assert_array_equal(kept["discharge_capacity_ah"], data["qd"])
    assert "reversed" in statements[0]


def test_the_charge_of_a_step_is_converted_to_increments():
    data = cycled()
    net = _since_step(data["qc"] - data["qd"], data["step"])
    kept, _ = _kept(net, "dQ/mA.h", Ns=data["step"])
    expected = 1e-3 * np.diff(data["qc"] - data["qd"], prepend=0.0)
    np.testing.assert_allclose(kept["charge_increment_ah"], expected, atol=1e-12)


def test_two_counters_are_preferred_to_one():
    data = cycled()
    more = {"Charge_Capacity (Ah)": data["qc"], "Discharge_Capacity (Ah)": data["qd"]}
    kept, _ = _kept(data["qc"], **more)
    assert sorted(kept) == ["charge_capacity_ah", "discharge_capacity_ah"]


def test_increments_that_lack_rows_give_way_to_the_net_charge():
    data = cycled()
    net = 1000 * (data["qc"] - data["qd"])
    every = slice(None, None, 3)
    columns = {
        "time/s": data["t"],
        "Ewe/V": data["v"],
        "I/mA": 1000 * data["i"],
        "dq/mA.h": np.diff(net, prepend=0.0),
        "(Q-Qo)/mA.h": net,
    }
    for rows, kept in ((slice(None), 2), (every, 1)):
        log = log_of({name: values[rows] for name, values in columns.items()})
        found, statements = counters(log, log["current_a"], log["time_s"])
        assert len(found) == kept
        assert any("rows are missing" in text for text in statements) == (kept == 1)
