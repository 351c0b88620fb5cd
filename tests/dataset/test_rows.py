"""Rows are selected, padded and appended without a change of their values."""

import equinox as eqx
import jax
import numpy as np
import pytest

from battprob import DataError, Dataset, transforms

OPTIONAL = {
    "noise_variance": np.array([0.1, 0.2, 0.3]),
    "protocol": np.array([0, 1, -1]),
    "censored": np.array([0, 1, 0]),
    "y_upper": np.array([1.0, 2.5, 3.0]),
}


def _data(groups=("b", "a", "b"), **changes):
    arguments = {"groups": groups, "target_unit": "cycles"} | OPTIONAL | changes
    return Dataset(np.arange(6.0).reshape(3, 2), [1.0, 2.0, 3.0], **arguments)


def test_take_keeps_order_and_every_column():
    data = _data()
    taken = data.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.x, [[4.0, 5.0], [0.0, 1.0]])
    np.testing.assert_array_equal(taken.y, [3.0, 1.0])
    for name, values in OPTIONAL.items():
        np.testing.assert_array_equal(getattr(taken, name), values[[2, 0]])
    assert taken.group_labels == ["b", "b"]
    assert taken.target_unit == "cycles"
    assert eqx.tree_equal(data.take([1, 2]), data.take(slice(1, None)))


@pytest.mark.parametrize("indices", [[3], [0, -4], [10**6]])
def test_indices_out_of_bounds_are_refused(indices):
    with pytest.raises(IndexError, match="out of bounds"):
        _data().take(indices)


def test_padding_is_masked():
    padded = _data().padded(5)
    assert padded.num_rows == 5
    np.testing.assert_array_equal(padded.mask, [True, True, True, False, False])
    assert eqx.tree_equal(padded.take([0, 1, 2]), _data())
    np.testing.assert_array_equal(padded.x[3:], [[4.0, 5.0]] * 2)
    again = padded.padded(8)
    np.testing.assert_array_equal(again.mask, [True] * 3 + [False] * 5)
    assert _data().padded().num_rows == 8


def test_padding_to_fewer_rows_is_refused():
    with pytest.raises(ValueError, match="negative"):
        _data().padded(2)


def test_append_matches_groups_by_name():
    """The code of group 'b' is 1 in the first dataset and 0 in the second."""
    together = _data().append(_data(groups=("b", "c", "c")))
    assert together.group_labels == ["b", "a", "b", "b", "c", "c"]
    assert together.group_names == ("a", "b", "c")
    np.testing.assert_array_equal(together.groups, [1, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(together.y, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    for name, values in OPTIONAL.items():
        np.testing.assert_array_equal(getattr(together, name), np.tile(values, 2))


def test_append_keeps_padding_masked():
    together = _data().padded(4).append(_data())
    np.testing.assert_array_equal(together.mask, [True] * 3 + [False] + [True] * 3)


DIFFERENT = {
    "feature names": (
        {"feature_names": ["a", "b"]},
        r"feature_names is \('x0', 'x1'\) in the first",
    ),
    "feature units": ({"feature_units": ["V", "mV"]}, "feature_units"),
    "target name": (
        {"target_name": "life"},
        "target_name is 'target' .*'life' in the second",
    ),
    "target unit": (
        {"target_unit": "h"},
        "target_unit is 'cycles' .*'h' in the second",
    ),
    "transform": ({"transform": transforms.Log()}, "transform is Identity.* Log"),
    "variance": ({"noise_variance": None}, "only one dataset has noise_variance"),
    "protocol": ({"protocol": None}, "only one dataset has protocol"),
    "y_upper": ({"y_upper": None}, "only one dataset has y_upper"),
    "groups": ({"groups": None}, "only one dataset has groups"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_append_refuses_different_datasets(case):
    changes, message = DIFFERENT[case]
    with pytest.raises(DataError, match=f"cannot append: .*{message}"):
        _data().append(_data(**changes))
    with pytest.raises(DataError, match="cannot append"):
        _data(**changes).append(_data())


def test_pytree_and_jit_return_the_dataset():
    data = _data()
    leaves, structure = jax.tree.flatten(data)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), data)
    assert eqx.tree_equal(jax.jit(lambda data: data)(data), data)


def test_new_numbers_do_not_retrace():
    @jax.jit
    @eqx.debug.assert_max_traces(max_traces=1)
    def total(data):
        return data.y.sum()

    for scale in (1.0, 2.0):
        data = Dataset(np.ones((3, 2)), scale * np.ones(3), groups=["a", "b", "b"])
        assert total(data) == 3 * scale
