"""A `Cell` stores its arguments read-only and rejects invalid records."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from battprob import DataError
from battprob.data import Cell

CURVES = {
    "curve_cycle": [2, 10],
    "voltage_v": [3.5, 3.0, 2.0],
    "curve_capacity_ah": [[0.0, 0.5, 1.1], [0.0, 0.4, 1.0]],
}


def make(**changes):
    fields = {"name": "a1", "cycle": [2, 3, 10], "capacity_ah": [1.1, np.nan, 1.0]}
    return Cell(**{**fields, **CURVES, **changes})


def test_cycle_numbers_and_gaps_are_kept():
    cell = make(cycle=[2, 10, 10])
    assert cell.cycle.tolist() == [2, 10, 10]
    assert np.isnan(cell.capacity_ah[1])


def test_curve_of_a_cycle_is_selected_by_its_number():
    np.testing.assert_array_equal(make().curve_ah(10), [0.0, 0.4, 1.0])
    with pytest.raises(
        DataError, match=r"no discharge curve at cycle 3: it has 2 curves .* 2 and 10"
    ):
        make().curve_ah(3)
    with pytest.raises(DataError, match="no discharge curves"):
        Cell("a1", [1], [1.0]).curve_ah(1)


def test_record_is_frozen_and_does_not_share_memory():
    capacity = np.array([1.1, 1.05, 1.0])
    cell = make(capacity_ah=capacity)
    capacity[0] = 7.0
    assert cell.capacity_ah[0] == 1.1
    with pytest.raises(ValueError, match="read-only"):
        cell.capacity_ah[0] = 7.0
    with pytest.raises(FrozenInstanceError):
        cell.name = "b"


def test_replace_validates_again():
    assert replace(make(), batch="x").batch == "x"
    with pytest.raises(DataError, match=r"capacity_ah must have shape \(3,\)"):
        replace(make(), capacity_ah=[1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cycle": [2, 3.5, 10]}, "'a1': cycle must be integers"),
        ({"cycle": [2, 10, 3]}, "row 2 .* has 3 after 10"),
        ({"cycle": []}, "cycle must be a list"),
        ({"cycle": ["two", 3, 10]}, "cycle must be numbers"),
        ({"capacity_ah": [1.0, np.inf, 1.0]}, r"infinite in rows \[1\]"),
        ({"curve_cycle": [2, 2]}, "curve_cycle must increase"),
        ({"curve_cycle": [2, 3, 10]}, r"curve_capacity_ah must have shape \(3, 3\)"),
        ({"voltage_v": [3.5, 3.5, 2.0]}, "voltage_v must be strictly"),
        ({"voltage_v": None}, "give all three or none"),
        ({"cycle_life": -1.0}, "cycle_life must be positive"),
        ({"censored": True}, "must be a lower bound, but it is NaN"),
        (
            {"per_cycle": {"resistance_ohm": [1.0]}},
            r"resistance_ohm must have shape \(3,\)",
        ),
    ],
)
def test_errors_name_cell_field_and_rows(changes, message):
    with pytest.raises(DataError, match=message):
        make(**changes)
