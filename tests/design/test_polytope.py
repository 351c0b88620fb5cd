"""The ways from unconstrained vectors into a space end inside, and reach its corners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from battprob.design._polytope import Polytope
from tests.design.spaces import SPACES

NAMES = ["box", "simplex", "constrained", "balanced"]


def _free(space, num, scale):
    shape = space.shape
    size = shape.basis.shape[1] if isinstance(shape, Polytope) else len(shape.low)
    return scale * np.random.default_rng(0).normal(size=(num, size))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_every_vector_is_a_point(name, scale):
    """Assert that vectors near and far are rows that the space accepts."""
    space = SPACES[name]
    rows = space.sample(50, key=jax.random.key(0))
    rows[:, space.continuous] = jax.vmap(space.shape.point)(_free(space, 50, scale))
    space.encode(space.decode(rows))


@pytest.mark.parametrize("name", NAMES)
def test_points_come_back(name):
    space = SPACES[name]
    inside = space.sample(50, key=jax.random.key(0))[:, space.continuous]
    free = jax.vmap(space.shape.free)(jnp.asarray(inside))
    np.testing.assert_allclose(jax.vmap(space.shape.point)(free), inside, atol=1e-9)


@pytest.mark.parametrize("name", ["simplex", "constrained", "balanced"])
def test_corners_are_reached(name):
    """Assert that the best of many far vectors comes near the linear program's optimum."""
    space = SPACES[name]
    linear = space._linear()
    low, high = (end[space.continuous] for end in space.bounds)
    points = np.asarray(jax.vmap(space.shape.point)(_free(space, 20_000, 30.0)))
    for seed in range(3):
        cost = np.random.default_rng(seed).normal(size=len(low)) / (high - low)
        lp = linprog(
            cost,
            A_ub=linear.below if len(linear.below) else None,
            b_ub=linear.limit if len(linear.below) else None,
            A_eq=linear.equal if len(linear.equal) else None,
            b_eq=linear.value if len(linear.equal) else None,
            bounds=list(zip(low, high, strict=True)),
        )
        spread = np.ptp(points @ cost)
        assert -1e-9 < (points @ cost).min() - lp.fun < 0.15 * spread
