"""Numbers in text: decimal marks and thousands separators have one reading per column."""

import numpy as np
import pytest

from battprob.data.tables.cells import decimal_mark
from battprob.data.tables.numbers import to_numbers

NAN = np.nan


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.5", "+2", "-3e-2", ".5", "4."], [1.5, 2.0, -0.03, 0.5, 4.0]),
        (["3,04", "12", "-0,5E+01"], [3.04, 12.0, -5.0]),
        (["450.0", "1,350.0", "5,577,644.47"], [450.0, 1350.0, 5577644.47]),
        (["1.350,5", "2,25"], [1350.5, 2.25]),
        (["1 350,5", "12,25"], [1350.5, 12.25]),
        (["1'350.5", "12.25"], [1350.5, 12.25]),
        (["1,234,567"], [1234567.0]),
        (["1.5D-3", "2.0d+2"], [0.0015, 200.0]),
        (["", "N/A", "NaN", "-", "#N/A", "1"], [NAN, NAN, NAN, NAN, NAN, 1.0]),
        (["0,350", "1,350"], [0.35, 1.35]),
    ],
)
def test_values(cells, values):
    numbers = to_numbers(cells)
    np.testing.assert_array_equal(numbers.values, values)
    assert not len(numbers.invalid)


def test_marks_from_one_thousand_on_are_thousands_separators():
    numbers = to_numbers(["0", "450", "900", "1,350", "2,700"])
    np.testing.assert_array_equal(numbers.values, [0, 450, 900, 1350, 2700])
    assert "'1,350' were read as thousands separators" in numbers.statement


@pytest.mark.parametrize("cells", [["1,350"], ["1,350", "2,700"], ["1,350", "1350"]])
def test_numbers_with_two_readings_are_no_numbers(cells):
    numbers = to_numbers(cells)
    assert 0 in numbers.invalid
    assert "two readings" in numbers.statement


def test_the_decimal_comma_of_other_columns_decides():
    np.testing.assert_array_equal(to_numbers(["1,350"], ",").values, [1.35])


def test_points_before_three_digits_among_decimal_commas_have_two_readings():
    assert len(to_numbers(["1.350", "2.700"], ",").invalid) == 2


def test_points_among_decimal_commas_that_are_decimal_points():
    np.testing.assert_array_equal(to_numbers(["1.35", "2.7"], ",").values, [1.35, 2.7])


@pytest.mark.parametrize("cell", ["OVL", "1_000", "0x10", "1.2.3", "12:30", "1,2,3"])
def test_text_is_named_by_its_row(cell):
    numbers = to_numbers(["1.0", cell, "3.0"])
    np.testing.assert_array_equal(numbers.invalid, [1])
    np.testing.assert_array_equal(numbers.values, [1.0, NAN, 3.0])


def test_many_rows_of_text():
    cells = ["1.5", "OVL"] * 3000
    numbers = to_numbers(cells)
    np.testing.assert_array_equal(numbers.invalid, np.arange(1, 6000, 2))
    assert np.nansum(numbers.values) == 4500.0


def test_an_empty_column():
    assert len(to_numbers([]).values) == 0


@pytest.mark.parametrize(
    ("cells", "mark"),
    [(["3,04"], ","), (["3.04", "1"], "."), (["1,350"], ""), (["1", "2"], "")],
)
def test_decimal_mark(cells, mark):
    assert decimal_mark(cells) == mark
