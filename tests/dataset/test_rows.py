"""Rows are taken, padded and appended without one being lost, changed or made up."""

import equinox as eqx
import jax
import numpy as np
import pytest

from battprob import DataError, Dataset, transforms

EVERYTHING = {
    "noise_variance": np.array([0.1, 0.2, 0.3]),
    "protocol": np.array([0, 1, -1]),
    "censored": np.array([0, 1, 0]),
    "y_upper": np.array([1.0, 2.5, 3.0]),
}


def _data(groups=("b", "a", "b"), **changes):
    arguments = {"groups": groups, "target_unit": "cycles"} | EVERYTHING | changes
    return Dataset(np.arange(6.0).reshape(3, 2), [1.0, 2.0, 3.0], **arguments)


def test_take_keeps_order_and_every_column():
    data = _data()
    taken = data.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.x, [[4.0, 5.0], [0.0, 1.0]])
    np.testing.assert_array_equal(taken.y, [3.0, 1.0])
    for name, values in EVERYTHING.items():
        np.testing.assert_array_equal(getattr(taken, name), values[[2, 0]])
    assert taken.group_labels == ["b", "b"]
    assert taken.target_unit == "cycles"
    assert eqx.tree_equal(data.take([1, 2]), data.take(slice(1, None)))


@pytest.mark.parametrize("indices", [[3], [0, -4], [10**6]])
def test_rows_that_do_not_exist_are_refused(indices):
    with pytest.raises(IndexError, match="out of bounds"):
        _data().take(indices)


def test_padded_masks_what_it_adds():
    padded = _data().padded(5)
    assert padded.num_rows == 5
    np.testing.assert_array_equal(padded.mask, [True, True, True, False, False])
    assert eqx.tree_equal(padded.take([0, 1, 2]), _data())
    np.testing.assert_array_equal(padded.x[3:], [[4.0, 5.0]] * 2)
    again = padded.padded(8)
    np.testing.assert_array_equal(again.mask, [True] * 3 + [False] * 5)
    assert _data().padded().num_rows == 8


def test_padding_never_cuts():
    with pytest.raises(ValueError, match="negative"):
        _data().padded(2)


def test_append_matches_groups_by_name():
    """Codes differ between the two: 'b' is 1 here and 0 there."""
    together = _data().append(_data(groups=("b", "c", "c")))
    assert together.group_labels == ["b", "a", "b", "b", "c", "c"]
    assert together.group_names == ("a", "b", "c")
    np.testing.assert_array_equal(together.groups, [1, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(together.y, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    for name, values in EVERYTHING.items():
        np.testing.assert_array_equal(getattr(together, name), np.tile(values, 2))


def test_append_keeps_padding_masked():
    together = _data().padded(4).append(_data())
    np.testing.assert_array_equal(together.mask, [True] * 3 + [False] + [True] * 3)


DIFFERENT = {
    "feature names": (
        {"feature_names": ["a", "b"]},
        r"feature_names is \('x0', 'x1'\)",
    ),
    "feature units": ({"feature_units": ["V", "mV"]}, "feature_units"),
    "target name": ({"target_name": "life"}, "target_name is 'target' here, 'life'"),
    "target unit": ({"target_unit": "h"}, "target_unit is 'cycles' here, 'h' there"),
    "transform": ({"transform": transforms.Log()}, "transform is Identity.* Log"),
    "variance": ({"noise_variance": None}, "noise_variance is given on one side only"),
    "protocol": ({"protocol": None}, "protocol is given on one side only"),
    "y_upper": ({"y_upper": None}, "y_upper is given on one side only"),
    "groups": ({"groups": None}, "groups are given on one side only"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_append_refuses_what_does_not_match(case):
    changes, message = DIFFERENT[case]
    with pytest.raises(DataError, match=f"cannot append: .*{message}"):
        _data().append(_data(**changes))
    with pytest.raises(DataError, match="cannot append"):
        _data(**changes).append(_data())


def test_pytree_round_trip_and_passage_through_jit():
    data = _data()
    leaves, structure = jax.tree.flatten(data)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), data)
    assert eqx.tree_equal(jax.jit(lambda data: data)(data), data)


def test_new_numbers_find_the_same_program():
    @jax.jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def total(data):
        return data.y.sum()

    for scale in (1.0, 2.0):
        data = Dataset(np.ones((3, 2)), scale * np.ones(3), groups=["a", "b", "b"])
        assert total(data) == 3 * scale
