"""A table gives the same dataset as its columns; missing columns are reported."""

import equinox as eqx
import numpy as np
import pytest

from battprob import DataError, Dataset, transforms

pd = pytest.importorskip("pandas")


def _frame():
    return pd.DataFrame(
        {
            "rate": [1.0, 2.0, 0.5],
            "temperature_c": [25, 35, 25],
            "batch": ["x", "y", "x"],
            "life": [500.0, 300.0, 900.0],
            "error": [0.01, 0.02, 0.01],
            "stopped": [False, True, False],
            "schedule": [0, -1, 2],
            "latest": [500.0, 400.0, 900.0],
        }
    )


def test_named_columns_equal_arrays():
    data = Dataset.from_dataframe(
        _frame(),
        target="life",
        group="batch",
        noise_variance="error",
        protocol="schedule",
        censored="stopped",
        y_upper="latest",
        units={"life": "cycles", "temperature_c": "°C"},
        transform=transforms.Log(),
    )
    expected = Dataset(
        np.array([[1.0, 25.0], [2.0, 35.0], [0.5, 25.0]]),
        [500.0, 300.0, 900.0],
        groups=["x", "y", "x"],
        noise_variance=[0.01, 0.02, 0.01],
        protocol=[0, -1, 2],
        censored=[0, 1, 0],
        y_upper=[500.0, 400.0, 900.0],
        feature_names=["rate", "temperature_c"],
        feature_units=["", "°C"],
        target_name="life",
        target_unit="cycles",
        transform=transforms.Log(),
    )
    assert eqx.tree_equal(data, expected)


def test_features_keep_the_requested_order():
    data = Dataset.from_dataframe(
        _frame(), target="life", features=["temperature_c", "rate"]
    )
    assert data.feature_names == ("temperature_c", "rate")
    np.testing.assert_array_equal(data.x[:, 1], [1.0, 2.0, 0.5])
    assert data.group_labels is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "lives"}, "no column 'lives'; the table has .*'rate', .*'stopped'"),
        ({"target": "life", "features": ["rates"]}, "no column 'rates'"),
        ({"target": "life", "group": "lot"}, "no column 'lot'"),
        ({"target": "life", "censored": "end"}, "no column 'end'"),
        ({"target": "life", "noise_variance": "sd"}, "no column 'sd'"),
        ({"target": "life", "units": {"lives": "cycles"}}, "no column 'lives'"),
        ({"target": "life"}, "batch must be numeric: .*'x'.* Encode categories"),
        ({"target": "life", "features": []}, "at least one feature column"),
        ({"target": "batch", "features": ["rate"]}, "batch must be numeric"),
    ],
)
def test_missing_columns_are_reported(arguments, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_dataframe(_frame(), **arguments)


def test_missing_values_are_reported_by_column_and_row():
    frame = _frame()
    frame.loc[1, "rate"] = None
    with pytest.raises(DataError, match="'rate' is not finite in rows 1"):
        Dataset.from_dataframe(frame, target="life", features=["rate"])
    frame = _frame()
    frame.loc[2, "batch"] = None
    with pytest.raises(
        DataError, match="every row must have a group name; wrong in rows 2"
    ):
        Dataset.from_dataframe(frame, target="life", features=["rate"], group="batch")
