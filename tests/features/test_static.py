"""Static descriptors are checked against their bounds and have propagated errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.features.compositions import ilr
from battprob.features.static import (
    category,
    composition,
    continuous,
    lattice,
    lattice_volume,
)

ROWS = ["a", "b"]


def test_values_outside_the_bounds_are_errors_and_missing_values_are_not():
    options = {
        "name": "temperature",
        "unit": "degC",
        "rows": ROWS,
        "low": 0.0,
        "high": 60.0,
    }
    table = continuous([25.0, np.nan], **options, variance=[0.1, 0.1])
    np.testing.assert_array_equal(table.variance[:, 0], [0.1, 0.1])
    with pytest.raises(DataError, match=r"between 0 and 60 degC; row 'b' has 298"):
        continuous([25.0, 298.0], **options)


def test_composition_gives_the_log_ratios_of_the_amounts():
    parts = np.array([[6.0, 1.0, 5.0], [5.4, 1.0, 4.4]])
    table = composition(parts, names=["li", "p", "s"], rows=ROWS)
    np.testing.assert_allclose(table.x, ilr(jnp.asarray(parts)), rtol=1e-12)
    assert np.isnan(table.variance).all()


def test_variances_of_amounts_agree_with_sampling():
    parts, variance = np.array([[6.0, 1.0, 5.0]]), np.array([[0.01, 4e-4, 0.02]])
    options = {"names": ["li", "p", "s"], "rows": ["a"]}
    table = composition(parts, **options, variance=variance)
    noise = np.random.default_rng(0).standard_normal((40_000, 3))
    sampled = np.var(ilr(jnp.asarray(parts + np.sqrt(variance) * noise)), axis=0)
    np.testing.assert_allclose(table.variance[0], sampled, rtol=0.04)
    # The unit of the amounts does not matter.
    scaled = composition(1e3 * parts, **options, variance=1e6 * variance)
    np.testing.assert_allclose(scaled.variance, table.variance, rtol=1e-9)


def test_zeros_are_errors_without_detection_limit():
    parts, options = [[6.0, 0.0], [1.0, 1.0]], {"names": ["li", "cl"], "rows": ROWS}
    with pytest.raises(
        DataError, match=r"row 'a' has zero cl \(1 zeros in total\).*limit="
    ):
        composition(parts, **options)
    table = composition(parts, **options, detection_limit=0.01)
    np.testing.assert_allclose(table.x[0, 0], np.sqrt(0.5) * np.log(99), rtol=1e-12)


def test_volume_is_the_determinant_of_the_edges():
    a, b, c, alpha, beta, gamma = values = [3.1, 4.2, 5.3, 80.0, 95.0, 110.0]
    cos_a, cos_b, cos_c = np.cos(np.deg2rad([alpha, beta, gamma]))
    metric = np.array(
        [
            [a * a, a * b * cos_c, a * c * cos_b],
            [a * b * cos_c, b * b, b * c * cos_a],
            [a * c * cos_b, b * c * cos_a, c * c],
        ]
    )
    variance = np.full((1, 6), 1e-4)
    table = lattice([values], rows=["a"], variance=variance)
    np.testing.assert_allclose(table.x[0, 6] ** 2, np.linalg.det(metric), rtol=1e-10)
    step = 1e-5 * np.eye(6)
    rise = [
        lattice_volume(jnp.asarray(values + h))
        - lattice_volume(jnp.asarray(values - h))
        for h in step
    ]
    slope = np.concatenate(rise) / 2e-5
    np.testing.assert_allclose(table.variance[0, 6], 1e-4 * slope @ slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, 2.0, -3.0, 90, 90, 90]], "'a' is not a unit cell"),
        ([[1.0, 2.0, 3.0, 120, 120, 121]], "'a' is not a unit cell"),
        ([[1.0, 2.0, 3.0]], r"got shape \(1, 3\)"),
    ],
)
def test_impossible_unit_cells_are_errors(values, message):
    with pytest.raises(DataError, match=message):
        lattice(values, rows=["a"])
    flat = jnp.array([1.0, 1.0, 1.0, 120.0, 120.0, 120.0])
    assert np.isfinite(jax.jacobian(lattice_volume)(flat)).all()


def test_other_levels_are_counted_as_unknown():
    options = {
        "name": "salt",
        "levels": ["LiPF6", "LiFSI"],
        "rows": ["a", "b", "c", "d"],
    }
    table = category(["LiFSI", None, "LiPF6", "LiBOB"], **options)
    assert table.names == ("salt=LiPF6", "salt=LiFSI", "salt=unknown")
    np.testing.assert_array_equal(np.argmax(table.x, axis=1), [1, 2, 0, 2])
    np.testing.assert_array_equal(table.x.sum(axis=1), 1)
    np.testing.assert_array_equal(table.variance, 0)
    for levels in ([], ["x", "x"], ["unknown"]):
        with pytest.raises(DataError, match="salt needs at least one level"):
            category(["x"], name="salt", levels=levels, rows=["a"])


def test_descriptors_can_be_joined():
    table = continuous(
        [1.0, 2.0], name="t", unit="h", rows=ROWS, low=0.0, high=5.0
    ).join(category(["x", "y"], name="kind", levels=["x"], rows=ROWS))
    assert table.names == ("t", "kind=x", "kind=unknown")
