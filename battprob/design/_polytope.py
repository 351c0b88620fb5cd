r"""Smooth maps from unconstrained vectors to the continuous columns of a space.

With such a map, a search for the best point needs no constraints. For a box, each
coordinate is $x = l + (h - l)\sin^2(\pi u/2)$: smooth, and the bounds themselves are
reached. For a polytope, a vector z starts at an interior point $x_0$ along the affine
hull; if it leaves the polytope, it is scaled back to the surface,

    x = x₀ + B z / max(1, g(z)),    g(z) = max_i a_iᵀB z / (b_i - a_iᵀx₀)

where the columns of B are an orthonormal basis of the hull, a_iᵀx ≤ b_i are the
constraints, and g is the gauge of the polytope about x₀.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float


class Box(eqx.Module):
    """Independent lower and upper bounds."""

    low: Float[Array, " p"]
    width: Float[Array, " p"]

    def from_unconstrained(self, free: Float[Array, " p"]) -> Float[Array, " p"]:
        """The point of an unconstrained vector."""
        return self.low + self.width * jnp.sin(0.5 * jnp.pi * free) ** 2

    def to_unconstrained(self, point: Float[Array, " p"]) -> Float[Array, " p"]:
        """An unconstrained vector of a point."""
        fraction = jnp.clip((point - self.low) / self.width, 0.0, 1.0)
        return jnp.arcsin(jnp.sqrt(fraction)) / (0.5 * jnp.pi)


class Polytope(eqx.Module):
    """Bounds together with linear equations and inequalities.

    Coordinates inside are those in which the bounds are the unit cube.

    Args:
        low, width: lower bounds, and upper less lower bounds.
        centre: interior point x₀.
        basis: B, orthonormal basis of the affine hull.
        gauge: rows a_iᵀB / (b_i - a_iᵀx₀).
    """

    low: Float[Array, " p"]
    width: Float[Array, " p"]
    centre: Float[Array, " p"]
    basis: Float[Array, "p r"]
    gauge: Float[Array, "c r"]

    def from_unconstrained(self, free: Float[Array, " r"]) -> Float[Array, " p"]:
        """The point of an unconstrained vector."""
        inside = free / jnp.maximum(1.0, jnp.max(self.gauge @ free))
        return self.low + self.width * (self.centre + self.basis @ inside)

    def to_unconstrained(self, point: Float[Array, " p"]) -> Float[Array, " r"]:
        """The unconstrained vector of a point."""
        return ((point - self.low) / self.width - self.centre) @ self.basis


class LinearSystem(NamedTuple):
    """Equations and inequalities of continuous columns: E x = e, A x ≤ b."""

    equal: np.ndarray
    value: np.ndarray
    below: np.ndarray
    limit: np.ndarray


def polytope(low: np.ndarray, high: np.ndarray, system: LinearSystem) -> Polytope:
    """The polytope of bounds and a linear system, about the centre of its largest ball.

    Raises:
        DataError: no point satisfies the constraints, or only points on their borders.
    """
    width = high - low
    eye = np.eye(len(low))
    below = np.concatenate([system.below * width, eye, -eye])
    limit = np.concatenate(
        [system.limit - system.below @ low, np.ones(len(low)), np.zeros(len(low))]
    )
    equal, value = system.equal * width, system.value - system.equal @ low
    basis = _null_space(equal)
    norm = np.linalg.norm(below @ basis, axis=1)
    centre = _centre(below, limit, norm, equal, value)
    slack = limit - below @ centre
    # A constraint that is constant along the hull is never reached.
    active = norm > 1e-9
    gauge = (below @ basis)[active] / slack[active, None]
    return Polytope(*map(jnp.asarray, (low, width, centre, basis, gauge)))


def move_inside(
    feasible: Polytope, x: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rows, of which those outside are moved to random depths in the polytope."""
    names = ("low", "width", "centre", "basis", "gauge")
    low, width, centre, basis, gauge = (np.asarray(getattr(feasible, n)) for n in names)
    free = ((x - low) / width - centre) @ basis
    distance = (free @ gauge.T).max(1)
    # The root makes the depth that of uniform points in a ball of that dimension.
    depth = rng.uniform(size=len(x)) ** (1 / max(basis.shape[1], 1))
    scale = np.where(distance > 1, depth / np.maximum(distance, 1.0), 1.0)
    return low + width * (centre + (free * scale[:, None]) @ basis.T)


def _null_space(equal):
    """Orthonormal directions along which the equations remain satisfied."""
    if len(equal) == 0:
        return np.eye(equal.shape[1])
    _, size, directions = np.linalg.svd(equal)
    rank = int(np.sum(size > 1e-9 * size[0]))
    return directions[rank:].T


def _centre(below, limit, norm, equal, value):
    """Centre of the largest ball inside (Chebyshev centre), by linear programming."""
    from scipy.optimize import linprog

    num = below.shape[1]
    solution = linprog(
        np.append(np.zeros(num), -1.0),
        A_ub=np.column_stack([below, norm]),
        b_ub=limit,
        A_eq=np.column_stack([equal, np.zeros(len(equal))]) if len(equal) else None,
        b_eq=value if len(equal) else None,
        bounds=[(None, None)] * num + [(0, None)],
    )
    if solution.status != 0 or solution.x[-1] < 1e-9:
        raise DataError(
            "the constraints and bounds leave no interior: no point, or only points on "
            "the borders, satisfy all of them; relax one of them"
        )
    return solution.x[:-1]
