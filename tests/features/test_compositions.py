"""Log ratios can be inverted, preserve distances, and do not depend on units."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.features.compositions import (
    closure,
    clr,
    clr_inverse,
    ilr,
    ilr_inverse,
    replace_zeros,
)

compositions = hnp.arrays(float, (4, 5), elements=st.floats(1e-6, 1e6))
settings = hypothesis.settings(max_examples=40, deadline=None)


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@hypothesis.given(compositions)
@settings
def test_inverse_of_the_transform(parts):
    parts = jnp.asarray(parts)
    assert_close(ilr_inverse(ilr(parts)), closure(parts))
    assert_close(clr_inverse(clr(parts)), closure(parts))


@hypothesis.given(hnp.arrays(float, (4, 4), elements=st.floats(-5, 5)))
@settings
def test_transform_of_the_inverse(coordinates):
    assert_close(ilr(ilr_inverse(jnp.asarray(coordinates))), coordinates)


@hypothesis.given(compositions, st.floats(1e-3, 1e3), st.permutations(range(4)))
@settings
def test_units_of_the_parts_and_order_of_rows_do_not_matter(parts, factor, order):
    before = np.asarray(ilr(jnp.asarray(parts)))
    assert_close(ilr(jnp.asarray(factor * parts[list(order)])), before[list(order)])


@hypothesis.given(compositions)
@settings
def test_distances_of_ilr_equal_those_of_clr(parts):
    z, c = np.asarray(ilr(jnp.asarray(parts))), np.asarray(clr(jnp.asarray(parts)))
    assert_close(np.linalg.norm(z[0] - z[1]), np.linalg.norm(c[0] - c[1]))
    assert_close(c.sum(axis=1), 0)


def test_coordinates_agree_with_the_formula():
    x = np.array([0.5, 0.2, 0.3])
    first = np.sqrt(1 / 2) * np.log(x[0] / x[1])
    second = np.sqrt(2 / 3) * np.log(np.sqrt(x[0] * x[1]) / x[2])
    assert_close(ilr(jnp.asarray(x)), [first, second])


def test_replaced_zeros_keep_the_other_ratios():
    parts = np.array([[0.0, 2.0, 6.0], [0.0, 0.0, 5.0], [1.0, 1.0, 2.0]])
    fractions = np.asarray(replace_zeros(parts, detection_limit=[0.01, 0.02, 0.03]))
    assert_close(fractions.sum(axis=1), 1)
    assert_close(fractions[1], [0.01, 0.02, 0.97])
    assert_close(fractions[0, 2] / fractions[0, 1], 3)
    assert_close(fractions[2], [0.25, 0.25, 0.5])


@pytest.mark.parametrize(
    ("parts", "limit", "message"),
    [
        ([[1.0, -1.0]], 0.1, r"row 0 .* is \[1.0, -1.0\]"),
        ([[1.0, 1.0], [0.0, 0.0]], 0.1, r"row 1 .* is \[0.0, 0.0\]"),
        ([[0.0, 1.0, 9.0]], 0.2, "between 0 and the smallest fraction present, 0.1"),
        ([[0.0, 1.0]], 0.0, "between 0 and the smallest"),
    ],
)
def test_invalid_parts_are_errors(parts, limit, message):
    with pytest.raises(DataError, match=message):
        replace_zeros(parts, detection_limit=limit)


def test_gradients_are_finite_for_tiny_parts_and_large_coordinates():
    tiny = jnp.array([1e-300, 1.0, 1e300])
    assert np.isfinite(jax.jacobian(clr)(tiny / 1e10 + 1e-290)).all()
    assert np.isfinite(jax.jacobian(ilr_inverse)(jnp.array([500.0, -800.0]))).all()
