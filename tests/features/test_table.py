"""A `FeatureTable` keeps names, units, variances and rows through all operations."""

import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.features import FeatureTable
from battprob.targets import Target
from battprob.transforms import Log


def table(**changes):
    fields = {
        "x": [[1.5, -0.1], [1.25, 0.1 + 0.2], [1.0, 1 / 3]],
        "names": ["capacity", "slope"],
        "units": ["Ah", "Ah/cycle"],
        "rows": ["a", "01", "c"],
        "variance": [[np.nan, 1e-9], [np.nan, 0.0], [np.nan, 1 / 7]],
        "groups": ["x", "NA", "x"],
    } | changes
    return FeatureTable(fields.pop("x"), **fields)


def life(rows=("a", "01", "c")):
    return Target(
        [400.0, 900.0, 150.0],
        rows=rows,
        name="cycle life",
        unit="cycles",
        variance=[0.1, 0.2, 0.3],
        censored=[False, True, False],
        transform=Log(),
    )


def same(got, expected):
    np.testing.assert_allclose(got.x, expected.x, rtol=1e-15)
    np.testing.assert_allclose(got.variance, expected.variance, rtol=1e-15)
    labels = ("names", "units", "rows", "groups")
    return all(getattr(got, label) == getattr(expected, label) for label in labels)


def test_csv_round_trip_keeps_all_digits_and_names(tmp_path):
    table().to_csv(tmp_path / "table.csv")
    assert same(FeatureTable.from_csv(tmp_path / "table.csv"), table())


def test_dataframe_round_trip_without_units_groups_or_variances():
    plain = table(units=["", ""], groups=None, variance=None)
    frame = plain.to_dataframe()
    assert list(frame.columns) == ["capacity", "slope"]
    assert same(FeatureTable.from_dataframe(frame), plain)


def test_csv_round_trip_without_groups(tmp_path):
    plain = table(groups=None, x=[[1.0, np.nan], [2.0, -np.inf], [3.0, 4.0]])
    plain.to_csv(tmp_path / "table.csv")
    assert same(FeatureTable.from_csv(tmp_path / "table.csv"), plain)


def test_select_reorders_columns_with_their_variances():
    selected = table().select(["slope", "capacity"])
    assert (selected.names, selected.units) == (
        ("slope", "capacity"),
        ("Ah/cycle", "Ah"),
    )
    np.testing.assert_array_equal(selected.x, table().x[:, ::-1])
    np.testing.assert_array_equal(selected.variance, table().variance[:, ::-1])


def test_join_matches_rows_by_name():
    other = table(names=["p", "q"], rows=["c", "a", "01"], groups=["x", "x", "NA"])
    joined = table().join(other)
    assert joined.names == ("capacity", "slope", "p", "q")
    np.testing.assert_array_equal(joined.x[:, 2:], other.x[jnp.array([1, 2, 0])])
    np.testing.assert_array_equal(joined.x[:, :2], table().x)


def test_dataset_has_all_fields_of_table_and_target():
    data = table().to_dataset(life(), ["slope"])
    np.testing.assert_array_equal(data.x[:, 0], table().x[:, 1])
    np.testing.assert_array_equal(data.y, [400.0, 900.0, 150.0])
    np.testing.assert_array_equal(data.noise_variance, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(data.censored, [0, 1, 0])
    assert data.group_labels == ["x", "NA", "x"]
    assert (data.feature_names, data.feature_units) == (("slope",), ("Ah/cycle",))
    assert (data.target_name, data.target_unit) == ("cycle life", "cycles")
    assert data.transform == Log()


def test_a_missing_feature_is_an_error_only_if_it_is_selected():
    with_gap = table(x=[[1.5, 0.1], [1.25, np.nan], [1.0, -np.inf]])
    assert with_gap.to_dataset(life(), ["capacity"]).num_rows == 3
    with pytest.raises(
        DataError, match=r"'slope' is missing or infinite .* rows: 01, c"
    ):
        with_gap.to_dataset(life())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": ["a", "a", "c"]}, "row 'a' occurs twice"),
        ({"names": ["slope", "slope"]}, "column 'slope' occurs twice"),
        ({"units": ["Ah"]}, r"2 names need .* \(3, 2\), 2 units .* got .* 1 units"),
        ({"groups": ["x"]}, "3 groups; got .* 1 groups"),
        ({"x": [[1.0, 2.0]]}, r"got x \(1, 2\)"),
        (
            {"variance": [[0, 0], [0, -1.0], [0, 0]]},
            "'slope' has a negative .* rows: 01",
        ),
    ],
)
def test_an_invalid_table_is_an_error(changes, message):
    with pytest.raises(DataError, match=message):
        table(**changes)


def test_unknown_columns_and_unmatched_rows_are_errors():
    with pytest.raises(DataError, match=r"no feature 'knee'.*\['capacity', 'slope'\]"):
        table().select(["knee"])
    with pytest.raises(DataError, match="only one table has row 'c'"):
        table().join(table(rows=["a", "01", "d"], names=["p", "q"]))
    with pytest.raises(DataError, match="different groups"):
        table().join(table(names=["p", "q"], groups=["x", "x", "x"]))
    with pytest.raises(DataError, match="column 'capacity' occurs twice"):
        table().join(table())


def test_a_target_with_other_rows_is_an_error():
    with pytest.raises(
        DataError, match="row 0 is 'a' in the table and '01' in the target"
    ):
        table().to_dataset(life(rows=("01", "a", "c")))


def test_a_column_of_text_is_an_error():
    frame = table().to_dataframe()
    frame["slope [Ah/cycle]"] = ["steep", "flat", "flat"]
    with pytest.raises(DataError, match=r"'slope .* must be numbers"):
        FeatureTable.from_dataframe(frame)
