"""Durations and dates in text become seconds; day and month are not guessed."""

import datetime

import numpy as np
import pytest

from battprob import DataError
from battprob.data.tables.numbers import to_seconds


def unix(*fields):
    return datetime.datetime(*fields, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("0:00:05", 5.0),
        ("100:00:00.5", 360000.5),
        ("00:00:10,25", 10.25),
        ("  0d 00:00:05", 5.0),
        ("3d 18:47:23.42", 326843.42),
        ("1 days 00:00:01", 86401.0),
        ("1.02:03:04", 93784.0),
        ("-0:00:05", -5.0),
        ("1h 2m 3s", 3723.0),
        ("12:30.5", np.nan),
    ],
)
def test_durations(cell, seconds):
    times = to_seconds([cell])
    np.testing.assert_allclose(times.seconds, [seconds])
    assert times.kind == "duration"


@pytest.mark.parametrize(
    ("cell", "fields"),
    [
        ("2010-09-02 14:35:40", (2010, 9, 2, 14, 35, 40)),
        ("2010/9/2 4:05", (2010, 9, 2, 4, 5)),
        ("2019-10-21T17:59:59Z", (2019, 10, 21, 17, 59, 59)),
        ("2019-10-21T17:59:59+02:00", (2019, 10, 21, 15, 59, 59)),
        ("20191021T175959", (2019, 10, 21, 17, 59, 59)),
        ("11/20/2024 11:38:54.171", (2024, 11, 20, 11, 38, 54, 171000)),
        ("12/16/2019 14:03:25", (2019, 12, 16, 14, 3, 25)),
        ("08/23/2021 6:04:18 PM", (2021, 8, 23, 18, 4, 18)),
        ("08/23/2021 12:04:18 AM", (2021, 8, 23, 0, 4, 18)),
        ("23-Nov-23 3:56:11 PM", (2023, 11, 23, 15, 56, 11)),
        ("14 December 2020", (2020, 12, 14)),
        ("11 December 2020, 12:22:12 PM", (2020, 12, 11, 12, 22, 12)),
        ("Feb. 20, 2020   15:55:08", (2020, 2, 20, 15, 55, 8)),
        ("Thursday, July 19, 2018 9:40:30 AM", (2018, 7, 19, 9, 40, 30)),
        ("31.01.2023 17:56:53", (2023, 1, 31, 17, 56, 53)),
        ("29/02/2024", (2024, 2, 29)),
    ],
)
def test_dates(cell, fields):
    times = to_seconds([cell])
    np.testing.assert_allclose(times.seconds, [unix(*fields)])
    assert times.kind == "date"


@pytest.mark.parametrize("cell", ["12:30", "31/02/2020", "0:75:00", "1.5", "Rest"])
def test_what_is_no_time_is_named_by_its_row(cell):
    times = to_seconds(["", cell])
    np.testing.assert_array_equal(times.invalid, [1])


def test_one_late_day_decides_the_order_of_all_dates():
    times = to_seconds(["01/02/2020 00:00:00", "13/02/2020 00:00:00"])
    np.testing.assert_array_equal(times.seconds, [unix(2020, 2, 1), unix(2020, 2, 13)])
    assert "day/month" in times.statement


def test_a_log_without_pauses_decides_the_order():
    times = to_seconds(["01/02/2020 23:59:59", "02/02/2020 00:00:01"])
    np.testing.assert_allclose(np.diff(times.seconds), [2.0])
    assert "day/month" in times.statement
    assert "pause of 30 days" in times.statement


def test_dates_that_would_fall_decide_the_order():
    times = to_seconds(["12/01/2020", "11/02/2020"])  # 12 January, 11 February
    np.testing.assert_allclose(np.diff(times.seconds), [30 * 86400.0])
    assert "they would fall" in times.statement


def test_dates_with_points_have_the_day_first():
    times = to_seconds(["01.02.2023"])
    np.testing.assert_array_equal(times.seconds, [unix(2023, 2, 1)])
    assert times.statement


def test_dates_of_one_day_need_no_order():
    times = to_seconds(["01/02/2020 10:00:00", "01/02/2020 10:00:07"])
    np.testing.assert_allclose(np.diff(times.seconds), [7.0])
    assert "same durations" in times.statement


def test_dates_of_unknown_order_are_refused():
    with pytest.raises(DataError, match=r"a\.csv, column 'Date' has dates such as"):
        to_seconds(["01/02/2020", "03/05/2020"], where="a.csv, column 'Date'")


def test_dates_and_durations_in_one_column_are_refused():
    with pytest.raises(DataError, match="dates in some rows and durations in others"):
        to_seconds(["2020-01-01", "0:00:01"])


def test_rows_of_many_shapes_keep_their_order():
    seconds = np.arange(0, 400_000, 997)
    cells = [f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}.5" for s in seconds]
    np.testing.assert_allclose(to_seconds(cells).seconds, seconds + 0.5)


@pytest.mark.parametrize(
    "cell", ["2030年3月5日 17:12:04", "2030年03月05日17时12分04秒", "2030年3月5日"]
)
def test_dates_in_chinese(cell):
    expected = unix(2030, 3, 5, *((17, 12, 4) if "17" in cell else ()))
    assert to_seconds([cell]).seconds.tolist() == [expected]
