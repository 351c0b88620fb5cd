"""Points and rows convert into each other, and both stay inside of the space."""

import jax
import numpy as np
import pytest

from battprob import DataError
from battprob.design import Categorical, LinearConstraint, Real, Simplex, Space
from tests.design.spaces import SPACES


@pytest.mark.parametrize("name", SPACES)
def test_samples_are_points_of_the_space(name, key):
    """Assert that sampled rows decode to points that encode to the same rows."""
    space = SPACES[name]
    rows = space.sample(64, key=key)
    np.testing.assert_allclose(space.encode(space.decode(rows)), rows, atol=1e-12)
    assert rows.shape[1] == len(space.columns)
    low, high = space.bounds
    assert np.all((rows >= low - 1e-12) & (rows <= high + 1e-12))


@pytest.mark.parametrize("name", SPACES)
def test_more_samples_begin_with_fewer_samples(name, key):
    space = SPACES[name]
    np.testing.assert_array_equal(
        space.sample(5, key=key), space.sample(20, key=key)[:5]
    )


@pytest.mark.parametrize("name", [n for n in SPACES if n != "table"])
def test_rows_near_others_stay_inside(name, key):
    space = SPACES[name]
    good = space.sample(4, key=key)
    near = space.near(good, 200, key=jax.random.key(1))
    space.encode(space.decode(near))
    assert np.unique(near, axis=0).shape[0] > 50


def test_samples_cover_the_space(key):
    """Assert that all levels, both halves of a range and both ends of a simplex occur."""
    rows = SPACES["mixed"].sample(256, key=key)
    points = SPACES["mixed"].decode(rows)
    assert {p["additive"] for p in points} == {"VC", "FEC"}
    assert {p["layers"] for p in points} == {1, 2, 3, 4}
    c1 = np.array([p["c1"] for p in points])
    assert abs(np.mean(c1 < 5.8) - 0.5) < 0.02
    parts = np.array([p["LiPF6"] for p in points])
    assert parts.min() < 0.15
    assert parts.max() > 0.85


def test_simplex_samples_are_uniform(key):
    """Assert that means and variances of parts are those of the uniform distribution."""
    space = Space(Simplex("s", ["a", "b", "c"]))
    rows = space.sample(1024, key=key)
    np.testing.assert_allclose(rows.mean(0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(rows.var(0), 1 / 18, rtol=0.05)


def test_neighbours_differ_in_one_dimension():
    space = SPACES["mixed"]
    point = {"c1": 5.0, "LiPF6": 0.4, "LiFSI": 0.6, "additive": "VC", "layers": 1}
    near = space.decode(space.neighbours(space.encode([point])[0]))
    changes = [{k for k in point if other[k] != point[k]} for other in near]
    assert changes == [{"additive"}, {"layers"}]


GOOD = {"c1": 5.0, "c2": 4.5, "EC": 0.4, "DMC": 0.5, "EMC": 0.1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c1": 9.0}, "point 1: c1 must lie between 3.6 and 8; got 9"),
        ({"c1": float("nan")}, "point 1: c1 must be finite"),
        ({"c1": "fast"}, "c1 must be a number; got 'fast'"),
        ({"EC": 0.5}, "parts of solvent must sum to one"),
        (
            {"c1": 6.0},
            "violates a constraint: 1 c1 . 1 c2 must be at most 10; got 10.5",
        ),
        ({"EC": 0.0, "DMC": 0.9}, "violates a constraint.*at least 0.6"),
        ({"c3": 1.0}, "point 1 must have the names"),
    ],
)
def test_points_outside_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        SPACES["constrained"].encode([GOOD, GOOD | change])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Space, "at least one dimension"),
        (lambda: Space(Real("a", 0, 1), Real("a", 0, 2)), "different names"),
        (lambda: Real("a", 1, 1), "low < high; got low = 1, high = 1"),
        (lambda: Real("a", 0, 1, log=True), "above 0"),
        (lambda: Categorical("a", ["x"]), "two or more different levels"),
        (lambda: Simplex("s", ["a", "b"], low=0.6), "allow a sum of one"),
        (lambda: LinearConstraint({"a": 1}), "at_least or at_most"),
        (
            lambda: Space(
                Real("a", 0, 1), constraints=[LinearConstraint({"a": 1}, at_least=2)]
            ),
            "leave no interior",
        ),
        (
            lambda: Space(
                Real("a", 0, 1), constraints=[LinearConstraint({"b": 1}, at_least=2)]
            ),
            "names 'b'",
        ),
    ],
)
def test_invalid_spaces_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
