"""Invalid input is refused; the error names the column, the rows and the remedy."""

import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError, Dataset, transforms

X = np.arange(12.0).reshape(4, 3)
Y = np.array([1.0, 2.0, 3.0, 4.0])
NAMES = ["rate", "temperature_c", "resistance_ohm"]


def _with(array, index, value):
    array = np.array(array, dtype=object if isinstance(value, str) else float)
    array[index] = value
    return array


BAD = {
    "nan in x": (
        {"x": _with(X, (2, 1), np.nan)},
        r"column 'temperature_c' is not finite in rows 2 \(counting from 0\): drop",
    ),
    "inf in x": ({"x": _with(X, (0, 2), np.inf)}, "'resistance_ohm' .* rows 0 "),
    "nan in y": (
        {"y": _with(Y, [1, 3], np.nan)},
        "'target' is not finite in rows 1, 3",
    ),
    "many rows": (
        {"x": np.full((12, 1), np.nan), "y": np.ones(12), "feature_names": ["a"]},
        "rows 0, 1, 2, 3, 4, 5, 6, 7 and 4 more",
    ),
    "3-D x": ({"x": X[None]}, r"x must be \[rows, features\] .* got \(1, 4, 3\)"),
    "empty x": ({"x": np.zeros((0, 3)), "y": []}, r"not empty; got \(0, 3\)"),
    "scalar x": ({"x": 1.0}, r"x must be \[rows, features\] .* got \(\)"),
    "short y": (
        {"y": Y[:3]},
        r"y must have one value for each row, shape \(4,\); got \(3,\)",
    ),
    "2-D y": ({"y": Y[:, None]}, r"shape \(4,\); got \(4, 1\)"),
    "word in x": ({"x": _with(X, (1, 1), "LFP")}, "x must be numeric: .*'LFP'.*Encode"),
    "text in y": ({"y": np.array(["1", "2", "3", "4"])}, "y must be numeric: got <U1"),
    "complex x": ({"x": X + 1j}, "x must be numeric: got complex128"),
    "dates": ({"y": np.array(["2026-01-01"] * 4, "M8[D]")}, "y must be numeric"),
    "ragged x": ({"x": [[1.0, 2.0], [1.0]]}, "x must be numeric: .*inhomogeneous"),
    "None in y": ({"y": [1.0, None, 3.0, 4.0]}, "'target' is not finite in rows 1"),
    "same name twice": (
        {"feature_names": ["rate", "rate", "c"]},
        "3 columns; .* all names must differ; got names .'rate', 'rate', 'c'",
    ),
    "name missing": ({"feature_names": NAMES[:2]}, "need as many entries"),
    "no names": ({"feature_names": []}, r"need as many entries.*got names \(\)"),
    "unit missing": ({"feature_units": ["1/h"]}, "need as many .* units .'1/h'"),
    "short groups": ({"groups": ["a", "b"]}, r"groups .* shape \(4,\); got \(2,\)"),
    "nameless group": (
        {"groups": np.array(["a", None, "b", np.nan], object)},
        "every row must have a group name; wrong in rows 1, 3",
    ),
    "negative variance": (
        {"noise_variance": [1.0, -1e-9, 0.0, 1.0]},
        "noise_variance must be finite and not negative; wrong in rows 1",
    ),
    "nan variance": ({"noise_variance": [1.0, 0.0, np.nan, 1.0]}, "variance .* rows 2"),
    "scalar variance": ({"noise_variance": 0.1}, r"variance .* shape \(4,\); got \(\)"),
    "log of zero": (
        {"y": [1.0, 0.0, 3.0, -4.0], "transform": transforms.Log()},
        r"target 'target' is outside the domain of Log in rows 1, 3 \(counting from 0\): \[ ?0\. -4\.\]",
    ),
    "censored code": (
        {"censored": [0, 1, 2, -1]},
        r"censored must be 0 \(exact\), 1 \(lower bound\) or -1 .* rows 2",
    ),
    "censored words": ({"censored": ["no", "yes", "no", "no"]}, "censored must be num"),
    "censored nan": ({"censored": [0, np.nan, 0, 0]}, "censored .* rows 1"),
    "censored short": ({"censored": [True]}, r"censored .* shape \(4,\); got \(1,\)"),
    "protocol fraction": ({"protocol": [0, 1.5, 1, -1]}, "protocol .* rows 1"),
    "protocol unknown code": (
        {"protocol": [0, -2, 1, -1]},
        "-1 where unknown; wrong in rows 1",
    ),
    "y_upper below": (
        {"y_upper": [1.0, 1.9, 3.0, 5.0]},
        "not be less than y; wrong in rows 1",
    ),
    "y_upper nan": ({"y_upper": [1.0, 2.0, 3.0, np.nan]}, "y_upper .* rows 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_input_is_refused(case):
    changes, message = BAD[case]
    arguments = {"x": X, "y": Y, "feature_names": NAMES} | changes
    with pytest.raises(DataError, match=message):
        Dataset(**arguments)


def test_valid_input_is_stored_unchanged():
    data = Dataset(
        X,
        [1, 2, 3, 4],
        noise_variance=[0.0, 0.1, 0.2, 0.3],
        groups=["b", "a", "b", "c"],
        protocol=[0, -1, 2, 1],
        censored=[0, 1, -1, 0],
        y_upper=[1.0, np.inf, 3.0, 4.5],
        feature_names=NAMES,
        feature_units=["1/h", "°C", "Ω"],
        target_name="life",
        target_unit="cycles",
        transform=transforms.Log(),
    )
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, Y)
    np.testing.assert_array_equal(data.censored, [0, 1, -1, 0])
    np.testing.assert_array_equal(data.protocol, [0, -1, 2, 1])
    np.testing.assert_array_equal(data.y_upper, [1.0, np.inf, 3.0, 4.5])
    assert data.group_labels == ["b", "a", "b", "c"]
    assert data.mask.all()
    assert data.feature_names == tuple(NAMES)
    assert (data.target_name, data.target_unit) == ("life", "cycles")


def test_defaults():
    data = Dataset(jnp.arange(3.0), [True, False, True])
    assert data.x.shape == (3, 1)
    assert data.feature_names == ("x0",)
    np.testing.assert_array_equal(data.y, [1.0, 0.0, 1.0])
    np.testing.assert_array_equal(data.censored, [0, 0, 0])
    assert data.noise_variance is None
    assert data.protocol is None
    assert data.group_labels is None


def test_censored_may_be_boolean_and_groups_numbers():
    data = Dataset(X, Y, censored=Y > 2, feature_names=tuple(NAMES))
    np.testing.assert_array_equal(data.censored, [0, 0, 1, 1])
    numbered = Dataset(X, Y, groups=np.array([7, 3, 7, 7]))
    assert numbered.group_labels == [7, 3, 7, 7]
