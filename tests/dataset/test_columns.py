"""Features are chosen by name or index; a wrong choice is refused with the remedy."""

import pytest

from battprob import DataError
from battprob._columns import resolve_columns

NAMES = ["rate", "temperature_c", "resistance_ohm"]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (None, (0, 1, 2)),
        (["resistance_ohm", "rate"], (2, 0)),
        ([1, "rate"], (1, 0)),
        ([], ()),
    ],
)
def test_chosen_columns(features, expected):
    assert resolve_columns(features, NAMES) == expected


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["voltage"], r"no feature 'voltage'; the dataset has .*'rate'"),
        ([3], "no feature 3; the dataset has"),
        ([-1], "no feature -1; the dataset has"),
        ([True, False, True], "no feature True; the dataset has"),
        (["rate", "rate"], "features lists 'rate' more than once"),
        (["rate", 0], "features lists 'rate' more than once"),
        ("rate", r"features must be a list; got 'rate': use \['rate'\]"),
    ],
)
def test_wrong_choices_are_refused(features, message):
    with pytest.raises(DataError, match=message):
        resolve_columns(features, NAMES)
