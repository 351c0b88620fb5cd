"""Lines before a table give keys and values."""

import pytest

from battprob.data.tables.preamble import preamble


@pytest.mark.parametrize(
    ("line", "separator", "values"),
    [
        ("Mass of active material : 7000.000 mg", "\t", {"Mass of active material": "7000.000 mg"}),
        ("mass;0.0012;;;;", ";", {"mass": "0.0012"}),
        ("Mass (g): 1.000", ",", {"Mass (g)": "1.000"}),
        ("~Name of Test: formation", "\t", {"Name of Test": "formation"}),
        ("# area = 1.13 cm2", ",", {"area": "1.13 cm2"}),
        ("Test:,25205", ",", {"Test": "25205"}),
        ("dE1 (mV)            5.00                10.00", "\t", {"dE1 (mV)": "5.00, 10.00"}),
        ("tR (h:m:s)          0:00:10.0", "\t", {"tR (h:m:s)": "0:00:10.0"}),
        ("Weight (at x = 0) : 310 g/mol", "\t", {"Weight (at x = 0)": "310 g/mol"}),
        (
            "Today's Date 09/01/2020  Date of Test:\t12/16/2019\tComment: none",
            "\t",
            {"Today's Date": "09/01/2020", "Date of Test": "12/16/2019", "Comment": "none"},
        ),
    ],
)  # fmt: skip
def test_pairs(line, separator, values):
    assert preamble([line], separator) == values


def test_values_of_a_repeated_key_are_joined():
    assert preamble(["Comments : A", "Comments : B"], "\t") == {"Comments": "A; B"}


def test_lines_without_a_value_are_left_out():
    assert preamble(["", "Modulo Bat", "User : ", ";;;"], ";") == {}
