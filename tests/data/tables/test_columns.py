"""Typed values of other packages become numbers or text, with nothing lost."""

import datetime

import numpy as np
import pytest

from battprob.data.tables.columns import (
    array_column,
    cell_column,
    day_numbers_to_iso,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([1, 2], "u2"), [1.0, 2.0]),
        (np.array([b"CC", b"CV"]), ["CC", "CV"]),
        (np.array([1500, 250], "m8[ms]"), [1.5, 0.25]),
        (np.array(["2024-05-07T08:00:00.25"], "M8[ms]"), ["2024-05-07T08:00:00.250"]),
        (np.array(["a", None], object), ["a", ""]),
    ],
)
def test_arrays(values, expected):
    assert array_column(values).tolist() == expected


def test_missing_durations_are_nan_and_missing_instants_empty():
    assert np.isnan(array_column(np.array(["NaT"], "m8[s]"))).all()
    assert array_column(np.array(["NaT"], "M8[s]")).tolist() == [""]


def test_instants_before_midnight_are_not_rounded_to_the_day_before():
    days = np.array([45131.999999999, np.nan])
    assert day_numbers_to_iso(days).tolist() == ["2023-07-25T00:00:00", ""]


def test_placeholders_in_a_column_of_numbers_are_missing():
    values = cell_column([1.0, "-", "", "NULL", None, "2.5"]).values
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, np.nan, np.nan, 2.5])


def test_numbers_stored_as_text_with_decimal_commas():
    column = cell_column(["3,04", "12,5", "0,125"])
    np.testing.assert_array_equal(column.values, [3.04, 12.5, 0.125])
    assert "decimal comma" in column.statement


def test_durations_beyond_a_day_keep_their_hours():
    # h:mm:ss in a cell of 30 h is stored as the date 1900-01-01 06:00.
    cells = [
        datetime.time(0, 0, 5),
        datetime.timedelta(hours=30, milliseconds=500),
        datetime.datetime(1900, 1, 1, 6),
        datetime.date(1900, 1, 2),
        "",
    ]
    expected = ["0:00:05", "30:00:00.500", "30:00:00", "48:00:00", ""]
    assert cell_column(cells).values.tolist() == expected


def test_a_number_among_instants_is_a_count_of_days():
    cells = [datetime.datetime(2024, 5, 7, 8), 45419.5, datetime.date(2024, 5, 8)]
    assert cell_column(cells).values.tolist() == [
        "2024-05-07T08:00:00",
        "2024-05-07T12:00:00",
        "2024-05-08T00:00:00",
    ]


def test_text_is_kept_where_one_cell_is_no_number():
    assert cell_column(["CC", 2.0, None]).values.tolist() == ["CC", "2", ""]
