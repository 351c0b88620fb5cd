"""Maps from unconstrained vectors end inside of a space and reach its corners."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from battprob.design._polytope import Polytope
from tests.design.spaces import SPACES

NAMES = ["box", "simplex", "constrained", "balanced"]


def _free(space, num, scale):
    shape = space.feasible
    size = shape.basis.shape[1] if isinstance(shape, Polytope) else len(shape.low)
    return scale * np.random.default_rng(0).normal(size=(num, size))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_every_vector_gives_a_point_of_the_space(name, scale):
    """Assert that the rows of small and large vectors are accepted by the space."""
    space = SPACES[name]
    rows = space.sample(50, key=jax.random.key(0))
    points = jax.vmap(space.feasible.from_unconstrained)(_free(space, 50, scale))
    rows[:, space.continuous] = points
    space.encode(space.decode(rows))


@pytest.mark.parametrize("name", NAMES)
def test_the_maps_are_inverses(name):
    space = SPACES[name]
    inside = space.sample(50, key=jax.random.key(0))[:, space.continuous]
    free = jax.vmap(space.feasible.to_unconstrained)(jnp.asarray(inside))
    again = jax.vmap(space.feasible.from_unconstrained)(free)
    np.testing.assert_allclose(again, inside, atol=1e-9)


@pytest.mark.parametrize("name", ["simplex", "constrained", "balanced"])
def test_corners_are_reached(name):
    """Assert that the best of many large vectors is near the linear program's optimum."""
    space = SPACES[name]
    system = space._linear_system()
    low, high = (end[space.continuous] for end in space.bounds)
    free = _free(space, 20_000, 30.0)
    points = np.asarray(jax.vmap(space.feasible.from_unconstrained)(free))
    for seed in range(3):
        cost = np.random.default_rng(seed).normal(size=len(low)) / (high - low)
        lp = linprog(
            cost,
            A_ub=system.below if len(system.below) else None,
            b_ub=system.limit if len(system.below) else None,
            A_eq=system.equal if len(system.equal) else None,
            b_eq=system.value if len(system.equal) else None,
            bounds=list(zip(low, high, strict=True)),
        )
        values = points @ cost
        assert -1e-9 < values.min() - lp.fun < 0.15 * np.ptp(values)
