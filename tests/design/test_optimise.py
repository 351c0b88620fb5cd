"""The best row agrees with a dense grid, the best candidate with the whole table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import DataError
from battprob.design import Categorical, Integer, Real, Space, optimise
from battprob.design.acquisition import AbstractAcquisition
from tests.design.spaces import SPACES


class TwoPeaks(AbstractAcquisition):
    """Two maxima in the unit square of the first two columns, the higher near a corner."""

    def values(self, posterior, x):
        del posterior
        z = x[:, :2]
        low = jnp.exp(-8 * jnp.sum((z - jnp.array([[0.3, 0.4]])) ** 2, axis=1))
        high = jnp.exp(-40 * jnp.sum((z - jnp.array([[0.97, 1.02]])) ** 2, axis=1))
        return low + 1.5 * high + 0.2 * jnp.sum(x[:, 2:], axis=1)

    def prepare(self, posterior, reference, *, key, pending=None):
        return self


class Plane(AbstractAcquisition):
    """A linear function: its maximum is at a corner of the space."""

    weights: jax.Array

    def values(self, posterior, x):
        del posterior
        return x @ self.weights

    def prepare(self, posterior, reference, *, key, pending=None):
        return self


def _best(acquisition, space):
    none = np.zeros((0, space.num_columns))
    rows = optimise.starting_rows(space, none, key=jax.random.key(0))
    return optimise.best_row(acquisition, None, space, rows)


def test_the_global_maximum_at_a_bound_is_found():
    space = Space(Real("a", 0, 1), Real("b", 0, 1))
    row, value = _best(TwoPeaks(), space)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 401)] * 2), -1).reshape(-1, 2)
    best = float(TwoPeaks().values(None, jnp.asarray(grid)).max())
    assert best - 1e-9 < value < best + 1e-4
    np.testing.assert_allclose(row, [0.97, 1.0], atol=2e-3)


def test_categories_and_integers_are_optimised_as_well():
    space = Space(
        Real("a", 0, 1), Real("b", 0, 1), Integer("n", 0, 9), Categorical("c", "xyz")
    )
    plane = Plane(jnp.array([1.0, -1.0, 0.3, 0.0, 2.0, 1.0]))
    row, _ = _best(plane, space)
    point = space.decode(row)[0]
    assert (point["n"], point["c"]) == (9, "y")
    np.testing.assert_allclose(row[:2], [1.0, 0.0], atol=1e-5)


@pytest.mark.parametrize("name", ["simplex", "constrained", "balanced"])
def test_corners_of_constrained_spaces_are_found(name):
    """Assert that the maximum of a plane is that of the linear program."""
    from scipy.optimize import linprog

    space = SPACES[name]
    system = space._linear_system()
    low, high = (end[space.continuous] for end in space.bounds)
    weights = np.random.default_rng(1).normal(size=space.num_columns) / (
        space.bounds[1] - space.bounds[0]
    )
    lp = linprog(
        -weights[space.continuous],
        A_ub=system.below if len(system.below) else None,
        b_ub=system.limit if len(system.below) else None,
        A_eq=system.equal if len(system.equal) else None,
        b_eq=system.value if len(system.equal) else None,
        bounds=list(zip(low, high, strict=True)),
    )
    row, _ = _best(Plane(jnp.asarray(weights)), space)
    value = row[space.continuous] @ weights[space.continuous]
    assert -lp.fun - 0.02 < value < -lp.fun + 1e-9
    space.encode(space.decode(row))


def test_all_candidates_are_evaluated():
    """Assert that chunks do not change the values or the best of 10 000 rows."""
    rows = np.random.default_rng(0).uniform(size=(10_000, 2))
    values = optimise.scores(TwoPeaks(), None, rows)
    np.testing.assert_allclose(values, TwoPeaks().values(None, jnp.asarray(rows)))
    space = Space(
        Real("a", 0, 1), Real("b", 0, 1), candidates={"a": rows[:, 0], "b": rows[:, 1]}
    )
    np.testing.assert_array_equal(_best(TwoPeaks(), space)[0], rows[np.argmax(values)])


def test_excluded_candidates_are_not_chosen():
    table = {"a": [0.1, 0.5, 0.9], "b": [0.2, 0.5, 0.9]}
    space = Space.from_candidates(table, repeats=False)
    rows = space.candidate_rows
    remaining = rows.copy()
    for _ in range(3):
        row, _ = optimise.best_row(
            TwoPeaks(), None, space, rows, excluded=rows[~_among(rows, remaining)]
        )
        remaining = remaining[~_among(remaining, row[None])]
    assert len(remaining) == 0
    with pytest.raises(DataError, match="all 3 candidates have been tested"):
        optimise.best_row(TwoPeaks(), None, space, rows, excluded=rows)


def _among(rows, others):
    return np.array([any(np.array_equal(a, b) for b in others) for a in rows])
