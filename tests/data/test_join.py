"""Parts of a test are joined with continued time and cycles, stated or refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battprob import DataError
from battprob.data import TimeSeries, join
from tests.data.logs import columns, log_of, rows_of

TABLE = columns()
SIZE = len(TABLE["time_s"])


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(3, SIZE - 3), min_size=1, max_size=3))
def test_joining_the_parts_of_a_log_gives_the_log(rows):
    ends = [0, *sorted(rows), SIZE]
    parts = [
        log_of(rows_of(TABLE, np.arange(begin, end)), step=True)
        for begin, end in itertools.pairwise(ends)
    ]
    log, whole = join(parts), log_of(TABLE, step=True)
    for name in ("time_s", "voltage_v", "current_a", "cycle", "step"):
        np.testing.assert_array_equal(getattr(log, name), getattr(whole, name))
    np.testing.assert_allclose(log.charge.discharge_ah, whole.charge.discharge_ah)


def restarted_parts():
    """The three cycles as three logs; the clock and the numbers start again."""
    for cycle in (1, 2, 3):
        part = rows_of(TABLE, TABLE["cycle"] == cycle)
        start = part["time_s"][0]
        yield log_of(part, time_s=part["time_s"] - start, cycle=1 + 0 * part["cycle"])


def test_time_and_cycles_that_start_again_are_continued():
    log = join(list(restarted_parts()), name="cell")
    assert log.name == "cell"
    assert (np.diff(log.time_s) >= 0).all()
    np.testing.assert_array_equal(np.unique(log.cycle), [1, 2, 3])
    np.testing.assert_allclose(log.cycles.discharge_capacity_ah, [2.0, 1.98, 1.96])
    assert log.statements[0] == "3 logs joined in the given order: 'x', 'x', 'x'"
    assert "time of 'x' continued one logging interval later" in log.statements[1]
    assert log.statements[2] == (
        "cycle numbers of 'x' start again at 1: continued with 2"
    )


def test_the_wall_clock_gives_the_order_and_the_pause():
    first, second, third = restarted_parts()
    logs = []
    for log, start in ((third, 90_000.0), (first, 0.0), (second, 40_000.0)):
        clock = {"unix_time_s": 1.7e9 + start + log.time_s}
        logs.append(
            TimeSeries(
                f"part {start:g}",
                log.time_s,
                log.voltage_v,
                log.current_a,
                log.cycle,
                other={**log.other, **clock},
            )
        )
    log = join(logs)
    assert log.name == "part 0"
    assert log.statements[0].startswith(
        "3 logs joined in the order of unix_time_s: 'pa"
    )
    np.testing.assert_allclose(
        log.time_s - log.time_s[0], log.other["unix_time_s"] - 1.7e9
    )
    np.testing.assert_allclose(log.cycles.discharge_capacity_ah, [2.0, 1.98, 1.96])
    late = [*logs[:1], TimeSeries(
        "late",
        logs[1].time_s,
        logs[1].voltage_v + 0.01,
        logs[1].current_a,
        logs[1].cycle,
        other={"unix_time_s": logs[0].other["unix_time_s"] + 600},
    )]  # fmt: skip
    with pytest.raises(DataError, match="'part 90000' and 'late' overlap by"):
        join(late)


def test_overlapping_rows_are_left_out():
    parts = [rows_of(TABLE, np.arange(150)), rows_of(TABLE, np.arange(140, SIZE))]
    log = join([log_of(part) for part in parts])
    assert len(log) == SIZE
    assert (
        "10 rows at the start of 'x' repeating the end of 'x' omitted" in log.statements
    )


def test_columns_that_a_part_lacks_are_missing():
    first, second = (
        rows_of(TABLE, np.arange(a, b)) for a, b in ((0, 100), (100, SIZE))
    )
    log = join([log_of(first), log_of(second, keep=())])
    assert np.isnan(log.other["charge_capacity_ah"][100:]).all()


def test_the_same_log_twice_and_a_single_log_are_refused():
    log = log_of(TABLE)
    with pytest.raises(DataError, match="have the same rows"):
        join([log, log_of(TABLE, time_s=TABLE["time_s"] + 5.0)])
    with pytest.raises(DataError, match="two or more logs to join, got 1"):
        join([log])
