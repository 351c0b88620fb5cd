"""Time of a log from the clocks of the file, each checked with the others."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data.cycler.clock import clock
from tests.data.cycler.logs import bdf, cycled, log_of


def _text(seconds, start="2030-03-01T12:00:00"):
    instants = np.datetime64(start, "ms") + (1e3 * np.asarray(seconds)).astype("m8[ms]")
    return [str(one).replace("T", " ") for one in instants]


def test_the_wall_clock_alone_starts_at_zero():
    data = cycled(1)
    columns = bdf(data)
    columns.pop("Test Time / s")
    for stamps in (1.9e9 + data["t"], 1e3 * (1.9e9 + data["t"])):
        result = clock(log_of({"Unix Time": stamps, **columns}))
        np.testing.assert_allclose(result.time_s, data["t"] - data["t"][0], atol=1e-3)
    result = clock(log_of({"Date_Time": _text(data["t"]), **columns}))
    np.testing.assert_allclose(result.time_s, data["t"] - data["t"][0], atol=1e-3)
    assert any("no time since the start" in text for text in result.statements)


def test_times_written_as_text():
    seconds = [0.0, 5.05, 3725.0]
    rest = {"Volts": [3, 3, 3], "Amps": [1, 1, 1]}
    for text in (
        ["  0d 00:00:00", "  0d 00:00:05.05", "  0d 01:02:05"],
        ["0:00:00", "0:00:05.05", "1:02:05"],
    ):
        result = clock(log_of({"TestTime": text, **rest}))
        np.testing.assert_allclose(result.time_s, seconds)
    result = clock(log_of({"time/s": _text(seconds), **rest}))
    np.testing.assert_allclose(result.time_s, seconds, atol=1e-3)


def test_agreeing_clocks_are_stated():
    data = cycled()
    result = clock(log_of({**bdf(data), "Unix Time / s": 1.9e9 + data["t"]}))
    assert any("time checked with 'Unix Time / s'" in s for s in result.statements)


@pytest.mark.parametrize("factor", [1e3, 3600.0, 60.0, 1 / 60.0, 1 / 3600.0])
def test_clocks_that_differ_by_a_unit_are_refused_without_a_counter(factor):
    data = cycled()
    columns = {**bdf(data), "Unix Time / s": 1.9e9 + data["t"]}
    columns["Test Time / s"] = factor * data["t"]
    with pytest.raises(DataError, match=r"factor between two units.*columns="):
        clock(log_of(columns))


@pytest.mark.parametrize("factor", [1e3, 3600.0, 60.0, 1 / 3600.0])
def test_the_counter_decides_which_clock_is_right(factor):
    data = cycled()
    columns = {**bdf(data, "qc", "qd"), "Unix Time / s": 1.9e9 + data["t"]}
    wrong = {**columns, "Test Time / s": factor * data["t"]}
    result = clock(log_of(wrong))
    np.testing.assert_allclose(result.time_s, data["t"])
    assert any("counter confirms 'Unix Time / s'" in s for s in result.statements)
    wrong = {**columns, "Unix Time / s": 1.9e9 + factor * data["t"]}
    result = clock(log_of(wrong))
    np.testing.assert_allclose(result.time_s, data["t"])
    assert any("counter confirms 'Test Time / s'" in s for s in result.statements)


@pytest.mark.parametrize("factor", [1e3, 60.0, 1 / 3600.0])
def test_the_time_in_the_step_is_a_second_clock(factor):
    data = cycled()
    starts = np.flatnonzero(np.diff(data["step"], prepend=0))
    lengths = np.diff(np.append(starts, len(data["t"])))
    in_step = data["t"] - np.repeat(data["t"][starts], lengths)
    columns = {**bdf(data), "Step Time / s": in_step}
    assert any("checked with 'Step" in s for s in clock(log_of(columns)).statements)
    columns["Test Time / s"] = factor * data["t"]
    with pytest.raises(DataError, match="as fast as 'Step Time / s'"):
        clock(log_of(columns))


def test_pauses_of_the_test_do_not_disturb_the_comparison():
    data = cycled()
    wall = data["t"] + 36000 * (np.arange(len(data["t"])) > 50)
    result = clock(log_of({**bdf(data), "Unix Time / s": 1.9e9 + wall}))
    np.testing.assert_array_equal(result.time_s, data["t"])
    assert any("1 pause" in s and "10 h" in s for s in result.statements)


def test_impossible_intervals_are_refused_and_repaired_by_the_counter():
    data = cycled()
    columns = {**bdf(data), "Test Time / s": 3600 * data["t"]}
    with pytest.raises(DataError, match="unit of the header is probably wrong"):
        clock(log_of(columns))
    columns = {**bdf(data, "qc", "qd"), "Test Time / s": 3600 * data["t"]}
    np.testing.assert_allclose(clock(log_of(columns)).time_s, data["t"])


def test_a_time_that_restarts_at_each_step_is_the_time_in_the_step():
    data = cycled()
    starts = np.flatnonzero(np.diff(data["step"], prepend=0))
    in_step = data["t"] - np.repeat(
        data["t"][starts], np.diff(np.append(starts, len(data["t"])))
    )
    columns = bdf(data, "step")
    columns["Test Time / s"] = in_step
    by_steps = clock(log_of(columns))
    expected = data["t"] - data["t"][0]
    # One second between the steps is not logged.
    np.testing.assert_allclose(by_steps.time_s, expected, atol=len(starts) + 1)
    assert any("restarts at each step" in s for s in by_steps.log.statements)
    by_wall = clock(log_of({**columns, "Date": _text(data["t"])}))
    np.testing.assert_allclose(by_wall.time_s, expected, atol=1e-3)


def test_the_time_in_the_step_refines_a_wall_clock_of_whole_seconds():
    seconds = np.arange(0, 50, 0.25)
    columns = {
        "Relative Time(h:min:s.ms)": [f"0:00:{s:06.3f}" for s in seconds],
        "Absolute Time": _text(np.floor(seconds)),
        "Voltage(V)": 3 + 0 * seconds,
        "Cur(mA)": 1 + 0 * seconds,
    }
    np.testing.assert_allclose(clock(log_of(columns)).time_s, seconds, atol=1e-9)


def test_times_of_day_pass_midnight():
    columns = {
        "Test (Sec)": [0, 10, 20, 30],
        "DPt Time": ["23:59:50", "00:00:00", "00:00:10", "00:00:20"],
        "Volts": [3.0] * 4,
        "Amps": [1.0] * 4,
    }
    result = clock(log_of(columns))
    np.testing.assert_allclose(np.diff(result.log["unix_time_s"]), 10)


def test_the_end_of_summer_time_is_no_fall_of_the_only_clock():
    seconds = 600.0 * np.arange(30)
    wall = seconds - 3600.0 * (np.arange(30) >= 20)
    columns = {"Date": _text(wall), "Volts": [3.0] * 30, "Amps": [1.0] * 30}
    np.testing.assert_allclose(clock(log_of(columns)).time_s, seconds)


def test_dates_of_unknown_order_do_not_refuse_a_log_with_another_clock():
    dates = ["01/02/2030 00:00:00", "02/02/2030 00:00:00", "01/03/2030 00:00:00"]
    columns = {"Date": dates, "Volts": [3.0] * 3, "Amps": [1.0] * 3}
    with_time = {"Test (Sec)": [0, 10, 20], **columns}
    np.testing.assert_allclose(clock(log_of(with_time)).time_s, [0, 10, 20])


def test_a_wall_clock_that_falls_or_stands_is_not_used():
    data = cycled()
    wall = 1.9e9 + data["t"]
    for values, reason in (
        (np.where(np.arange(len(wall)) > 60, wall - 7200, wall), "falls at line"),
        (np.full_like(wall, 1.9e9), "the same in all rows"),
    ):
        result = clock(log_of({**bdf(data), "Unix Time / s": values}))
        assert "unix_time_s" not in result.log
        assert any(reason in text for text in result.log.statements)


def test_steps_with_logging_intervals_of_their_own_restart_the_time():
    minutes = [np.arange(1, 9) * interval for interval in (10, 1, 5, 2)]
    step_time = 60.0 * np.concatenate(minutes)
    total = 60.0 * np.concatenate(
        [m + before for m, before in zip(minutes, (0, 80, 88, 128), strict=True)]
    )
    columns = {
        "Step": np.repeat([1, 2, 3, 4], 8),
        "Time": step_time,
        "Date_Time": _text(total),
        "Volts": np.full(32, 3.0),
        "Amps": np.repeat([1, 0, -1, 0], 8),
    }
    result = clock(log_of(columns))
    np.testing.assert_allclose(result.time_s, total - total[0])
    assert any("restarts at each step" in text for text in result.log.statements)
